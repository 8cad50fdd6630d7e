/** The leases of a sled on disk: one checked file on every dataset, whose union counts (`leases.ts`). */
import { join } from 'node:path';
import { z } from 'zod';
import { ArtifactHash, LeaseId } from '../../../core/ids.ts';
import type { Disk } from '../../../lib/disk.ts';
import { writeFileDurably } from '../../../lib/durable-file.ts';
import type { Lease } from '../store.ts';
import { type CheckedFormat, type CheckedRead, encodeChecked, readChecked } from './checked-file.ts';

export const LEASES_FILE = 'leases.json';

const Body = z.object({
  leases: z.array(
    z.object({
      sha256: ArtifactHash,
      id: LeaseId,
      holder: z.string().optional(),
      term_ms: z.number().int().min(1),
    }),
  ),
  /** Leases were lost: until their longest term is over, everything counts as leased. */
  everything: z.boolean().optional(),
});

const FORMAT: CheckedFormat<z.output<typeof Body>> = {
  what: 'the file of leases',
  version: 1,
  /** Several times the size of a file with as many leases as a sled grants. */
  maxBytes: 2 * 2 ** 20,
  body: Body,
};

export type LeasesContent = { readonly leases: readonly Lease[]; readonly everything: boolean };
export type LeasesRead = CheckedRead<LeasesContent>;

export const encodeLeases = ({ leases, everything }: LeasesContent): string => {
  const body: z.input<typeof Body> = {
    leases: leases.map(({ sha256, id, holder, termMs }) => ({
      sha256,
      id,
      ...(holder !== undefined && { holder }),
      term_ms: termMs,
    })),
    ...(everything && { everything }),
  };
  return encodeChecked(FORMAT.version, body);
};

/** As `readChecked`. */
export const readLeases = async (disk: Disk, directory: string): Promise<LeasesRead> => {
  const read = await readChecked(disk, join(directory, LEASES_FILE), FORMAT);
  if (read.kind !== 'whole') return read;
  const { leases, everything = false } = read.body;
  return {
    kind: 'whole',
    body: {
      everything,
      leases: leases.map(({ term_ms, ...lease }) => ({ holder: undefined, ...lease, termMs: term_ms })),
    },
  };
};

export const writeLeases = (disk: Disk, directory: string, content: LeasesContent): Promise<void> =>
  writeFileDurably(join(directory, LEASES_FILE), encodeLeases(content), { disk });
