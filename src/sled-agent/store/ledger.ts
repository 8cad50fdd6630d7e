/**
 * The ledger: what a sled was last told to hold, as one checked file on every dataset.
 *
 * L1. A ledger names every dataset that the store had open when it was written, and every one that an earlier
 *     ledger names: a newer ledger can only be on one of these (P5).
 * L2. A ledger that cannot be read is an error that is reported, never "no config" (B15).
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import { ArtifactHash, DatasetId, Generation, IncarnationId } from '../../core/ids.ts';
import type { Disk } from '../../lib/disk.ts';
import { writeFileDurably } from '../../lib/durable-file.ts';
import { type CheckedFormat, encodeChecked, readChecked } from './checked-file.ts';

export const LEDGER_FILE = 'artifact-config.json';

export type Ledger = {
  readonly incarnationId: IncarnationId;
  readonly datasets: readonly DatasetId[];
  /** Absent before a first config was adopted. */
  readonly config: ArtifactConfig | undefined;
};

export type LedgerRead =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly ledger: Ledger }
  | { readonly kind: 'damaged'; readonly reason: string };

const Body = z.object({
  incarnation_id: IncarnationId,
  datasets: z.array(DatasetId),
  config: z
    .object({
      generation: Generation,
      artifacts: z.array(z.object({ sha256: ArtifactHash, size_bytes: z.number().int().min(0).optional() })),
    })
    .optional(),
});

const FORMAT: CheckedFormat<z.output<typeof Body>> = {
  what: 'the ledger',
  version: 1,
  /** Twice the size of a ledger with the 100,000 artifacts that a config may list. */
  maxBytes: 32 * 2 ** 20,
  body: Body,
};

export const encodeLedger = ({ incarnationId, datasets, config }: Ledger): string => {
  const body: z.input<typeof Body> = {
    incarnation_id: incarnationId,
    datasets: [...datasets],
    ...(config !== undefined && {
      config: {
        generation: config.generation,
        artifacts: [...config.artifacts].map(([sha256, size]) => ({
          sha256,
          ...(size !== undefined && { size_bytes: size }),
        })),
      },
    }),
  };
  return encodeChecked(FORMAT.version, body);
};

const ledgerOf = ({ incarnation_id, datasets, config }: z.output<typeof Body>): Ledger => ({
  incarnationId: incarnation_id,
  datasets,
  config: config && {
    generation: config.generation,
    artifacts: new Map(config.artifacts.map(({ sha256, size_bytes }) => [sha256, size_bytes])),
  },
});

/** Errors of the disk are thrown; what the file says wrongly is `damaged`. @throws `DATASET_VERSION` */
export const readLedger = async (disk: Disk, directory: string): Promise<LedgerRead> => {
  const read = await readChecked(disk, join(directory, LEDGER_FILE), FORMAT);
  return read.kind === 'whole' ? { kind: 'whole', ledger: ledgerOf(read.body) } : read;
};

export const writeLedger = (disk: Disk, directory: string, ledger: Ledger): Promise<void> =>
  writeFileDurably(join(directory, LEDGER_FILE), encodeLedger(ledger), { disk });
