/**
 * The certificate, key and authorities of this process: read from files, checked, and read again when they change.
 *
 *     certificate, key, authorities ─▶ Credentials ─▶ servers, connections ─ (files change) ─▶ new connections
 *
 * CS1. The credentials in use are consistent: the key is the certificate's, the certificate names a process of a fleet, and one of
 *      the authorities issued it, for both ends of a connection. Inconsistent files, as while they are being replaced, change nothing.
 * CS2. The name stays the same while a process runs.
 * CS3. A process with an expired certificate starts and runs, and reports it. Its peers refuse it until the file is renewed; no
 *      restart is needed. A sled renews its own for a year, at a Nexus that issues certificates.
 * CS4. The time of a process is the later one of its clock and the beginning of its certificate: whoever has a certificate that ended
 *      before that is refused, whatever the clock says. A clock that is behind it, as after a boot without the time, judges no
 *      beginning: the certificate is renewed, and the clock set, before it does again.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Clock, isoTime } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type AdminKeys, NO_ADMIN_KEYS } from './admin-key.ts';
import { countsSinceMs, identityOf } from './certificate.ts';
import { type PeerIdentity, type PeerKind, spiffeId } from './peer-identity.ts';
import { createListeners } from './remembered.ts';
import { openRevocations, type Revocations } from './revocations.ts';
import { openStatements, restoredMs, type Statements } from './statements.ts';

export type Credentials = {
  readonly identity: PeerIdentity;
  /** The certificate, and those between it and an authority, in PEM. */
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly authoritiesPem: string;
  /** Since when it counts (CB3). */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
};

/** Absolute paths of PEM files. */
export type IdentityFiles = {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authoritiesFile: string;
};

export type CredentialSource = {
  readonly current: () => Credentials;
  /** Until it is disposed, `listener` is called after each change. */
  readonly onChange: (listener: () => void) => Disposable;
  /** The time by which this process judges whether certificates of others have ended (CS4). */
  readonly nowMs: () => number;
  /** By which this process judges the certificates of others. */
  readonly revocations: Revocations;
  /** Of the admin keys that this process believes. */
  readonly statements: Statements;
};

/** Three small files are read in this period; a certificate is renewed days before its end. */
const RELOAD_PERIOD_MS = 10_000;

/** Disposing ends the watch. @throws `CONFIG_INVALID` naming the file */
export const watchCredentials = async (
  files: IdentityFiles,
  {
    kind,
    clock,
    log,
    adminKeys = NO_ADMIN_KEYS,
  }: {
    readonly kind: PeerKind;
    readonly clock: Clock;
    readonly log: Logger;
    readonly adminKeys?: AdminKeys;
  },
): Promise<CredentialSource & AsyncDisposable> => {
  let current = await readCredentials(files, kind);
  reportExpiry(current, clock, log);
  const { onChange, tell } = createListeners();
  const stop = new AbortController();
  const { signal } = stop;

  const reload = async (): Promise<void> => {
    const read = await readCredentials(files, kind);
    if (isSame(read, current)) return;
    const name = spiffeId(read.identity);
    if (name !== spiffeId(current.identity))
      throw invalid(
        `${files.certificateFile} names ${name} now, and a process keeps its name; restart it, or restore the file`,
      );
    current = read;
    log.info({ spiffe_id: name, not_after: isoTime(read.notAfterMs) }, 'certificate replaced');
    reportExpiry(read, clock, log);
    tell();
  };
  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(RELOAD_PERIOD_MS, { signal }).catch(() => undefined);
      if (!signal.aborted)
        await reload().catch(err =>
          log.warn(
            { err },
            'the changed files of the identity cannot be used; those read before stay in use',
          ),
        );
    }
  };
  const statements = await openStatements(files.certificateFile, {
    keys: adminKeys,
    fleet: current.identity.fleet,
  });
  const nowMs = () => Math.max(clock.nowMs(), current.notBeforeMs);
  const revocations = await openRevocations(files.certificateFile, {
    restoredMs: identity => restoredMs(statements, identity),
    nowMs,
    latestMs: () => (clock.nowMs() < current.notBeforeMs ? Number.POSITIVE_INFINITY : clock.nowMs()),
  });
  const watching = watch();
  return {
    ...{ revocations, statements, nowMs },
    onChange,
    current: () => current,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await watching;
    },
  };
};

const isSame = (a: Credentials, b: Credentials): boolean =>
  a.certificatePem === b.certificatePem && a.keyPem === b.keyPem && a.authoritiesPem === b.authoritiesPem;

