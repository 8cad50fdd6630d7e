/**
 * A release archive, opened for a change: its content, the keys of each role, and the places of its bytes.
 *
 * O1. It was verified against its own oldest root, except for expiry: only a release that a client would accept is changed.
 * O2. Bytes of targets are checked against their signed hashes while they are read, so that nothing damaged is
 *     signed anew.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Archive, openArchive } from '../archive/archive.ts';
import type { ArchiveEntry } from '../archive/content.ts';
import { folderOf, METADATA_FOLDER, TARGETS_FOLDER } from '../archive/release-folders.ts';
import type { ReleaseDescription } from '../core/release.ts';
import { DepotError } from '../lib/errors.ts';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { requireEntry } from '../lib/require-entry.ts';
import { MAX_METADATA_BYTES, parseMetadata } from '../tuf/metadata.ts';
import { readRelease, withHashes } from '../tuf/release-description.ts';
import { type MetadataSource, rootVersions } from '../tuf/repository.ts';
import type { Keys, RoleKeys } from '../tuf/role-keys.ts';
import { metadataFileName, underEitherName } from '../tuf/role-names.ts';
import type { SignaturePolicy } from '../tuf/signature-policy.ts';
import { isProven, type Target, targetFileNames } from '../tuf/targets.ts';
import { type VerifiedRepository, verifyRepository } from '../tuf/workflow.ts';
import type { MeasuredContent } from './repository-files.ts';
import type { SignedObject } from './sign-metadata.ts';

/** The targets role, or a role that signs for some of its targets. */
export type OpenedRole = {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly signed: SignedObject;
  readonly version: number;
  readonly targets: ReadonlyMap<string, Target>;
  /** Who signs it, as its delegator says. */
  readonly roleKeys: RoleKeys;
  readonly keys: Keys;
};

export type OpenedRelease = AsyncDisposable & {
  /** Oldest first. */
  readonly rootChain: readonly Uint8Array[];
  readonly repository: VerifiedRepository;
  /** By which it was verified, and by which what is made of it is. */
  readonly signatures: SignaturePolicy | undefined;
  readonly release: ReleaseDescription;
  /** By name, delegators before those they delegate to. */
  readonly roles: ReadonlyMap<string, OpenedRole>;
  /** A target's file; undefined if the archive has none. */
  readonly contentOf: (name: string, target: Target) => MeasuredContent | undefined;
};

export type OpenOptions = {
  /** Which signatures count in it; by default those of the specification. */
  readonly signatures?: SignaturePolicy | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For people; by default the path. */
  readonly name?: string;
};

/** @throws DepotError as the archive reader and the verification do, with the name of the archive */
export const openRelease = async (path: string, options: OpenOptions = {}): Promise<OpenedRelease> => {
  try {
    return await open(path, options);
  } catch (cause) {
    // The errors of a disk name the file already.
    if (!(cause instanceof DepotError) || cause.code === 'IO') throw cause;
    const { code, detail } = cause;
    throw new DepotError(code, `cannot open the release ${options.name ?? path}`, { cause, detail });
  }
};

const open = async (path: string, { signal, signatures }: OpenOptions): Promise<OpenedRelease> => {
  await using stack = new AsyncDisposableStack();
  const archive = await openArchive(stack.use(await openRandomAccessFile(path)));
  const { read: readEntry, list } = folderOf(archive, METADATA_FOLDER, { signal });
  const read = underEitherName(readEntry);
  const rootChain: Uint8Array[] = [];
  for (const version of rootVersions({ read, list })) {
    rootChain.push(await readPresent(read, metadataFileName('root', version), MAX_METADATA_BYTES.root));
  }
  if (rootChain[0] === undefined)
    throw new DepotError('METADATA_MISSING', 'it has no root such as 1.root.json');
  const trustRoots = [{ id: 'its own', bytes: rootChain[0] }];
  const policy = { trustRoots, nowMs: 0, allowExpired: true, signatures };
  const repository = await verifyRepository({ read, list }, policy);
  const described = await readRelease(repository, folderOf(archive, TARGETS_FOLDER, { signal }).read);
  const release = withHashes(described, new Map());
  const roles = await openRoles(repository, read);
  const owned = stack.move();
  return {
    rootChain,
    repository,
    signatures,
    release,
    roles,
    contentOf: (name, target) => contentOf(archive, name, target, repository.consistentSnapshot, signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** A file that the archive lists, or that was read before. */
const readPresent = async (
  read: MetadataSource['read'],
  fileName: string,
  maxBytes: number,
): Promise<Uint8Array> => {
  const bytes = await read(fileName, maxBytes);
  assert(bytes !== undefined, `the archive has ${fileName}`);
  return bytes;
};

export const plainSigned = (bytes: Uint8Array): SignedObject =>
  (JSON.parse(Buffer.from(bytes).toString('utf8')) as { signed: SignedObject }).signed;

/** All of them were verified before; here they are only found again. */
const openRoles = async (
  repository: VerifiedRepository,
  read: MetadataSource['read'],
): Promise<ReadonlyMap<string, OpenedRole>> => {
  const root = repository.newestRoot.signed;
  const opened = new Map<string, OpenedRole>();
  const open = async (name: string, bytes: Uint8Array, roleKeys: RoleKeys, keys: Keys): Promise<void> => {
    if (opened.has(name)) return;
    const { version, targets: listed, delegations } = parseMetadata('targets', bytes, name).signed;
    const targets = new Map(
      [...listed].flatMap(([file, target]) => (isProven(target) ? [[file, target] as const] : [])),
    );
    opened.set(name, { name, bytes, signed: plainSigned(bytes), version, targets, roleKeys, keys });
    if (delegations === undefined) return;
    for (const role of delegations.all()) {
      const { version: listed } = requireEntry(repository.snapshot.signed.meta, role.name, 'the listed role');
      const fileName = metadataFileName(role.name, repository.consistentSnapshot ? listed : undefined);
      const file = await readPresent(read, fileName, MAX_METADATA_BYTES.targets);
      await open(role.name, file, role, delegations.keys);
    }
  };
  await open('targets', repository.targets.bytes, root.roles.targets, root.keys);
  return opened;
};

const contentOf = (
  archive: Archive,
  name: string,
  target: Target,
  consistentSnapshot: boolean,
  signal: AbortSignal | undefined,
): MeasuredContent | undefined => {
  const entry = targetFileNames(name, target.hashes, consistentSnapshot)
    .map(fileName => archive.entries.get(`${TARGETS_FOLDER}${fileName}`))
    .find(found => found !== undefined);
  const { sha256 } = target.hashes;
  if (entry === undefined) return undefined;
  if (sha256 === undefined)
    throw new DepotError(
      'RELEASE_DOCUMENT_INVALID',
      `the target ${name} has no sha256 in the targets metadata`,
    );
  const content = {
    label: `${name} in the archive`,
    open: () => checked(archive, entry, name, sha256, signal),
  };
  return { content, measured: { sizeBytes: entry.sizeBytes, sha256, crc32: entry.crc32 } };
};

/** O2. */
async function* checked(
  archive: Archive,
  entry: ArchiveEntry,
  name: string,
  expected: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const hash = createHash('sha256');
  for await (const chunk of archive.read(entry, { signal, checksum: false })) {
    hash.update(chunk);
    yield chunk;
  }
  const actual = hash.digest('hex');
  if (actual !== expected)
    throw new DepotError(
      'TARGET_HASH_MISMATCH',
      `the target ${name} has the sha256 ${actual} in the archive, but ${expected} was signed`,
      { detail: { target: name, expected, actual } },
    );
}
