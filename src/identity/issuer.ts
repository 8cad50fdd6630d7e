/**
 * Issues certificates of the usual life for a fleet's processes, with the key of its authority.
 *
 * ISU1. A certificate begins after the revocation that was known before its subject was looked up, and not after a later one:
 *      so a revocation in between covers it (RVK1, RVD2).
 * ISU2. The private admin key is not needed here, and whoever takes over this machine would have it: it is never read, and the log
 *      says that it lies there.
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { access } from 'node:fs/promises';
import { DepotError } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import { adminKeyPaths } from './admin-key.ts';
import { CERTIFICATE_LIFE_MS, openAuthority, validFrom } from './authority-files.ts';
import { type CredentialSource, parseCertificates } from './credentials.ts';
import { publicKeySha256 } from './invitation-token.ts';
import { issueCertificate } from './issue.ts';
import type { PeerIdentity } from './peer-identity.ts';

export type IssuedCertificate = { readonly certificatePem: string; readonly notAfterMs: number };

export type CertificateIssuer = {
  readonly fleet: string;
  /** Of the public key of the authority that issues. */
  readonly authoritySha256: string;
  /** The authorities of the fleet, the issuing one first: two while one replaces the other. */
  readonly authoritiesPem: () => string;
  /** @throws `INVALID_REQUEST` for a key that is not P-256: the profile knows no other */
  readonly issue: (
    identity: PeerIdentity,
    publicKey: KeyObject,
    times: {
      /** Of the identity, as it was known before the subject was looked up (ISU1); undefined if it was never revoked. */
      readonly revokedMs: number | undefined;
      /** From when its life counts; now, where absent. */
      readonly fromMs?: number | undefined;
    },
  ) => IssuedCertificate;
};

/** @throws `NO_AUTHORITY_KEY` */
export const requireIssuer = (issuer: CertificateIssuer | undefined): CertificateIssuer => {
  if (issuer !== undefined) return issuer;
  throw new DepotError(
    'NO_AUTHORITY_KEY',
    'this Nexus issues no certificates: its configuration has no identity.authority_directory',
  );
};

/**
 * @param acceptedPem the authorities that this process accepts
 * @throws `CONFIG_INVALID` if the directory has no authority, or one of another fleet
 */
export const openIssuer = async (
  directory: string,
  {
    fleet,
    nowMs,
    acceptedPem,
    log = silentLogger,
  }: {
    readonly fleet: string;
    readonly nowMs: () => number;
    readonly acceptedPem: () => string;
    readonly log?: Pick<Logger, 'warn'>;
  },
): Promise<CertificateIssuer> => {
  const authority = await openAuthority(directory);
  if (authority === undefined)
    throw new DepotError('CONFIG_INVALID', `identity.authority_directory: ${directory} has no ca.pem`);
  if (authority.fleet !== fleet)
    throw new DepotError(
      'CONFIG_INVALID',
      `identity.authority_directory: ${directory} is the authority of ${authority.fleet}, and the certificate of this process is of ${fleet}`,
    );
  await warnOfAdminKey(directory, log);
  const own = authority.certificate;
  return {
    fleet,
    authoritySha256: publicKeySha256(own.publicKey),
    authoritiesPem() {
      const accepted = parseCertificates(acceptedPem(), 'the authorities of this process');
      const others = accepted.filter(each => !each.raw.equals(own.raw));
      return [own, ...others].map(each => each.toString()).join('');
    },
    issue(identity, publicKey, { revokedMs, fromMs = nowMs() }) {
      if (publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
        throw new DepotError(
          'INVALID_REQUEST',
          'only a certificate with a P-256 key can be renewed here; renew this one where it was issued',
        );
      const validity = validFrom(fromMs, CERTIFICATE_LIFE_MS, revokedMs);
      const certificate = issueCertificate(authority, { identity, publicKey, validity });
      return {
        certificatePem: certificate.toString(),
        notAfterMs: certificate.validToDate.getTime(),
      };
    },
  };
};

/** ISU2 */
const warnOfAdminKey = async (directory: string, log: Pick<Logger, 'warn'>): Promise<void> => {
  const { keyFile } = adminKeyPaths(directory);
  const isThere = await access(keyFile).then(
    () => true,
    () => false,
  );
  if (isThere)
    log.warn(
      { file: keyFile },
      'the private admin key lies on the machine of this Nexus, which does not need it: whoever takes over the machine can sign statements; move the file to the person who decides',
    );
};

/**
 * The certificate of this process itself, anew.
 *
 * @param times.fromMs as of `issue`: the time of the database while that answers (RX6)
 * @throws `UNAUTHORIZED` for one that is revoked, so that none follows it (ISU1)
 */
export const issueOwn = (
  issuer: CertificateIssuer,
  { current, revocations }: Pick<CredentialSource, 'current' | 'revocations'>,
  { fromMs }: { readonly fromMs?: number | undefined } = {},
): IssuedCertificate => {
  const { identity, certificatePem, notBeforeMs } = current();
  const fault = revocations.fault(identity, notBeforeMs);
  if (fault !== undefined)
    throw new DepotError('UNAUTHORIZED', `this process does not renew its own certificate: ${fault}`);
  const { publicKey } = new X509Certificate(certificatePem);
  return issuer.issue(identity, publicKey, { revokedMs: revocations.timeOf(identity), fromMs });
};
