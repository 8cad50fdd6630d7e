/** The copies of one artifact on the datasets: to open one, or to find one. */
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import type { ArtifactHash, DatasetId } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import { type Disk, systemErrorIs } from '../../../lib/disk.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { ArtifactStore, StoredArtifact } from '../store.ts';
import { isFresh, markRight } from './copy-marks.ts';
import type { Dataset } from './dataset.ts';

type OpenedCopies = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly config: ArtifactConfig | undefined;
  readonly clock: Clock;
  readonly suspect: ArtifactStore['suspect'];
  /** Why an artifact is not served; undefined if it is. */
  readonly withheld: (sha256: ArtifactHash) => string | undefined;
};

/** As `ArtifactStore.open`. */
export const openArtifact = async (
  { disk, datasets, config, clock, suspect, withheld }: OpenedCopies,
  sha256: ArtifactHash,
  { datasetId }: { datasetId?: DatasetId | undefined } = {},
): Promise<StoredArtifact> => {
  const reason = withheld(sha256);
  if (reason !== undefined)
    throw new DepotError('ARTIFACT_NOT_HELD', `this sled withholds ${sha256}: ${reason}`, {
      detail: { sha256, withheld: true },
    });
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

/** Whether some dataset has a file of the right length that is not withheld, whatever the config lists. */
export const holdsArtifact = async (
  { disk, datasets, config, withheld }: Omit<OpenedCopies, 'clock' | 'suspect'>,
  sha256: ArtifactHash,
): Promise<boolean> => {
  if (withheld(sha256) !== undefined) return false;
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
