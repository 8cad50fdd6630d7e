/**
 * The ledger: the last config of a sled, as one checked file on every dataset.
 *
 * L1. A ledger names every dataset that the store had open when it was written, and every one that an earlier
 *     ledger names: a newer ledger can only be on one of these (P5).
 * L2. A ledger that cannot be read is an error that is reported, never "no config" (B15).
 * L3. Version 2 records whether a lineage was adopted and whether deletions are held (P13). An agent that knows only
 *     version 1 refuses it: it would delete files in spite of a hold. A ledger of version 1 has neither.
 * L4. Version 3 is written only while the hold remembers that the point was unknown (C5): an agent that knows only version 2
 *     would adopt what needs the statement of a person. At any other time it can be read by such an agent.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import {
  DatasetId,
  Generation,
  IncarnationId,
  type Point,
  SetDigest,
  Sha256Hex,
  SystemVersion,
} from '../../../core/ids.ts';
import { MAX_OFFERED_RELEASES, type OfferedRelease } from '../../../core/release-trust.ts';
import type { Disk } from '../../../lib/disk.ts';
import { writeFileDurably } from '../../../lib/durable-file.ts';
import type { Hold } from '../store.ts';
import { type CheckedFormat, encodeChecked, readChecked } from './checked-file.ts';
import { configOfStored, configToStored, MAX_CONFIG_FILE_BYTES, StoredConfig } from './stored-config.ts';

export const LEDGER_FILE = 'artifact-config.json';

export type Ledger = {
  readonly incarnationId: IncarnationId;
  readonly datasets: readonly DatasetId[];
  /** Absent before a first config was adopted. */
  readonly config: ArtifactConfig | undefined;
  /** The point that this config succeeded: a crash leaves it on some datasets. */
  readonly previous: Point | undefined;
  /** A config that named its predecessor was adopted by this incarnation. */
  readonly hasLineage: boolean;
  /** Set while nothing may be deleted: a config was refused, or the database does not know this one. */
  readonly hold: Hold | undefined;
  /** The releases that the config was offered with; undefined from a Nexus that names none. */
  readonly releases: readonly OfferedRelease[] | undefined;
};

export type LedgerRead =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly ledger: Ledger }
  | { readonly kind: 'damaged'; readonly reason: string };

const Body = z.object({
  incarnation_id: IncarnationId,
  datasets: z.array(DatasetId),
  config: StoredConfig.optional(),
  previous: z.object({ generation: Generation, digest: SetDigest }).optional(),
  lineage: z.boolean().default(false),
  deletions_held: z
    .object({ reason: z.string(), time_ms: z.number(), unknown: z.boolean().default(false) })
    .optional(),
  // A reader that does not know it verifies nothing, and loses nothing by that.
  releases: z
    .array(z.object({ system_version: SystemVersion, bundle: Sha256Hex, exempt: z.boolean() }))
    .max(MAX_OFFERED_RELEASES)
    .optional(),
});

const FORMAT: CheckedFormat<z.output<typeof Body>> = {
  what: 'the ledger',
  version: 3,
  maxBytes: MAX_CONFIG_FILE_BYTES,
  body: Body,
};

/** L4 */
const VERSION_WITHOUT_UNKNOWN = 2;

export const encodeLedger = ({
  incarnationId,
  datasets,
  config,
  previous,
  hasLineage,
  hold,
  releases,
}: Ledger): string => {
  const isUnknown = hold?.isUnknown === true;
  const body: z.input<typeof Body> = {
    incarnation_id: incarnationId,
    datasets: [...datasets],
    ...(config !== undefined && { config: configToStored(config) }),
    ...(previous !== undefined && { previous }),
    lineage: hasLineage,
    ...(hold !== undefined && {
      deletions_held: { reason: hold.reason, time_ms: hold.timeMs, ...(isUnknown && { unknown: true }) },
    }),
    ...(releases !== undefined && {
      releases: releases.map(({ systemVersion, bundle, isExempt }) => ({
        system_version: systemVersion,
        bundle,
        exempt: isExempt,
      })),
    }),
  };
  return encodeChecked(isUnknown ? FORMAT.version : VERSION_WITHOUT_UNKNOWN, body);
};

const ledgerOf = ({
  incarnation_id,
  datasets,
  config,
  previous,
  lineage,
  deletions_held: held,
  releases,
}: z.output<typeof Body>): Ledger => ({
  incarnationId: incarnation_id,
  datasets,
  config: config && configOfStored(config),
  previous,
  hasLineage: lineage,
  hold: held && { reason: held.reason, timeMs: held.time_ms, ...(held.unknown && { isUnknown: true }) },
  releases: releases?.map(({ system_version, bundle, exempt }) => ({
    systemVersion: system_version,
    bundle,
    isExempt: exempt,
  })),
});

/** Errors of the disk are thrown; a file with wrong content is `damaged`. @throws `DATASET_VERSION` */
export const readLedger = async (disk: Disk, directory: string): Promise<LedgerRead> => {
  const read = await readChecked(disk, join(directory, LEDGER_FILE), FORMAT);
  return read.kind === 'whole' ? { kind: 'whole', ledger: ledgerOf(read.body) } : read;
};

export const writeLedger = (disk: Disk, directory: string, ledger: Ledger): Promise<void> =>
  writeFileDurably(join(directory, LEDGER_FILE), encodeLedger(ledger), { disk });
