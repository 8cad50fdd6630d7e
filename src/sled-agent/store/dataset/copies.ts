/** The copies of one artifact on the datasets: to open one, or to find one. */
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import type { ArtifactHash, DatasetId } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import { type Disk, systemErrorIs } from '../../../lib/disk.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { ArtifactStore, StoredArtifact } from '../store.ts';
import { isFresh, markRight } from './copy-marks.ts';
import type { Dataset } from './dataset.ts';

/** As `ArtifactStore.open`. */
export const openArtifact = async (
  {
    disk,
    datasets,
    config,
    clock,
    suspect,
  }: {
    disk: Disk;
    datasets: readonly Dataset[];
    config: ArtifactConfig | undefined;
    clock: Clock;
    suspect: ArtifactStore['suspect'];
  },
  sha256: ArtifactHash,
  { datasetId }: { datasetId?: DatasetId | undefined } = {},
): Promise<StoredArtifact> => {
  for (const dataset of datasets) {
    const id = dataset.id();
    if (!dataset.isReadable() || id === undefined || (datasetId !== undefined && id !== datasetId)) continue;
    if (dataset.marks.condemned.has(sha256)) continue;
    try {
      const file = await disk.openFile(dataset.pathOf(sha256));
      const sizeBytes = await file.sizeBytes();
      if (sizeBytes === (config?.artifacts.get(sha256) ?? sizeBytes))
        return {
          sha256,
          sizeBytes,
          datasetId: id,
          isFresh: isFresh(dataset, sha256, clock),
          foundRight: () => markRight(dataset, sha256, clock),
          read: file.read,
          [Symbol.asyncDispose]: file.close,
        };
      await file.close();
      suspect(sha256, id, `it has ${sizeBytes} bytes`);
    } catch (error) {
      if (systemErrorIs(error, 'EIO')) suspect(sha256, id, 'it cannot be opened');
      else if (!systemErrorIs(error, 'ENOENT')) dataset.reportFailure(error, `open ${sha256}`);
    }
  }
  throw new DepotError('ARTIFACT_NOT_HELD', `this sled has no whole copy of ${sha256}`, {
    detail: { sha256 },
  });
};

/** Whether some dataset has a file of the right length, whatever the config lists. */
export const holdsArtifact = async (
  disk: Disk,
  datasets: readonly Dataset[],
  config: ArtifactConfig | undefined,
  sha256: ArtifactHash,
): Promise<boolean> => {
  for (const dataset of datasets) {
    if (!dataset.isReadable() || dataset.marks.condemned.has(sha256)) continue;
    try {
      const sizeBytes = await disk.sizeOf(dataset.pathOf(sha256));
      if (sizeBytes !== undefined && sizeBytes === (config?.artifacts.get(sha256) ?? sizeBytes)) return true;
    } catch (error) {
      dataset.reportFailure(error, `look for ${sha256}`);
    }
  }
  return false;
};
