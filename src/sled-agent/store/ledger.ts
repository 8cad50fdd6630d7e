/**
 * The ledger: what a sled was last told to hold, as one JSON file on every dataset.
 *
 *     { "version": 1, "checksum": "<SHA-256 of the body's JSON>", "body": { incarnation, datasets, config } }
 *
 * L1. A ledger names every dataset that the store had open when it was written: a newer ledger can only be on
 *     one of these (P5).
 * L2. A ledger that cannot be read is an error that is reported, never "no config" (B15).
 * L3. A ledger of a later format is left as it is: overwriting it would lose what it says.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import { ArtifactHash, DatasetId, Generation, IncarnationId } from '../../core/ids.ts';
import type { Disk } from '../../lib/disk.ts';
import { readFileWhole, writeFileDurably } from '../../lib/durable-file.ts';
import { DepotError, messageChain } from '../../lib/errors.ts';

export const LEDGER_FILE = 'artifact-config.json';

const LEDGER_VERSION = 1;

/** Twice the size of a ledger with the 100,000 artifacts that a config may list. */
const MAX_LEDGER_BYTES = 32 * 2 ** 20;

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

const Envelope = z.object({ version: z.number(), checksum: z.string(), body: z.unknown() });

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

const checksumOf = (body: unknown): string => createHash('sha256').update(JSON.stringify(body)).digest('hex');

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
  return `${JSON.stringify({ version: LEDGER_VERSION, checksum: checksumOf(body), body })}\n`;
};

/**
 * Throws what is wrong with the text in words.
 *
 * @throws `DATASET_VERSION` for a ledger of a later format
 */
export const decodeLedger = (text: string): Ledger => {
  const envelope = Envelope.parse(JSON.parse(text));
  if (envelope.version > LEDGER_VERSION) {
    throw new DepotError(
      'DATASET_VERSION',
      `the ledger has version ${envelope.version}, and this release of tuf-depot reads up to ${LEDGER_VERSION}`,
      { detail: { version: envelope.version } },
    );
  }
  if (checksumOf(envelope.body) !== envelope.checksum) throw new Error('its checksum does not match');
  const { incarnation_id, datasets, config } = Body.parse(envelope.body);
  return {
    incarnationId: incarnation_id,
    datasets,
    config: config && {
      generation: config.generation,
      artifacts: new Map(config.artifacts.map(({ sha256, size_bytes }) => [sha256, size_bytes])),
    },
  };
};

/** Errors of the disk are thrown; what the file says wrongly is `damaged`. */
export const readLedger = async (disk: Disk, directory: string): Promise<LedgerRead> => {
  const text = await readFileWhole(join(directory, LEDGER_FILE), { disk, maxBytes: MAX_LEDGER_BYTES });
  if (text === undefined) return { kind: 'none' };
  try {
    return { kind: 'whole', ledger: decodeLedger(text) };
  } catch (error) {
    if (error instanceof DepotError) throw error;
    return { kind: 'damaged', reason: messageChain(error) };
  }
};

export const writeLedger = (disk: Disk, directory: string, ledger: Ledger): Promise<void> =>
  writeFileDurably(join(directory, LEDGER_FILE), encodeLedger(ledger), { disk });
