/**
 * Fetches one target of a repository from a server into a file that is either whole and verified, or resumable.
 *
 *     <hash>.part (+ .etag) ─▶ the rest, where the server still has the same file ─▶ hashed ─▶ <hash>
 *
 * FT1. A file without an ending was hashed to the signed hashes while it was written; nothing else gets that name.
 * FT2. A partial file is only ever continued. Its bytes are hashed again first, so that bytes lost in a crash, or a file that
 *      the server changed silently, only cause another download.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Download } from '../http/download.ts';
import { DepotError } from '../lib/errors.ts';
import { namingFull } from '../lib/real-disk.ts';
import type { Target, TargetFileNames } from '../tuf/targets.ts';
import type { HttpSource } from './http-source.ts';

export type TargetToFetch = {
  readonly name: string;
  readonly target: Target;
  /** Below `targets/`, in the order in which they are tried. */
  readonly fileNames: TargetFileNames;
};

export type FetchedTarget = { readonly path: string; readonly sizeBytes: number; readonly crc32: number };

type Options = {
  readonly signal: AbortSignal;
  /** Called with the bytes that are there, including those of an earlier attempt. */
  readonly onBytes: (bytes: number) => void;
};

/** The file of a target below a directory of fetched ones. */
export const targetFileOf = ({ hashes }: Target): string => hashes.sha256 ?? hashes.sha512;

/**
 * @throws DepotError `TARGET_MISSING`, `TARGET_LENGTH_MISMATCH`, `TARGET_HASH_MISMATCH`, `NO_SPACE` with the part left for
 *   another attempt, and as `Downloader.get`
 */
export const fetchTarget = (
  source: Pick<HttpSource, 'downloadTarget' | 'name'>,
  directory: string,
  wanted: TargetToFetch,
  options: Options,
): Promise<FetchedTarget> =>
  namingFull(directory, () =>
    fetchInto(join(directory, targetFileOf(wanted.target)), source, wanted, options),
  );

const fetchInto = async (
  path: string,
  source: Pick<HttpSource, 'downloadTarget' | 'name'>,
  wanted: TargetToFetch,
  options: Options,
): Promise<FetchedTarget> => {
  const there = await sizeOf(path);
  if (there === wanted.target.lengthBytes) {
    const tally = createTally(wanted.target);
    await readInto(tally, path, options);
    if (tally.problem() === undefined) return { path, sizeBytes: there, crc32: tally.crc32() };
    await rm(path);
  }
  const first = await fetchOnce(source, path, wanted, options);
  if (first.resumed && first.problem !== undefined) {
    const whole = await fetchOnce(source, path, wanted, options);
    return finish(path, wanted, whole);
  }
  return finish(path, wanted, first);
};

type Attempt = {
  readonly resumed: boolean;
  readonly problem: string | undefined;
  readonly sizeBytes: number;
  readonly crc32: number;
};

const finish = async (
  path: string,
  { name }: TargetToFetch,
  { problem, sizeBytes, crc32: checksum }: Attempt,
): Promise<FetchedTarget> => {
  if (problem !== undefined)
    throw new DepotError(
      'TARGET_HASH_MISMATCH',
      `the target ${name} ${problem}; the server's file is not the signed one`,
      { detail: { target: name } },
    );
  await rename(`${path}.part`, path);
  await rm(`${path}.etag`, { force: true });
  return { path, sizeBytes, crc32: checksum };
};

