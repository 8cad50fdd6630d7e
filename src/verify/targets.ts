/**
 * The bytes of a release's targets, compared with the signed metadata.
 *
 *     signed targets ─▶ locateTargets() ─▶ every entry, size checked ─▶ hashTargets() ─▶ every byte, once
 *
 * VT1. Every signed target has an entry of its signed length, before the first byte of any is read.
 * VT2. Every byte of every target is read and hashed once (B2), in the order of the file; of one whose digest is known that
 *      was done before (EDG1).
 */
import { createHash } from 'node:crypto';
import type { Archive } from '../archive/archive.ts';
import type { ArchiveEntry } from '../archive/content.ts';
import { TARGETS_FOLDER } from '../archive/release-folders.ts';
import { ArtifactHash } from '../core/ids.ts';
import { collectPrefixes, PREFIX_UNIT_BYTES, type PrefixDigests } from '../core/prefix-digests.ts';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { type Target, targetFileNames } from '../tuf/targets.ts';
import type { ContentDigests, KnownDigests } from './entry-digests.ts';
import type { VerifyOptions } from './verified-release.ts';

export type LocatedTarget = { readonly name: string; readonly target: Target; readonly entry: ArchiveEntry };

/** In the order of the file. Throws `TARGET_MISSING` or `TARGET_LENGTH_MISMATCH`. */
export const locateTargets = (
  archive: Archive,
  targets: ReadonlyMap<string, Target>,
  consistentSnapshot: boolean,
): readonly LocatedTarget[] =>
  Array.from(targets, ([name, target]) => {
    const fileNames = targetFileNames(name, target.hashes, consistentSnapshot);
    const entryNames = fileNames.map(fileName => `${TARGETS_FOLDER}${fileName}`);
    const entry = entryNames
      .map(entryName => archive.entries.get(entryName))
      .find(found => found !== undefined);
    if (entry === undefined) {
      throw new DepotError(
        'TARGET_MISSING',
        `the target ${name} is signed, but the archive has no ${entryNames[0]}`,
        {
          detail: { target: name },
        },
      );
    }
    if (entry.sizeBytes !== target.lengthBytes) {
      throw new DepotError(
        'TARGET_LENGTH_MISMATCH',
        `the target ${name} has ${entry.sizeBytes} bytes in the archive, but ${target.lengthBytes} were signed`,
        { detail: { target: name, expected: target.lengthBytes, actual: entry.sizeBytes } },
      );
    }
    return { name, target, entry };
  }).sort((a, b) => a.entry.dataOffset - b.entry.dataOffset);

/** Progress is reported in steps of this share of the whole, or of {@link MIN_STEP_BYTES}, whichever is more. */
const STEPS = 200;
const MIN_STEP_BYTES = 1024 * 1024;

/**
 * Reads and hashes all targets.
 *
 * @returns the number of bytes, the SHA-256 of each target by its name, and the prefix digests of those that have some
 * @throws DepotError `TARGET_HASH_MISMATCH` or `ARCHIVE_DAMAGED`, naming the target; the signal's reason
 */
export const hashTargets = async (
  archive: Archive,
  located: readonly LocatedTarget[],
  { signal, onProgress, known, startHelper, prefixUnitBytes = PREFIX_UNIT_BYTES }: VerifyOptions,
): Promise<HashedTargets> => {
  const totalBytes = located.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);
  const stepBytes = Math.max(MIN_STEP_BYTES, totalBytes / STEPS);
  let doneBytes = 0;
  let toldBytes = 0;
  const advance = (bytes: number) => {
    doneBytes += bytes;
    if (doneBytes - toldBytes < stepBytes) return;
    toldBytes = doneBytes;
    onProgress?.({ doneBytes, totalBytes });
  };
  const sha256Of = new Map<string, ArtifactHash>();
  const prefixesOf = new Map<ArtifactHash, PrefixDigests>();
  const isKnown = (target: LocatedTarget) => knownDigest(target, known) !== undefined;
  const unknown = located.filter(target => isDigestEnough(target) && !isKnown(target));
  await using helper = startHelper?.(unknown.map(({ entry }) => entry));
  for (const target of located) {
    const digests = knownDigest(target, known) ?? (await helper?.take(target.entry));
    const options = { signal, advance, digests, prefixUnitBytes };
    const { sha256, prefixes } = await hashTarget(archive, target, options);
    sha256Of.set(target.name, sha256);
    if (prefixes !== undefined) prefixesOf.set(sha256, prefixes);
  }
  onProgress?.({ doneBytes, totalBytes });
  return { totalBytes, sha256Of, prefixesOf };
};

type TargetDigests = Omit<ContentDigests, 'sha256'> & { readonly sha256: ArtifactHash };

type HashedTargets = {
  readonly totalBytes: number;
  readonly sha256Of: ReadonlyMap<string, ArtifactHash>;
  readonly prefixesOf: ReadonlyMap<ArtifactHash, PrefixDigests>;
};

type ReadOptions = {
  readonly signal: AbortSignal;
  readonly advance: (bytes: number) => void;
  readonly prefixUnitBytes: number;
};

const hashTarget = async (
  archive: Archive,
  located: LocatedTarget,
  options: ReadOptions & {
    /** Undefined for one that is to be read. */
    readonly digests: ContentDigests | undefined;
  },
): Promise<TargetDigests> => {
  const { digests } = options;
  if (digests === undefined) return await readTarget(archive, located, options);
  options.advance(located.entry.sizeBytes);
  requireHash(located, 'sha256', digests.sha256);
  return { ...digests, sha256: ArtifactHash.parse(digests.sha256) };
};

/** A digest is a SHA-256: where a SHA-512 is signed too, the bytes are read for it. */
const isDigestEnough = ({ target }: LocatedTarget): boolean => target.hashes.sha512 === undefined;

const knownDigest = (target: LocatedTarget, known: KnownDigests | undefined): ContentDigests | undefined =>
  isDigestEnough(target) ? known?.(target.entry) : undefined;

const readTarget = async (
  archive: Archive,
  located: LocatedTarget,
  { signal, advance, prefixUnitBytes: unitBytes }: ReadOptions,
): Promise<TargetDigests> => {
  const { name, target, entry } = located;
  // It addresses the bytes, signed or not.
  const sha256 = createHash('sha256');
  const sha512 = target.hashes.sha512 === undefined ? undefined : createHash('sha512');
  const prefixes = collectPrefixes(sha256, { sizeBytes: entry.sizeBytes, unitBytes });
  try {
    for await (const chunk of archive.read(entry, { signal })) {
      prefixes.update(chunk);
      sha512?.update(chunk);
      advance(chunk.length);
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'ARCHIVE_DAMAGED') throw error;
    throw new DepotError('ARCHIVE_DAMAGED', `the target ${name} is damaged`, {
      cause: error,
      detail: { target: name },
    });
  }
  const actual = ArtifactHash.parse(sha256.digest('hex'));
  requireHash(located, 'sha256', actual);
  if (sha512 !== undefined) requireHash(located, 'sha512', sha512.digest('hex'));
  return { sha256: actual, prefixes: prefixes.collected() };
};

/** An unsigned hash may be any. */
const requireHash = (
  { name, target }: LocatedTarget,
  algorithm: 'sha256' | 'sha512',
  actual: string,
): void => {
  const expected = target.hashes[algorithm];
  if (expected === undefined || actual === expected) return;
  throw new DepotError(
    'TARGET_HASH_MISMATCH',
    `the target ${name} has the ${algorithm} ${actual} in the archive, but ${expected} was signed`,
    { detail: { target: name, expected, actual } },
  );
};
