/** The listing of a sled: its artifacts, read from its disks each time, and its remembered events. */
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import type { QuarantinedFile } from '../../core/sled-report.ts';
import type { Disk } from '../../lib/disk.ts';
import type { ConfigKeeper } from './config/config-keeper.ts';
import type { Dataset } from './dataset/dataset.ts';
import type { DatasetFiles } from './dataset/dataset-files.ts';
import { isArtifactAside, listAside } from './dataset/quarantine.ts';
import type { Deleter } from './deleter.ts';
import type { Leases } from './leases/leases.ts';
import { pointOf } from './point.ts';
import type { Scrubber } from './scrub/scrub.ts';
import { type DatasetHealth, MAX_EVENTS, type StoreListing, type StoreSettings } from './store.ts';

export const listStore = async (store: {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly settings: StoreSettings;
  readonly keeper: Pick<ConfigKeeper, 'config' | 'incarnationId' | 'lineage'>;
  readonly deleter: Pick<Deleter, 'recent' | 'deferred' | 'total'>;
  readonly leases: Pick<Leases, 'total'>;
  readonly scrubber: Pick<Scrubber, 'progress'>;
}): Promise<StoreListing> => {
  const { keeper, deleter, settings } = store;
  const held = await listHeld(store.disk, store.datasets, keeper.config(), settings.quotaBytes);
  return {
    incarnationId: keeper.incarnationId(),
    ...keeper.lineage(),
    ...held,
    deletionsTotal: deleter.total(),
    deletions: deleter.recent(),
    deletionsDeferred: deleter.deferred(),
    leasesTotal: store.leases.total(),
    scrub: store.scrubber.progress(),
  };
};

type HeldFacts = Pick<
  StoreListing,
  'generation' | 'configDigest' | 'artifacts' | 'datasets' | 'datasetHealth' | 'quarantined'
>;

const listHeld = async (
  disk: Disk,
  datasets: readonly Dataset[],
  config: ArtifactConfig | undefined,
  quotaBytes: number,
): Promise<HeldFacts> => {
  const artifacts = new Map<ArtifactHash, number>();
  const datasetHealth: DatasetHealth[] = [];
  const quarantined: QuarantinedFile[] = [];
  for (const dataset of datasets) {
    const files = await lookAt(disk, dataset);
    for (const [sha256, sizeBytes] of files?.artifacts ?? []) {
      const { condemned, unsynced } = dataset.marks;
      if (condemned.has(sha256) || unsynced.has(sha256)) continue;
      if (config !== undefined && isHeld(config, sha256, sizeBytes))
        artifacts.set(sha256, (artifacts.get(sha256) ?? 0) + 1);
    }
    quarantined.push(...(files?.quarantined ?? []));
    datasetHealth.push(await healthOf(dataset, files, quotaBytes));
  }
  return {
    generation: config?.generation,
    configDigest: config && pointOf(config).digest,
    artifacts,
    datasets: datasetHealth.filter(({ state }) => state === 'ok').length,
    datasetHealth,
    quarantined: quarantined.slice(-MAX_EVENTS),
  };
};

/** A copy whose length differs from the config is rotten, and not held (P10, B11). */
const isHeld = (config: ArtifactConfig, sha256: ArtifactHash, sizeBytes: number): boolean =>
  config.artifacts.has(sha256) && (config.artifacts.get(sha256) ?? sizeBytes) === sizeBytes;

type Looked = DatasetFiles & { readonly quarantined: readonly QuarantinedFile[] };

const lookAt = async (disk: Disk, dataset: Dataset): Promise<Looked | undefined> => {
  const datasetId = dataset.id();
  if (datasetId === undefined || !dataset.isReadable()) return undefined;
  try {
    const files = await dataset.scan();
    const aside = (await listAside(disk, dataset.path)).filter(isArtifactAside);
    const marked = [...dataset.marks.condemned].map(([name, facts]) => ({ name, ...facts }));
    const quarantined = [...aside, ...marked].map(({ name, reason, timeMs }) => ({
      sha256: name,
      datasetId,
      reason,
      timeMs,
    }));
    // A dataset that failed during the scan is not trusted: its names may not be durable.
    return dataset.isReadable() ? { ...files, quarantined } : undefined;
  } catch (error) {
    dataset.reportFailure(error, 'read its directory');
    return undefined;
  }
};

const healthOf = async (
  dataset: Dataset,
  files: Looked | undefined,
  quotaBytes: number,
): Promise<DatasetHealth> => {
  const look = (bytes: number, removedFiles = 0) =>
    dataset.isReadable() ? dataset.space.look(bytes, removedFiles).catch(() => undefined) : undefined;
  const space = await look(1);
  // The first write that needs the space of evidence deletes it.
  const evidenceBytes = files?.evidenceBytes ?? 0;
  const atMost =
    space?.refusal === undefined ? space : await look(1 - evidenceBytes, evidenceBytes > 0 ? 1 : 0);
  const condition = dataset.condition();
  const isFull = condition.kind === 'ok' && atMost?.refusal !== undefined;
  return {
    id: dataset.id() ?? null,
    path: dataset.path,
    state: isFull ? 'full' : condition.kind,
    message:
      condition.kind === 'ok' ? (isFull ? space?.refusal : space?.lastRefusal)?.message : condition.message,
    usedBytes: dataset.isReadable() ? dataset.space.usedBytes() : undefined,
    quotaBytes,
    freeBytes: space?.freeBytes,
    quarantined: files?.quarantined.length || undefined,
    timeLastQuarantinedMs: files?.quarantined
      .map(({ timeMs }) => timeMs)
      .reduce<number | undefined>(later, undefined),
    unknownFiles: (files?.unknown ?? []).slice(0, MAX_EVENTS),
  };
};

const later = (a: number | undefined, b: number): number => (a === undefined || b > a ? b : a);
