/**
 * The progress of a scrub, on disk: one small checked file on every dataset, so that a restart resumes.
 *
 * Files are read in the order of a number that is mixed from the cycle's seed and their hash. The order differs on each
 * sled and in each cycle, and one position describes the whole progress.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { ArtifactHash } from '../../../core/ids.ts';
import type { Disk } from '../../../lib/disk.ts';
import { writeFileDurably } from '../../../lib/durable-file.ts';
import { type CheckedFormat, encodeChecked, readChecked } from './checked-file.ts';

export const SCRUB_FILE = 'scrub.json';

const Count = z.number().int().min(0);
const Body = z.object({
  cycle_started_ms: z.number(),
  seed: Count,
  /** Of the last file that was read; empty before the first. */
  position: z.string().regex(/^([0-9a-f]{72})?$/),
  is_done: z.boolean(),
  files_done: Count,
  bytes_done: Count,
  cycles_completed: Count,
  last_completed_ms: z.number().optional(),
  last_bad: z.object({ sha256: ArtifactHash, reason: z.string(), time_ms: z.number() }).optional(),
});
export type ScrubRecord = z.output<typeof Body>;

const FORMAT: CheckedFormat<ScrubRecord> = {
  what: 'the progress of the scrub',
  version: 1,
  maxBytes: 64 * 1024,
  body: Body,
};

/** Undefined if there is none, or it is invalid: then a new cycle begins. */
export const readScrubRecord = async (disk: Disk, directory: string): Promise<ScrubRecord | undefined> => {
  const read = await readChecked(disk, join(directory, SCRUB_FILE), FORMAT).catch(() => undefined);
  return read?.kind === 'whole' ? read.body : undefined;
};

export const writeScrubRecord = (disk: Disk, directory: string, record: ScrubRecord): Promise<void> =>
  writeFileDurably(join(directory, SCRUB_FILE), encodeChecked(FORMAT.version, record), { disk });

/** 32 bits of the hash and the seed, mixed; the hash itself breaks ties. */
export const positionOf = (sha256: ArtifactHash, seed: number): string => {
  let word = (Number.parseInt(sha256.slice(0, 8), 16) ^ seed) >>> 0;
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return ((word ^ (word >>> 15)) >>> 0).toString(16).padStart(8, '0') + sha256;
};
