/** The file of leases on all datasets together: written everywhere, repaired where it is damaged or stale. */
import type { Disk } from '../../../lib/disk.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Dataset } from '../dataset/dataset.ts';
import { writeEverywhere } from '../dataset/write-everywhere.ts';
import { encodeLeases, type LeasesContent, readLeases, writeLeases } from '../files/leases-file.ts';

/** @throws `NO_SPACE`, `NO_USABLE_DATASET` when no dataset took it */
export const writeLeasesFiles = (
  disk: Disk,
  datasets: readonly Dataset[],
  content: LeasesContent,
): Promise<void> =>
  writeEverywhere(datasets, { what: 'its leases', write: ({ path }) => writeLeases(disk, path, content) });

export const repairLeasesFiles = async (
  disk: Disk,
  datasets: readonly Dataset[],
  content: LeasesContent,
  log: Logger,
): Promise<void> => {
  const isEmpty = content.leases.length === 0 && !content.everything;
  for (const dataset of datasets) {
    if (!dataset.isWritable()) continue;
    try {
      const read = await readLeases(disk, dataset.path);
      if (read.kind === 'none' && isEmpty) continue;
      if (read.kind === 'whole' && encodeLeases(read.body) === encodeLeases(content)) continue;
      // Replaced, not quarantined: a crash in between would leave no file at all, which would mean no leases.
      if (read.kind === 'damaged')
        log.error({ dataset: dataset.path, reason: read.reason }, 'leases are damaged and are rewritten');
      await writeOne(disk, dataset, content);
    } catch (error) {
      dataset.reportFailure(error, 'repair its leases');
    }
  }
};

/** DS3 */
const writeOne = async (disk: Disk, dataset: Dataset, content: LeasesContent): Promise<void> => {
  await dataset.requirePresent();
  await writeLeases(disk, dataset.path, content);
};
