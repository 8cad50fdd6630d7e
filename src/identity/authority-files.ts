/**
 * The authority of a fleet in a directory, and the credentials that it writes for processes:
 *
 *     DIR/ca.pem, ca-key.pem (0600)  ─▶ issue ─▶  OUT/certificate.pem, key.pem (0600), ca.pem
 *
 * AU1. A key is made once. A renewed certificate is for the same key, so that a process that reads both files in between
 *      finds a pair that matches.
 * AU2. Keys and authorities are never overwritten. In the directory of a process its certificate is overwritten by one of the same
 *      process, issued now, which may expire earlier: an operator asked for fewer days, or the clock was set back. `ca.pem` there
 *      is overwritten by the authority that issued it.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { basename, join } from 'node:path';
import { readFileWhole, removeTemporaryFiles, writeFileDurably } from '../lib/durable-file.ts';
import { DepotError } from '../lib/errors.ts';
import { makeDirectories, realDisk } from '../lib/real-disk.ts';
import { identityOf, uriNames } from './certificate.ts';
import { CLOCK_TOLERANCE_MS } from './clock-tolerance.ts';
import { type IdentityFiles, parseCertificates } from './credentials.ts';
import { type Authority, generateKey, issueAuthority, issueCertificate, type Validity } from './issue.ts';
import { type PeerIdentity, spiffeId } from './peer-identity.ts';

const DAY_MS = 86_400_000;
export const AUTHORITY_LIFE_MS = 3_650 * DAY_MS;
export const CERTIFICATE_LIFE_MS = 30 * DAY_MS;
/** A certificate in PEM has less than 1 KiB. */
const MAX_FILE_BYTES = 256 * 1024;
const PRIVATE = { mode: 0o600 };

export type FleetAuthority = Authority & { readonly fleet: string; readonly certificateFile: string };

const authorityPaths = (directory: string) => ({
  certificateFile: join(directory, 'ca.pem'),
  keyFile: join(directory, 'ca-key.pem'),
});

export const identityPaths = (directory: string): IdentityFiles => ({
  certificateFile: join(directory, 'certificate.pem'),
  keyFile: join(directory, 'key.pem'),
  authoritiesFile: join(directory, 'ca.pem'),
});

/** @param revokedMs of the identity: a certificate that begins no later does not count (RVK1) */
export const validFrom = (nowMs: number, lifeMs: number, revokedMs = Number.NEGATIVE_INFINITY): Validity => ({
  // The times of a certificate are whole seconds.
  notBeforeMs: Math.max(nowMs - CLOCK_TOLERANCE_MS, revokedMs + 1_000),
  notAfterMs: nowMs + lifeMs,
});

/** @throws `CONFIG_INVALID` if the directory has one */
export const createAuthority = async (
  directory: string,
  fleet: string,
  validity: Validity,
): Promise<FleetAuthority> => {
  const { certificateFile, keyFile } = authorityPaths(directory);
  await makeOwn(directory, keyFile);
  for (const file of [certificateFile, keyFile])
    if ((await readText(file)) !== undefined)
      throw new DepotError(
        'CONFIG_INVALID',
        `${file} exists, and an authority is never overwritten; choose another directory`,
      );
  const authority = issueAuthority(fleet, validity);
  // Written last: a directory with a certificate has a complete authority.
  await writeFileDurably(keyFile, pemOf(authority.privateKey), PRIVATE);
  await writeFileDurably(certificateFile, authority.certificate.toString());
  return { ...authority, fleet, certificateFile };
};

/** A key that a killed command has half written is not left for others to find. */
const makeOwn = async (directory: string, keyFile: string): Promise<void> => {
  await makeDirectories(directory, { mode: 0o700 });
  await removeTemporaryFiles(directory, { of: basename(keyFile) });
};