/** CS3 */
const reportExpiry = ({ notAfterMs, identity }: Credentials, clock: Clock, log: Logger): void => {
  if (notAfterMs > clock.nowMs()) return;
  const advice = {
    sled: `no peer accepts it for anything but its renewal. This sled asks a Nexus for a new one, which it gets for a year while it is in service. If that is refused, make an invitation with tuf-depot sled invite --sled ${identity.id}, and use it here with tuf-depot sled-agent join`,
    nexus: 'no peer accepts it; renew it with tuf-depot identity issue',
  }[identity.kind];
  log.error({ not_after: isoTime(notAfterMs) }, `the certificate has expired: ${advice}`);
};

/** @param kind of this process. @throws `CONFIG_INVALID` naming the file */
export const readCredentials = async (files: IdentityFiles, kind: PeerKind): Promise<Credentials> => {
  const { certificateFile, keyFile, authoritiesFile } = files;
  const [certificatePem, keyPem, authoritiesPem] = await Promise.all([
    readText(certificateFile),
    readText(keyFile),
    readText(authoritiesFile),
  ]);
  const [certificate, ...between] = parseCertificates(certificatePem, certificateFile);
  const authorities = parseCertificates(authoritiesPem, authoritiesFile);
  const identity = identityOf(certificate);
  if (identity === undefined)
    throw invalid(
      `${certificateFile} names no process of a fleet: its only URI name must be spiffe://FLEET/nexus/ID or spiffe://FLEET/sled/ID, with a UUID as ID`,
    );
  if (identity.kind !== kind)
    throw invalid(`${certificateFile} is the certificate of a ${identity.kind}; this process is a ${kind}`);
  requireKeyOf(certificate, { certificateFile, keyFile, keyPem });
  requireUsages(certificate, certificateFile);
  if (!isIssuedBy(certificate, between, authorities))
    throw invalid(
      `${certificateFile} was issued by none of the authorities in ${authoritiesFile}; add the one that issued it`,
    );
  return {
    ...{ identity, certificatePem, keyPem, authoritiesPem },
    notBeforeMs: countsSinceMs(certificate),
    notAfterMs: certificate.validToDate.getTime(),
  };
};

const CERTIFICATE_PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** At least one, in the order of the file. @throws `CONFIG_INVALID` */
export const parseCertificates = (
  pem: string,
  file: string,
): readonly [X509Certificate, ...X509Certificate[]] => {
  try {
    const [first, ...others] = (pem.match(CERTIFICATE_PEM) ?? []).map(each => new X509Certificate(each));
    if (first !== undefined) return [first, ...others];
  } catch (cause) {
    throw invalid(`${file} has a certificate that cannot be read`, cause);
  }
  throw invalid(`${file} has no certificate in PEM`);
};

const requireKeyOf = (
  certificate: X509Certificate,
  { certificateFile, keyFile, keyPem }: { certificateFile: string; keyFile: string; keyPem: string },
): void => {
  let isItsKey: boolean;
  try {
    isItsKey = certificate.checkPrivateKey(createPrivateKey(keyPem));
  } catch (cause) {
    throw invalid(`${keyFile} has no private key in PEM that can be read`, cause);
  }
  if (!isItsKey)
    throw invalid(`the key in ${keyFile} is not the one of the certificate in ${certificateFile}`);
};

/** Extended key usages (RFC 5280, 4.2.1.12). Without the extension a certificate is for all. */
const USAGES = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };

/** Each process is both ends of connections; otherwise it would start, and every peer would refuse it. */
const requireUsages = ({ keyUsage }: X509Certificate, certificateFile: string): void => {
  // Node calls the extended usages so, and has no array where the extension is absent.
  const usages: readonly string[] | undefined = keyUsage;
  for (const [end, oid] of Object.entries(USAGES))
    if (usages !== undefined && !usages.includes(oid))
      throw invalid(
        `${certificateFile} is not for ${end} authentication: issue it for server and client authentication`,
      );
};

/** Directly, whatever its times are. The authority itself has to be valid now. */
export const isIssuedByAuthority = (certificate: X509Certificate, authoritiesPem: string): boolean =>
  parseCertificates(authoritiesPem, 'the authorities').some(
    by =>
      certificate.checkIssued(by) &&
      certificate.verify(by.publicKey) &&
      by.validFromDate.getTime() <= Date.now() &&
      Date.now() <= by.validToDate.getTime(),
  );

/** Follows the certificates between, each at most once. */
const isIssuedBy = (
  certificate: X509Certificate,
  between: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): boolean => {
  const issued = (by: X509Certificate): boolean =>
    certificate.checkIssued(by) && certificate.verify(by.publicKey);
  if (authorities.some(issued)) return true;
  const next = between.find(issued);
  return (
    next !== undefined &&
    isIssuedBy(
      next,
      between.filter(each => each !== next),
      authorities,
    )
  );
};

const readText = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw invalid(`cannot read ${file}`, cause);
  }
};

const invalid = (message: string, cause?: unknown): DepotError =>
  new DepotError('CONFIG_INVALID', `identity: ${message}`, { cause });