/** Leaves a partial file when it is interrupted, and nothing when the bytes are wrong. */
const fetchOnce = async (
  source: Pick<HttpSource, 'downloadTarget' | 'name'>,
  path: string,
  wanted: TargetToFetch,
  options: Options,
): Promise<Attempt> => {
  const { name, target } = wanted;
  const part = `${path}.part`;
  const before = (await sizeOf(part)) ?? 0;
  if (before > target.lengthBytes) await rm(part);
  const offset = before > target.lengthBytes ? 0 : before;
  let tally = createTally(target);
  if (offset > 0) await readInto(tally, part, options);
  if (offset < target.lengthBytes || offset === 0) {
    const etag = await readFile(`${path}.etag`, 'utf8').catch(() => undefined);
    await using download = await openFirst(source, wanted, offset, etag, options.signal);
    if (download.startByte === 0 && offset > 0) {
      options.onBytes(-offset);
      tally = createTally(target);
    }
    await writeEtag(path, download.etag);
    await append(part, download, tally, options);
  }
  const sizeBytes = tally.sizeBytes();
  if (sizeBytes < target.lengthBytes)
    throw new DepotError(
      'TARGET_LENGTH_MISMATCH',
      `the target ${name} has ${sizeBytes} bytes on the server, but ${target.lengthBytes} were signed`,
      { detail: { target: name, expected: target.lengthBytes, actual: sizeBytes } },
    );
  const problem = tally.problem();
  if (problem !== undefined) {
    options.onBytes(-sizeBytes);
    await rm(part, { force: true });
    await rm(`${path}.etag`, { force: true });
  }
  return { resumed: offset > 0, problem, sizeBytes, crc32: tally.crc32() };
};

const openFirst = async (
  source: Pick<HttpSource, 'downloadTarget' | 'name'>,
  { name, target, fileNames }: TargetToFetch,
  offset: number,
  etag: string | undefined,
  signal: AbortSignal,
): Promise<Download> => {
  const resume = offset === 0 ? undefined : { offset, etag };
  for (const fileName of fileNames) {
    const download = await source.downloadTarget(fileName, { maxBytes: target.lengthBytes, resume, signal });
    if (download !== undefined) return download;
  }
  throw new DepotError(
    'TARGET_MISSING',
    `the target ${name} is signed, but the server has no ${fileNames[0]}`,
    {
      detail: { target: name },
    },
  );
};

const append = async (
  part: string,
  download: Download,
  tally: Tally,
  { onBytes }: Options,
): Promise<void> => {
  const handle = await open(part, download.startByte === 0 ? 'w' : 'a');
  try {
    for await (const chunk of download.chunks) {
      await writeAll(handle, chunk);
      tally.add(chunk);
      onBytes(chunk.byteLength);
    }
  } finally {
    await handle.close();
  }
};

const writeAll = async (handle: FileHandle, chunk: Uint8Array): Promise<void> => {
  let written = 0;
  while (written < chunk.byteLength) written += (await handle.write(chunk, written)).bytesWritten;
};

const writeEtag = async (path: string, etag: string | undefined): Promise<void> => {
  if (etag === undefined) await rm(`${path}.etag`, { force: true });
  else await writeFile(`${path}.etag`, etag);
};

type Tally = ReturnType<typeof createTally>;

const createTally = ({ hashes }: Target) => {
  const running: { signed: string; algorithm: string; hash: Hash }[] = [];
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const signed = hashes[algorithm];
    if (signed !== undefined) running.push({ signed, algorithm, hash: createHash(algorithm) });
  }
  let checksum = 0;
  let sizeBytes = 0;
  return {
    add(chunk: Uint8Array) {
      for (const { hash } of running) hash.update(chunk);
      checksum = crc32(chunk, checksum);
      sizeBytes += chunk.byteLength;
    },
    sizeBytes: () => sizeBytes,
    crc32: () => checksum,
    /** As the end of a sentence; to be asked once. */
    problem(): string | undefined {
      for (const { signed, algorithm, hash } of running) {
        const actual = hash.digest('hex');
        if (actual !== signed) return `has the ${algorithm} ${actual}, but ${signed} was signed`;
      }
      return undefined;
    },
  };
};

const CHUNK_BYTES = 1024 * 1024;

const readInto = async (tally: Tally, path: string, { signal, onBytes }: Options): Promise<void> => {
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, signal })) {
    tally.add(chunk as Uint8Array);
    onBytes((chunk as Uint8Array).byteLength);
  }
};

const sizeOf = async (path: string): Promise<number | undefined> => {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
};
