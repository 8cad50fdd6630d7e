/**
 * A new version of an opened release: changed and re-signed roles beside unchanged ones.
 *
 *     roles to sign ─▶ [root N+1] ─▶ targets and delegated roles ─▶ snapshot ─▶ timestamp ─▶ read back ─▶ archive
 *
 * RP1. A re-signed role keeps every unchanged member, also those that this program does not know.
 * RP2. The repository determines the keys of a role. A role whose keys are not given keeps its file.
 * RP3. Versions rise: to the time in seconds, or by one if they are already there. Root rises by exactly one.
 * RP4. A release that would not verify is not written, and the opened archive is not changed.
 */
import { DepotError } from '../lib/errors.ts';
import { parseMetadata } from '../tuf/metadata.ts';
import { metadataFileName } from '../tuf/role-names.ts';
import type { Target } from '../tuf/targets.ts';
import { isProven, targetFileNames } from '../tuf/targets.ts';
import { type AssembledRelease, readBack, writeRepositoryArchive } from './assemble.ts';
import type { OpenedRelease, OpenedRole } from './opened-release.ts';
import { plainSigned } from './opened-release.ts';
import { fileMeta, type MeasuredContent } from './repository-files.ts';
import { type SignedObject, signMetadata, tufTime } from './sign-metadata.ts';
import { signersOf } from './signers.ts';
import type { SigningKey } from './signing-keys.ts';

export type RepublishOptions = {
  readonly keys: readonly SigningKey[];
  readonly nowMs: number;
  readonly expiresMs: number;
  readonly outputPath: string;
};

export type RoleChanges = {
  /** Roles to sign: `root`, `timestamp`, `snapshot`, `targets`, delegated ones. Roles that list one are signed too. */
  readonly sign: ReadonlySet<string>;
  /** The new `signed` parts of roles that change, by name; all of them are in `sign`. */
  readonly changed?: ReadonlyMap<string, SignedObject>;
  /** New content, by target name. */
  readonly added?: ReadonlyMap<string, MeasuredContent>;
};

/**
 * @throws DepotError `SIGNING_KEY_INVALID` if keys of a role to sign are missing, `USAGE` for a role that the
 *   repository does not have, and as `assembleRelease` does
 */
