/** What a sled remembers of its deletions (`core/deletion.ts`): one checked file on every dataset. */
import { join } from 'node:path';
import { z } from 'zod';
import { type DeletionRecord, MAX_DELETION_HOURS, type Wait } from '../../../core/deletion.ts';
import { ArtifactHash } from '../../../core/ids.ts';
import type { Disk } from '../../../lib/disk.ts';
import { unlinkDurably, writeFileDurably } from '../../../lib/durable-file.ts';
import { type CheckedFormat, type CheckedRead, encodeChecked, readChecked } from './checked-file.ts';
import { MAX_CONFIG_FILE_BYTES } from './stored-config.ts';

export const DELETIONS_FILE = 'deletions.json';
/** Written by the command `sled-agent allow-deletion`, and removed by the agent once it has taken it over. */
export const ALLOWANCE_FILE = 'allow-deletion.json';

const Ms = z.number().min(0);
const Bytes = z.number().int().min(0);

const Body = z.object({
  /** Of the clock that runs while the agent runs. */
  clock_ms: Ms,
  /** Rises with each write of other content: the clock may stand still in between. A file without it is older. */
  changes: z.number().int().min(0).default(0),
  pending: z.array(
    z.object({
      sha256: ArtifactHash,
      since_ms: Ms,
      size_bytes: Bytes,
      allowed: z.boolean().optional(),
      counted: z.boolean().optional(),
    }),
  ),
  hours: z
    .array(z.object({ hour: z.number().int().min(0), peak_bytes: Bytes, deleted_bytes: Bytes }))
    .max(MAX_DELETION_HOURS),
});

const FORMAT: CheckedFormat<z.output<typeof Body>> = {
  what: 'the file of deletions',
  version: 1,
  maxBytes: MAX_CONFIG_FILE_BYTES,
  body: Body,
};

const AllowanceBody = z.object({
  artifacts: z.array(z.object({ sha256: ArtifactHash, since_ms: Ms })),
});

const ALLOWANCE: CheckedFormat<z.output<typeof AllowanceBody>> = {
  what: 'the file of allowed deletions',
  version: 1,
  maxBytes: MAX_CONFIG_FILE_BYTES,
  body: AllowanceBody,
};

export type DeletionsContent = {
  readonly clockMs: number;
  readonly changes: number;
  readonly record: DeletionRecord;
};
export type DeletionsRead = CheckedRead<DeletionsContent>;

export const encodeDeletions = ({ clockMs, changes, record }: DeletionsContent): string => {
  const body: z.input<typeof Body> = {
    clock_ms: clockMs,
    changes,
    pending: [...record.pending].map(([sha256, entry]) => ({
      sha256,
      since_ms: entry.sinceMs,
      size_bytes: entry.sizeBytes,
      ...(entry.isAllowed && { allowed: true }),
      ...(entry.isCounted && { counted: true }),
    })),
    hours: record.hours.map(({ hour, peakBytes, deletedBytes }) => ({
      hour,
      peak_bytes: peakBytes,
      deleted_bytes: deletedBytes,
    })),
  };
  return encodeChecked(FORMAT.version, body);
};

const contentOf = ({ clock_ms, changes, pending, hours }: z.output<typeof Body>): DeletionsContent => ({
  clockMs: clock_ms,
  changes,
  record: {
    pending: new Map(
      pending.map(({ sha256, since_ms, size_bytes, allowed = false, counted = false }) => [
        sha256,
        { sinceMs: since_ms, sizeBytes: size_bytes, isAllowed: allowed, isCounted: counted },
      ]),
    ),
    hours: hours.map(({ hour, peak_bytes, deleted_bytes }) => ({
      hour,
      peakBytes: peak_bytes,
      deletedBytes: deleted_bytes,
    })),
  },
});

/** As `readChecked`. */
export const readDeletions = async (disk: Disk, directory: string): Promise<DeletionsRead> => {
  const read = await readChecked(disk, join(directory, DELETIONS_FILE), FORMAT);
  return read.kind === 'whole' ? { kind: 'whole', body: contentOf(read.body) } : read;
};

/** @param text by {@link encodeDeletions} */
export const writeDeletions = (disk: Disk, directory: string, text: string): Promise<void> =>
  writeFileDurably(join(directory, DELETIONS_FILE), text, { disk });

/** As `readChecked`. */
export const readAllowance = async (disk: Disk, directory: string): Promise<CheckedRead<readonly Wait[]>> => {
  const read = await readChecked(disk, join(directory, ALLOWANCE_FILE), ALLOWANCE);
  if (read.kind !== 'whole') return read;
  return {
    kind: 'whole',
    body: read.body.artifacts.map(({ sha256, since_ms }) => ({ sha256, sinceMs: since_ms })),
  };
};

export const writeAllowance = (disk: Disk, directory: string, waits: readonly Wait[]): Promise<void> => {
  const body: z.input<typeof AllowanceBody> = {
    artifacts: waits.map(({ sha256, sinceMs }) => ({ sha256, since_ms: sinceMs })),
  };
  return writeFileDurably(join(directory, ALLOWANCE_FILE), encodeChecked(ALLOWANCE.version, body), { disk });
};

export const removeAllowance = (disk: Disk, directory: string): Promise<void> =>
  unlinkDurably(join(directory, ALLOWANCE_FILE), { disk });
