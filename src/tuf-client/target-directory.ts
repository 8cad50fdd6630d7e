/**
 * Downloaded targets as files of a directory, under their target names.
 *
 * TD1. A target's name decides where in the directory its file lies, and is checked again for that: it never leads
 *      out of the directory (CVE-2026-6968).
 * TD2. A file under its name is a whole verified target, or absent. Bytes that fail a check never appear under it.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DiskFile } from '../lib/disk.ts';
import { createFileDurably } from '../lib/durable-file.ts';
import { DepotError, systemErrorCode } from '../lib/errors.ts';
import { makeDirectories } from '../lib/real-disk.ts';
import { type Target, targetNameProblem } from '../tuf/targets.ts';

/** @throws DepotError `INVALID_REQUEST` for a name that could leave the directory */
export const targetPath = (directory: string, name: string): string => {
  const problem = targetNameProblem(name);
  if (problem === undefined) return join(directory, name);
  throw new DepotError('INVALID_REQUEST', `the target name ${JSON.stringify(name)} ${problem}`);
};

/** Whether the file is there already, with the signed length and hashes. */
export const isTargetAt = async (path: string, target: Target): Promise<boolean> => {
  const sizeBytes = await stat(path).then(
    stats => (stats.isFile() ? stats.size : undefined),
    (error: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return undefined;
      throw error;
    },
  );
  if (sizeBytes !== target.lengthBytes) return false;
  const hashes = signedHashes(target);
  for await (const chunk of createReadStream(path)) for (const { hash } of hashes) hash.update(chunk);
  return hashes.every(({ hash, signed }) => hash.digest('hex') === signed);
};

/**
 * Writes a target's bytes to its place, verified (5.7.3).
 *
 * @throws DepotError `TARGET_LENGTH_MISMATCH`, `TARGET_HASH_MISMATCH`, and what `chunks` throws
 */
export const saveTarget = async (
  name: string,
  target: Target,
  chunks: AsyncIterable<Uint8Array>,
  path: string,
): Promise<void> => {
  await makeDirectories(dirname(path));
  await createFileDurably(path, file => writeVerified(file, name, target, chunks));
};

const writeVerified = async (
  file: Pick<DiskFile, 'write'>,
  name: string,
  target: Target,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> => {
  const hashes = signedHashes(target);
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    const position = sizeBytes;
    sizeBytes += chunk.length;
    if (sizeBytes > target.lengthBytes) break;
    for (const { hash } of hashes) hash.update(chunk);
    await file.write(chunk, position);
  }
  const detail = { target: name };
  if (sizeBytes !== target.lengthBytes) {
    const actual = sizeBytes > target.lengthBytes ? 'more' : String(sizeBytes);
    const problem = `the target ${name} has ${actual} bytes, but ${target.lengthBytes} were signed`;
    throw new DepotError('TARGET_LENGTH_MISMATCH', problem, { detail });
  }
  for (const { algorithm, hash, signed } of hashes) {
    const actual = hash.digest('hex');
    if (actual === signed) continue;
    const problem = `the target ${name} has the ${algorithm} ${actual}, but ${signed} was signed`;
    throw new DepotError('TARGET_HASH_MISMATCH', problem, { detail });
  }
};

type SignedHash = { readonly algorithm: string; readonly hash: Hash; readonly signed: string };

const signedHashes = ({ hashes }: Target): readonly SignedHash[] =>
  (['sha256', 'sha512'] as const).flatMap(algorithm => {
    const signed = hashes[algorithm];
    return signed === undefined ? [] : [{ algorithm, hash: createHash(algorithm), signed }];
  });