export const republish = async (
  opened: OpenedRelease,
  { sign, changed = new Map(), added = new Map() }: RoleChanges,
  options: RepublishOptions,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<AssembledRelease> => {
  const { repository, roles } = opened;
  requireKnownRoles(opened, sign);
  const root = repository.newestRoot.signed;
  const rootChain = sign.has('root') ? [...opened.rootChain, signRoot(opened, options)] : opened.rootChain;
  const published = Array.from(roles.values(), role =>
    sign.has(role.name) ? signRole(role, changed.get(role.name) ?? role.signed, options) : role,
  );
  const online = (role: 'snapshot' | 'timestamp', meta: SignedObject | undefined) => {
    const { bytes, signed } = repository[role];
    if (meta === undefined) return { bytes, version: signed.version };
    const keys = { roleKeys: root.roles[role], keys: root.keys };
    const object = { ...plainSigned(bytes), meta };
    return signRole({ name: role, version: signed.version, ...keys }, object, options);
  };
  const anyTargets = published.some(({ name }) => sign.has(name));
  const oldMeta = plainSigned(repository.snapshot.bytes).meta as SignedObject;
  const snapshot = online(
    'snapshot',
    anyTargets || sign.has('snapshot') ? listing(oldMeta, published, name => sign.has(name)) : undefined,
  );
  const withSnapshot = anyTargets || sign.has('snapshot');
  const timestamp = online(
    'timestamp',
    withSnapshot
      ? { 'snapshot.json': fileMeta(snapshot.bytes, snapshot.version) }
      : sign.has('timestamp')
        ? (plainSigned(repository.timestamp.bytes).meta as SignedObject)
        : undefined,
  );

  const { consistentSnapshot } = repository;
  const versioned = (name: string, version: number) =>
    metadataFileName(name, consistentSnapshot ? version : undefined);
  const files = {
    metadata: new Map([
      ...rootChain.map(
        bytes => [metadataFileName('root', parseMetadata('root', bytes).signed.version), bytes] as const,
      ),
      ['timestamp.json', timestamp.bytes],
      [versioned('snapshot', snapshot.version), snapshot.bytes],
      ...published.map(({ name, version, bytes }) => [versioned(name, version), bytes] as const),
    ]),
    targets: targetFiles(opened, published, added),
  };
  const { trustRoot, release } = await readBack(files, rootChain, opened.signatures);
  const written = await writeRepositoryArchive(files, options.outputPath, { signal });
  return { path: options.outputPath, ...written, trustRoot, release };
};

const requireKnownRoles = ({ roles }: OpenedRelease, sign: ReadonlySet<string>): void => {
  const known = new Set(['root', 'timestamp', 'snapshot', ...roles.keys()]);
  const unknown = [...sign].find(name => !known.has(name));
  if (unknown === undefined) return;
  throw new DepotError('USAGE', `the repository has no role ${unknown}; it has ${[...known].join(', ')}`);
};

/** RP3. */
const nextVersion = (version: number, nowMs: number): number =>
  Math.max(version + 1, Math.floor(nowMs / 1000));

const signRole = (
  { name, version, roleKeys, keys }: Pick<OpenedRole, 'name' | 'version' | 'roleKeys' | 'keys'>,
  object: SignedObject,
  { nowMs, expiresMs, keys: ring }: RepublishOptions,
) => {
  const next = nextVersion(version, nowMs);
  const signed = { ...object, version: next, expires: tufTime(expiresMs) };
  return { name, version: next, bytes: signMetadata(signed, signersOf(name, roleKeys, keys, ring)) };
};

const signRoot = ({ repository }: OpenedRelease, { expiresMs, keys: ring }: RepublishOptions): Uint8Array => {
  const { bytes, signed } = repository.newestRoot;
  const next = { ...plainSigned(bytes), version: signed.version + 1, expires: tufTime(expiresMs) };
  return signMetadata(next, signersOf('root', signed.roles.root, signed.keys, ring));
};

const listing = (
  old: SignedObject,
  published: readonly { readonly name: string; readonly bytes: Uint8Array; readonly version: number }[],
  isNew: (name: string) => boolean,
): SignedObject => {
  const renewed = published
    .filter(({ name }) => isNew(name))
    .map(({ name, bytes, version }) => [`${name}.json`, fileMeta(bytes, version)] as const);
  return Object.fromEntries([...Object.entries(old), ...renewed]);
};

const targetFiles = (
  opened: OpenedRelease,
  published: readonly { readonly name: string; readonly bytes: Uint8Array }[],
  added: ReadonlyMap<string, MeasuredContent>,
): ReadonlyMap<string, MeasuredContent> => {
  const files = new Map<string, MeasuredContent>();
  for (const { name: role, bytes } of published) {
    for (const [name, target] of parseMetadata('targets', bytes, role).signed.targets) {
      if (!isProven(target)) continue;
      const content = added.get(name) ?? existing(opened, name, target);
      if (content === undefined) continue;
      const [fileName] = targetFileNames(name, target.hashes, opened.repository.consistentSnapshot);
      files.set(fileName, content);
    }
  }
  return files;
};

/** A target that no client finds, since another role comes first in the search, may be absent. */
const existing = (opened: OpenedRelease, name: string, target: Target): MeasuredContent | undefined => {
  const content = opened.contentOf(name, target);
  if (content !== undefined || !opened.repository.allTargets.has(name)) return content;
  throw new DepotError('TARGET_MISSING', `the target ${name} is signed, but the archive does not have it`, {
    detail: { target: name },
  });
};
