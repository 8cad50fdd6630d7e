/** The copies of one artifact on the datasets: opened to be read, or set aside. */
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { ArtifactHash, DatasetId } from '../../core/ids.ts';
import { type Disk, systemErrorIs } from '../../lib/disk.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Dataset } from './dataset.ts';
import type { StoredArtifact } from './store.ts';

/** As `ArtifactStore.open`. */
export const openArtifact = async (
  {
    disk,
    datasets,
    config,
  }: { disk: Disk; datasets: readonly Dataset[]; config: ArtifactConfig | undefined },
  sha256: ArtifactHash,
  { datasetId }: { datasetId?: DatasetId | undefined } = {},
): Promise<StoredArtifact> => {
  for (const dataset of datasets) {
    const id = dataset.id();
    if (!dataset.isReadable() || id === undefined || (datasetId !== undefined && id !== datasetId)) continue;
    try {
      const file = await disk.openFile(dataset.pathOf(sha256));
      const sizeBytes = await file.sizeBytes();
      if (sizeBytes === (config?.artifacts.get(sha256) ?? sizeBytes))
        return { sha256, sizeBytes, datasetId: id, read: file.read, [Symbol.asyncDispose]: file.close };
      await file.close();
    } catch (error) {
      if (!systemErrorIs(error, 'ENOENT')) dataset.reportFailure(error, `open ${sha256}`);
    }
  }
  throw new DepotError('ARTIFACT_NOT_HELD', `this sled has no whole copy of ${sha256}`, {
    detail: { sha256 },
  });
};

/** As `ArtifactStore.quarantine`; to be called under the lock of the hash. */
export const quarantineCopy = async (
  datasets: readonly Dataset[],
  sha256: ArtifactHash,
  datasetId: DatasetId,
  { reason, log }: { reason: string; log: Logger },
): Promise<boolean> => {
  const dataset = datasets.find(each => each.id() === datasetId && each.isWritable());
  if (dataset === undefined || !(await dataset.setAside(sha256, reason))) return false;
  log.error({ sha256, dataset: dataset.path, dataset_id: datasetId, reason }, 'copy quarantined');
  return true;
};
