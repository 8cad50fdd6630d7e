/**
 * Opens what a sled has pinned, with the files that its configuration names.
 *
 *     trust.json ─▶ admin_key_files of [trust] ─▶ Pins ─▶ statements ─▶ root_files of [trust] ─▶ SledTrust
 */
import { readAdminPublicKey } from '../../identity/admin-key.ts';
import type { IdentityFiles } from '../../identity/credentials.ts';
import type { Statements } from '../../identity/statements.ts';
import { readFileWhole } from '../../lib/durable-file.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { realDisk } from '../../lib/real-disk.ts';
import { MAX_METADATA_BYTES } from '../../tuf/metadata.ts';
import type { SignaturePolicy } from '../../tuf/signature-policy.ts';
import { newestRoot } from './pinned-chain.ts';
import { createTrust, type SledTrust, type StatedTrust, withKeys } from './trust.ts';
import { type Pins, readOtherPins, readPins, trustFileBeside, writePins } from './trust-file.ts';

/** The section `[trust]`; paths are absolute. */
export type TrustConfig = {
  readonly rootFiles: readonly string[];
  readonly adminKeyFiles: readonly string[];
  /** Undefined: where something is pinned. */
  readonly requireSigned: boolean | undefined;
  /** Of this sled alone: no Nexus widens it (TRS8). */
  readonly signatures: SignaturePolicy;
};

/** With the keys of the configuration, which are durable now. @throws `CONFIG_INVALID` naming the file; `NO_SPACE`, `IO` */
export const openPins = async (
  { certificateFile }: Pick<IdentityFiles, 'certificateFile'>,
  { adminKeyFiles }: Pick<TrustConfig, 'adminKeyFiles'>,
): Promise<Pins> => {
  const file = trustFileBeside(certificateFile);
  const pinned = await readPins(file);
  const adminKeys = withKeys(pinned.adminKeys, await Promise.all(adminKeyFiles.map(readAdminPublicKey)));
  const pins = { ...pinned, adminKeys };
  if (adminKeys.length > pinned.adminKeys.length) await writePins(file, pins);
  return pins;
};

/** With the roots of the configuration. @throws `CONFIG_INVALID` naming the file; `NO_SPACE`, `IO` */
export const openTrust = async (
  { certificateFile }: Pick<IdentityFiles, 'certificateFile'>,
  known: Pins,
  { rootFiles, requireSigned, signatures }: Omit<TrustConfig, 'adminKeyFiles'>,
  { statements, log }: { readonly statements: Statements; readonly log: Logger },
): Promise<SledTrust> => {
  const file = trustFileBeside(certificateFile);
  const save = (pins: Pins) => writePins(file, pins);
  const loadOther = (text: string) => readOtherPins(file, text);
  const trust = createTrust({
    known,
    save,
    loadOther,
    statements: statedTrust(statements),
    ...{ requireSigned, signatures, log },
  });
  for (const path of rootFiles) await pinRoot(trust, path);
  logPins(trust, requireSigned, log);
  return trust;
};

/** What the statements say about roots and releases. */
export const statedTrust = ({ find, has, onChange }: Statements): StatedTrust => ({
  ofRoot(sha256) {
    if (has('distrust_root', ({ rootSha256 }) => rootSha256 === sha256)) return 'distrusted';
    return find('trust_root', ({ rootSha256 }) => rootSha256 === sha256) && 'trusted';
  },
  exempts: bundle => has('exempt_release', each => each.bundle === bundle),
  onChange,
});

const pinRoot = async (trust: SledTrust, path: string): Promise<void> => {
  try {
    const text = await readFileWhole(path, { disk: realDisk, maxBytes: MAX_METADATA_BYTES.root });
    if (text === undefined) throw new Error('there is no such file');
    await trust.addChains([[text]], 'file');
  } catch (cause) {
    if (cause instanceof DepotError && ['NO_SPACE', 'IO'].includes(cause.code)) throw cause;
    throw new DepotError('CONFIG_INVALID', `trust.root_files: ${path} cannot be pinned as a root of TUF`, {
      cause,
    });
  }
};

const logPins = (trust: SledTrust, requireSigned: boolean | undefined, log: Logger): void => {
  const chains = trust.chains().map(chain => {
    const { version, sha256 } = newestRoot(chain);
    return { root_sha256: chain.id, pinned_by: chain.by, version, newest_sha256: sha256 };
  });
  if (trust.signatures.rsaPkcs1v15 === 'accepted')
    log.warn({ accept_rsa_pkcs1v15: true }, 'signatures of the scheme RSASSA-PKCS1-v1_5 count on this sled');
  const facts = { chains, admin_keys: trust.adminKeys().map(({ digest }) => digest) };
  if (trust.requiresSigned()) log.info(facts, 'only what verified metadata lists is stored and served');
  else if (requireSigned === false)
    log.warn(facts, 'require_signed is false: this sled stores whatever its config lists');
  else
    log.warn(
      facts,
      'nothing is pinned by more than the word of a Nexus, so this sled stores whatever its config lists: name admin_key_files or root_files in [trust] of the configuration, or join anew by a token of tuf-depot sled invite',
    );
};
