/**
 * The root that a file offers for trust: a root.json, or the newest root in an archive.
 *
 * This file only reads the root: the caller shows its key ids and its digest, and the operator compares them with those
 * that the signer publishes.
 */
import { createHash } from 'node:crypto';
import { openArchive } from '../../archive/archive.ts';
import { folderOf, METADATA_FOLDER, repositoryElsewhere } from '../../archive/release-folders.ts';
import { DepotError } from '../../lib/errors.ts';
import { openRandomAccessFile, type RandomAccessFileOnDisk } from '../../lib/random-access-file.ts';
import { requireEntry } from '../../lib/require-entry.ts';
import { type SpoolOptions, spooledFile } from '../../lib/spooled-file.ts';
import { MAX_METADATA_BYTES } from '../../tuf/metadata.ts';
import { rootVersions } from '../../tuf/repository.ts';
import { rootDigest } from '../../tuf/root-digest.ts';
import { type SignaturePolicy, SPECIFIED_SIGNATURES } from '../../tuf/signature-policy.ts';
import { isOnlyUnaccepted } from '../../tuf/signatures.ts';
import { parseSelfSignedRoot } from '../../tuf/trusted-set.ts';

/** The first bytes of every ZIP archive with an entry. */
const ZIP_MAGIC = Buffer.from('PK\x03\x04', 'latin1');

export type RootFile = {
  readonly bytes: Uint8Array;
  /** By which the root is known. */
  readonly digest: string;
  /** Of the bytes of the file. */
  readonly sha256: string;
  readonly version: number;
  /** For people: where it was found. */
  readonly source: string;
  /** The narrowest policy under which it signs itself. */
  readonly signatures: SignaturePolicy;
};

/** Which root of an archive: a client that never updated trusts the oldest; the newest is in force. */
export type RootChoice = 'oldest' | 'newest';

type ReadOptions = Pick<SpoolOptions, 'signal' | 'stdin'> & {
  /** For people; by default the path. */
  readonly name?: string;
  readonly signatures?: SignaturePolicy;
};

/** @throws `METADATA_MISSING` for an archive without a root, `METADATA_INVALID` or `UNTRUSTED_SIGNATURES` for a bad one */
export const readRootFile = (path: string, choice: RootChoice, options: ReadOptions): Promise<RootFile> =>
  readRoot(path, choice, options).catch((cause: unknown) => {
    // The errors of a disk name the file already.
    if (!(cause instanceof DepotError) || SAYS_FILE.has(cause.code)) throw cause;
    const name = options.name ?? path;
    throw new DepotError(cause.code, `cannot take a root from ${name}`, { cause, detail: cause.detail });
  });

const SAYS_FILE: ReadonlySet<string> = new Set(['IO', 'NO_SPACE', 'USAGE', 'METADATA_MISSING']);

const readRoot = async (path: string, choice: RootChoice, options: ReadOptions): Promise<RootFile> => {
  await using input = await spooledFile(path, options);
  await using file = await openRandomAccessFile(input.path);
  const magic = Buffer.alloc(ZIP_MAGIC.length);
  await file.read(magic, 0);
  const { bytes, source } = magic.equals(ZIP_MAGIC)
    ? await rootOfArchive(file, path, choice, options.signal)
    : { bytes: await wholeFile(file, path), source: path };
  if (!couldBeJson(bytes))
    throw new DepotError('METADATA_INVALID', 'it is neither a root.json nor a ZIP archive');
  const { root, signatures } = selfSigned(bytes, options.signatures ?? SPECIFIED_SIGNATURES);
  return {
    ...{ bytes, source, signatures },
    version: root.signed.version,
    digest: rootDigest(root),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
};

const selfSigned = (bytes: Uint8Array, accepted: SignaturePolicy) => {
  try {
    return { root: parseSelfSignedRoot(bytes, SPECIFIED_SIGNATURES), signatures: SPECIFIED_SIGNATURES };
  } catch (error) {
    if (!(error instanceof DepotError && isOnlyUnaccepted(error))) throw error;
    return { root: parseSelfSignedRoot(bytes, accepted), signatures: accepted };
  }
};

/** What a root.json begins with; any other file is best named as what it is not. */
const couldBeJson = (bytes: Uint8Array): boolean =>
  /^\s*\{/.test(Buffer.from(bytes.subarray(0, 64)).toString('latin1'));

/** How large the other entries are does not matter: none of them is read. */
const ROOT_ALONE = { maxEntryBytes: Number.POSITIVE_INFINITY, maxTotalBytes: Number.POSITIVE_INFINITY };

const rootOfArchive = async (
  file: RandomAccessFileOnDisk,
  path: string,
  choice: RootChoice,
  signal: AbortSignal,
): Promise<Pick<RootFile, 'bytes' | 'source'>> => {
  const archive = await openArchive(file, { limits: ROOT_ALONE });
  const version = rootVersions(folderOf(archive, METADATA_FOLDER)).at(choice === 'newest' ? -1 : 0);
  if (version === undefined) {
    throw new DepotError(
      'METADATA_MISSING',
      `${path} has no root such as ${METADATA_FOLDER}1.root.json${repositoryElsewhere(archive)}`,
    );
  }
  const name = `${METADATA_FOLDER}${version}.root.json`;
  const entry = requireEntry(archive.entries, name, 'the root');
  const bytes = await archive.readWhole(entry, MAX_METADATA_BYTES.root, { signal });
  return { bytes, source: `${name} in ${path}` };
};

const wholeFile = async (file: RandomAccessFileOnDisk, path: string): Promise<Uint8Array> => {
  if (file.sizeBytes > MAX_METADATA_BYTES.root) {
    throw new DepotError(
      'METADATA_INVALID',
      `${path} has ${file.sizeBytes} bytes and is not an archive; a root has at most ${MAX_METADATA_BYTES.root}`,
    );
  }
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  return bytes;
};
