/** The heads of the audit log that a sled keeps: one checked file on every dataset, whose union counts (`audit-heads.ts`). */
import { join } from 'node:path';
import { z } from 'zod';
import { type KeptHead, MAX_KEPT_HEADS } from '../../../core/audit-heads.ts';
import { Sha256Hex } from '../../../core/ids.ts';
import type { Disk } from '../../../lib/disk.ts';
import { writeFileDurably } from '../../../lib/durable-file.ts';
import { type CheckedFormat, type CheckedRead, encodeChecked, readChecked } from './checked-file.ts';

export const AUDIT_HEADS_FILE = 'audit-heads.json';

const Body = z.object({
  heads: z
    .array(z.object({ seq: z.number().int().min(1), hash: Sha256Hex, time_ms: z.number() }))
    .max(MAX_KEPT_HEADS),
});

const FORMAT: CheckedFormat<z.output<typeof Body>> = {
  what: 'the file of heads of the audit log',
  version: 1,
  maxBytes: 64 * 1024,
  body: Body,
};

export type AuditHeadsRead = CheckedRead<readonly KeptHead[]>;

export const encodeAuditHeads = (heads: readonly KeptHead[]): string => {
  const body: z.input<typeof Body> = {
    heads: heads.map(({ seq, hash, timeMs }) => ({ seq, hash, time_ms: timeMs })),
  };
  return encodeChecked(FORMAT.version, body);
};

/** As `readChecked`. */
export const readAuditHeads = async (disk: Disk, directory: string): Promise<AuditHeadsRead> => {
  const read = await readChecked(disk, join(directory, AUDIT_HEADS_FILE), FORMAT);
  if (read.kind !== 'whole') return read;
  return {
    kind: 'whole',
    body: read.body.heads.map(({ time_ms, ...head }) => ({ ...head, timeMs: time_ms })),
  };
};

export const writeAuditHeads = (disk: Disk, directory: string, heads: readonly KeptHead[]): Promise<void> =>
  writeFileDurably(join(directory, AUDIT_HEADS_FILE), encodeAuditHeads(heads), { disk });