/** Undefined if the directory has none. @throws `CONFIG_INVALID` naming the file */
export const openAuthority = async (directory: string): Promise<FleetAuthority | undefined> => {
  const { certificateFile, keyFile } = authorityPaths(directory);
  const pem = await readText(certificateFile);
  if (pem === undefined) return undefined;
  const [certificate] = parseCertificates(pem, certificateFile);
  const fleet = fleetOf(certificate.raw);
  if (fleet === undefined || !certificate.ca)
    throw new DepotError(
      'CONFIG_INVALID',
      `${certificateFile} is not the authority of a fleet, as identity init makes one`,
    );
  const privateKey = parseKey(await readText(keyFile), keyFile);
  if (!certificate.checkPrivateKey(privateKey))
    throw new DepotError(
      'CONFIG_INVALID',
      `the key in ${keyFile} is not the one of ${certificateFile}; restore both files from the same backup`,
    );
  return { certificate, privateKey, fleet, certificateFile };
};

/** The fleet that an authority's certificate names: `spiffe://FLEET`. */
export const fleetOf = (raw: Uint8Array): string | undefined => {
  const uris = uriNames(raw);
  const [, fleet] = /^spiffe:\/\/([a-z0-9._-]{1,255})$/.exec(uris[0] ?? '') ?? [];
  return uris.length === 1 ? fleet : undefined;
};

/**
 * Writes key, certificate and authority of one process; again for a renewal (AU1).
 *
 * @throws `CONFIG_INVALID` if the directory has the certificate of another process
 */
export const issueToDirectory = async (
  authority: FleetAuthority,
  { identity, directory, validity }: { identity: PeerIdentity; directory: string; validity: Validity },
): Promise<IdentityFiles> => {
  const files = identityPaths(directory);
  await makeOwn(directory, files.keyFile);
  const present = await issuedIdentity(directory);
  if (present !== undefined && spiffeId(present) !== spiffeId(identity))
    throw new DepotError(
      'CONFIG_INVALID',
      `${files.certificateFile} is the certificate of ${spiffeId(present)}, not of ${spiffeId(identity)}; choose another directory`,
    );
  const publicKey = createPublicKey(await keyIn(files.keyFile));
  const certificate = issueCertificate(authority, { identity, publicKey, validity });
  await writeFileDurably(files.authoritiesFile, await authoritiesOf(authority, files.authoritiesFile));
  await writeFileDurably(files.certificateFile, certificate.toString());
  return files;
};

/**
 * The issuing authority first, then the others that its own file has, and those that the file of the process has already: while one
 * replaces another a fleet has several, and a process has to trust all of them.
 */
const authoritiesOf = async (
  { certificate, certificateFile }: FleetAuthority,
  presentFile: string,
): Promise<string> => {
  const all = new Map([[certificate.fingerprint256, certificate]]);
  for (const file of [certificateFile, presentFile]) {
    const pem = await readText(file);
    if (pem === undefined) continue;
    for (const each of parseCertificates(pem, file)) all.set(each.fingerprint256, each);
  }
  return [...all.values()].join('');
};

/** The process that the certificate in a directory names; undefined without a certificate. @throws `CONFIG_INVALID` */
export const issuedIdentity = async (directory: string): Promise<PeerIdentity | undefined> => {
  const { certificateFile } = identityPaths(directory);
  const pem = await readText(certificateFile);
  return pem === undefined ? undefined : identityOf(parseCertificates(pem, certificateFile)[0]);
};

const keyIn = async (file: string): Promise<KeyObject> => {
  const pem = await readText(file);
  if (pem !== undefined) return parseKey(pem, file);
  const { privateKey } = generateKey();
  await writeFileDurably(file, pemOf(privateKey), PRIVATE);
  return privateKey;
};

const parseKey = (pem: string | undefined, file: string): KeyObject => {
  try {
    return createPrivateKey(pem ?? '');
  } catch (cause) {
    throw new DepotError('CONFIG_INVALID', `${file} has no private key in PEM that can be read`, { cause });
  }
};

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const readText = (file: string): Promise<string | undefined> =>
  readFileWhole(file, { disk: realDisk, maxBytes: MAX_FILE_BYTES });
