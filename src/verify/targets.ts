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
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { type Target, targetFileNames } from '../tuf/targets.ts';
import type { KnownDigests } from './entry-digests.ts';
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
 * @returns the number of bytes, and the SHA-256 of each target by its name
 * @throws DepotError `TARGET_HASH_MISMATCH` or `ARCHIVE_DAMAGED`, naming the target; the signal's reason
 */
export const hashTargets = async (
  archive: Archive,
  located: readonly LocatedTarget[],
  { signal, onProgress, known, startHelper }: VerifyOptions,
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
  const isKnown = (target: LocatedTarget) => knownDigest(target, known) !== undefined;
  const unknown = located.filter(target => isDigestEnough(target) && !isKnown(target));
  await using helper = startHelper?.(unknown.map(({ entry }) => entry));
  for (const target of located) {
    const digest = knownDigest(target, known) ?? (await helper?.take(target.entry));
    sha256Of.set(target.name, await hashTarget(archive, target, { signal, advance, digest }));
  }
  onProgress?.({ doneBytes, totalBytes });
  return { totalBytes, sha256Of };
};

export type HashedTargets = {
  readonly totalBytes: number;
  readonly sha256Of: ReadonlyMap<string, ArtifactHash>;
};

const hashTarget = async (
  archive: Archive,
  located: LocatedTarget,
  options: {
    readonly signal: AbortSignal;
    readonly advance: (bytes: number) => void;
    /** Undefined for one that is to be read. */
    readonly digest: string | undefined;
  },
): Promise<ArtifactHash> => {
  const { digest } = options;
  if (digest === undefined) return await readTarget(archive, located, options);
  options.advance(located.entry.sizeBytes);
  requireHash(located, 'sha256', digest);
  return ArtifactHash.parse(digest);
};

/** A digest is a SHA-256: where a SHA-512 is signed too, the bytes are read for it. */
const isDigestEnough = ({ target }: LocatedTarget): boolean => target.hashes.sha512 === undefined;

const knownDigest = (target: LocatedTarget, known: KnownDigests | undefined): string | undefined =>
  isDigestEnough(target) ? known?.(target.entry) : undefined;

const readTarget = async (
  archive: Archive,
  located: LocatedTarget,
  { signal, advance }: { readonly signal: AbortSignal; readonly advance: (bytes: number) => void },
): Promise<ArtifactHash> => {
  const { name, target, entry } = located;
  const hashes = (['sha256', 'sha512'] as const).flatMap(algorithm => {
    const expected = target.hashes[algorithm];
    // The SHA-256 addresses the bytes, signed or not.
    const isNeeded = expected !== undefined || algorithm === 'sha256';
    return isNeeded ? [{ algorithm, hash: createHash(algorithm) }] : [];
  });
  try {
    for await (const chunk of archive.read(entry, { signal })) {
      for (const { hash } of hashes) hash.update(chunk);
      advance(chunk.length);
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'ARCHIVE_DAMAGED') throw error;
    throw new DepotError('ARCHIVE_DAMAGED', `the target ${name} is damaged`, {
      cause: error,
      detail: { target: name },
    });
  }
  let sha256: string | undefined;
  for (const { algorithm, hash } of hashes) {
    const actual = hash.digest('hex');
    sha256 ??= actual;
    requireHash(located, algorithm, actual);
  }
  return ArtifactHash.parse(sha256);
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
