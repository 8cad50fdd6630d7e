/**
 * Audits the sleds' disks without asking the fleet: hashes every file that is named by a SHA-256, and compares it with the
 * expected artifacts.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ArtifactHash, isArtifactHash } from '../core/ids.ts';

export type AuditedDataset = {
  readonly sled: string;
  readonly directory: string;
  /** Expected files with the right bytes. */
  readonly good: number;
  readonly goodBytes: number;
  readonly missing: readonly ArtifactHash[];
  /** Files whose bytes do not have the hash in their name. */
  readonly corrupt: readonly ArtifactHash[];
  /** Present, but wanted by no release. */
  readonly unexpected: readonly ArtifactHash[];
};

export type Audit = {
  readonly datasets: readonly AuditedDataset[];
  readonly ok: boolean;
  readonly hashedBytes: number;
};

export type AuditedSled = { readonly name: string; readonly datasets: readonly string[] };

const CHUNK_BYTES = 1024 * 1024;

/** Hashes everything; `onProgress` receives the bytes so far. */
export const auditDisks = async (
  sleds: readonly AuditedSled[],
  expected: ReadonlySet<ArtifactHash>,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (hashedBytes: number) => void },
): Promise<Audit> => {
  let hashedBytes = 0;
  const count = (bytes: number) => {
    hashedBytes += bytes;
    onProgress(hashedBytes);
  };
  const datasets: AuditedDataset[] = [];
  for (const sled of sleds) {
    for (const directory of sled.datasets) {
      datasets.push(await auditDataset(sled.name, directory, expected, { signal, count }));
    }
  }
  const ok = datasets.every(
    ({ missing, corrupt, unexpected }) => missing.length + corrupt.length + unexpected.length === 0,
  );
  return { datasets, ok, hashedBytes };
};

const auditDataset = async (
  sled: string,
  directory: string,
  expected: ReadonlySet<ArtifactHash>,
  { signal, count }: { signal: AbortSignal; count: (bytes: number) => void },
): Promise<AuditedDataset> => {
  const files = await artifactFiles(directory);
  const corrupt: ArtifactHash[] = [];
  let good = 0;
  let goodBytes = 0;
  for (const [sha256, path] of files) {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, signal })) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      count(chunk.length);
    }
    if (hash.digest('hex') !== sha256) corrupt.push(sha256);
    else if (expected.has(sha256)) {
      good += 1;
      goodBytes += sizeBytes;
    }
  }
  return {
    sled,
    directory,
    good,
    goodBytes,
    corrupt,
    missing: [...expected].filter(sha256 => !files.has(sha256)),
    unexpected: [...files.keys()].filter(sha256 => !expected.has(sha256)),
  };
};

/** The hashes that some dataset has a file for. */
export const hashesOnDisk = async (sleds: readonly AuditedSled[]): Promise<ReadonlySet<ArtifactHash>> => {
  const found = new Set<ArtifactHash>();
  for (const directory of sleds.flatMap(sled => sled.datasets)) {
    for (const sha256 of (await artifactFiles(directory)).keys()) found.add(sha256);
  }
  return found;
};

/** Anywhere below a dataset: by name alone. */
const artifactFiles = async (directory: string): Promise<ReadonlyMap<ArtifactHash, string>> => {
  const files = new Map<ArtifactHash, string>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && isArtifactHash(entry.name))
      files.set(entry.name, join(entry.parentPath, entry.name));
  }
  return files;
};
