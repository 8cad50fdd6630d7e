/**
 * The heads of the audit log that this sled was told (T6a); the rules are in `core/audit-heads.ts`.
 *
 *     PUT ─▶ keepHeads() ─▶ audit-heads.json on every dataset ─▶ acknowledge
 *     start, a dataset returns ─▶ the union of the files
 *
 * HD1. A head is durable before it is acknowledged; one dataset is enough, as for a lease. It is in the file of every other
 *      one too, so that heads survive the loss of a disk, and a Nexus that is restarted or a restored database does not.
 * HD2. A damaged file is replaced by what the others have. Nothing of the store depends on heads, so none of its work waits.
 */
import { type KeptHead, keepHeads, mergeKept } from '../../core/audit-heads.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Disk } from '../../lib/disk.ts';
import type { Logger } from '../../lib/log.ts';
import type { Dataset, Inspection } from './dataset/dataset.ts';
import { writeEverywhere } from './dataset/write-everywhere.ts';
import { encodeAuditHeads, readAuditHeads, writeAuditHeads } from './files/audit-heads-file.ts';
import { createKeyedLock } from './locks.ts';
import type { KeptAuditHeads } from './store.ts';

export type AuditHeads = KeptAuditHeads & {
  /** Reads the files of datasets that are about to be admitted. */
  readonly learn: (joining: readonly { readonly inspection: Inspection }[]) => void;
  /** Rewrites a damaged or stale file. */
  readonly repair: () => Promise<void>;
};

type Deps = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly clock: Clock;
  readonly log: Logger;
};

export const createAuditHeads = ({ disk, datasets, clock, log }: Deps): AuditHeads => {
  const queue = createKeyedLock();
  let kept: readonly KeptHead[] = [];
  const write = (heads: readonly KeptHead[]): Promise<void> =>
    writeEverywhere(datasets, {
      what: 'heads of the audit log',
      write: ({ path }) => writeAuditHeads(disk, path, heads),
    });
  return {
    list: () => kept,
    keep: told =>
      queue('heads', async () => {
        const heads = keepHeads(kept, told, clock.nowMs());
        if (encodeAuditHeads(heads) === encodeAuditHeads(kept)) return;
        await write(heads); // HD1
        kept = heads;
      }),
    learn(joining) {
      const files = joining.flatMap(({ inspection: { auditHeads } }) =>
        auditHeads.kind === 'whole' ? [auditHeads.body] : [],
      );
      kept = mergeKept(kept, ...files);
    },
    repair: () =>
      queue('heads', async () => {
        if (kept.length === 0) return;
        for (const dataset of datasets)
          if (dataset.isWritable()) await repairOne({ disk, log }, dataset, kept);
      }),
  };
};

const repairOne = async (
  { disk, log }: Pick<Deps, 'disk' | 'log'>,
  dataset: Dataset,
  kept: readonly KeptHead[],
): Promise<void> => {
  try {
    const read = await readAuditHeads(disk, dataset.path);
    if (read.kind === 'whole' && encodeAuditHeads(read.body) === encodeAuditHeads(kept)) return;
    if (read.kind === 'damaged')
      log.error(
        { dataset: dataset.path, reason: read.reason },
        'heads of the audit log are damaged and are rewritten',
      );
    await dataset.requirePresent(); // DS3
    await writeAuditHeads(disk, dataset.path, kept);
  } catch (error) {
    dataset.reportFailure(error, 'repair its heads of the audit log');
  }
};
