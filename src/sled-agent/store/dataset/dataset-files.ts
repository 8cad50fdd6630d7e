/** The content of the directory of a dataset, classified by name. */
import { join } from 'node:path';
import { type ArtifactHash, isArtifactHash } from '../../../core/ids.ts';
import type { Disk } from '../../../lib/disk.ts';
import { TEMPORARY_PREFIX } from '../../../lib/durable-file.ts';
import { LOCK_FILE } from '../../../lib/exclusive-lock.ts';
import { AUDIT_HEADS_FILE } from '../files/audit-heads-file.ts';
import { isBundleName } from '../files/bundle-files.ts';
import { ALLOWANCE_FILE, DELETIONS_FILE } from '../files/deletions-file.ts';
import { isKeptName } from '../files/kept-configs.ts';
import { LEASES_FILE } from '../files/leases-file.ts';
import { LEDGER_FILE } from '../files/ledger.ts';
import { SCRUB_FILE } from '../files/scrub-progress.ts';
import { diskIsGone, FOREIGN_NAMES, IDENTITY_FILE } from './dataset-identity.ts';
import { QUARANTINE_DIRECTORY, quarantinedBytes } from './quarantine.ts';

const OWN_NAMES = new Set([
  IDENTITY_FILE,
  LEDGER_FILE,
  LEASES_FILE,
  AUDIT_HEADS_FILE,
  DELETIONS_FILE,
  ALLOWANCE_FILE,
  SCRUB_FILE,
  LOCK_FILE,
  QUARANTINE_DIRECTORY,
]);

/** How many files are examined in parallel. */
const SCAN_BATCH = 64;

export type DatasetFiles = {
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
  /** Names that are not the store's. */
  readonly unknown: readonly string[];
  /** Names of writes in flight, or of their leftovers. */
  readonly unfinished: readonly string[];
  /** Of artifacts and evidence. */
  readonly usedBytes: number;
  /** Of quarantined files, which are deleted when space is needed. */
  readonly evidenceBytes: number;
};

export const scanDirectory = async (disk: Disk, path: string): Promise<DatasetFiles> => {
  const names = await disk.readDirectory(path);
  if (!names.includes(IDENTITY_FILE)) throw diskIsGone(path);
  const artifacts = new Map<ArtifactHash, number>();
  const unknown: string[] = [];
  let usedBytes = 0;
  for (let start = 0; start < names.length; start += SCAN_BATCH) {
    const batch = names
      .slice(start, start + SCAN_BATCH)
      .filter(name => !OWN_NAMES.has(name) && !isKeptName(name) && !isBundleName(name));
    const sizes = await Promise.all(batch.map(name => disk.sizeOf(join(path, name))));
    for (const [index, name] of batch.entries()) {
      const sizeBytes = sizes[index];
      if (isArtifactHash(name) && sizeBytes !== undefined) {
        artifacts.set(name, sizeBytes);
        usedBytes += sizeBytes;
      } else if (!isUnfinished(name) && !FOREIGN_NAMES.has(name)) {
        unknown.push(name);
      }
    }
  }
  const evidenceBytes = await quarantinedBytes(disk, path);
  return {
    artifacts,
    unknown: unknown.sort(),
    unfinished: names.filter(isUnfinished),
    usedBytes: usedBytes + evidenceBytes,
    evidenceBytes,
  };
};

const isUnfinished = (name: string): boolean => name.startsWith(TEMPORARY_PREFIX);
