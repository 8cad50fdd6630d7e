/** The listing of a sled: its artifacts, read from its disks each time, and its remembered events. */
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { JudgedDeletion } from '../../core/deletion.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import type { QuarantinedFile } from '../../core/sled-report.ts';
import type { Disk } from '../../lib/disk.ts';
import { messageChain } from '../../lib/errors.ts';
import type { ConfigKeeper } from './config/config-keeper.ts';
import type { Dataset } from './dataset/dataset.ts';
import type { DatasetFiles } from './dataset/dataset-files.ts';
import { isArtifactAside, listAside } from './dataset/quarantine.ts';
import type { Deleter } from './deleter.ts';
import type { DeletionBook } from './deletion/deletion-book.ts';
import type { Leases } from './leases/leases.ts';
import { pointOf } from './point.ts';
import type { ReleaseBundles } from './release-trust.ts';
import type { Scrubber } from './scrub/scrub.ts';
import {
  type DatasetHealth,
  type InUse,
  type KeptForAWhile,
  MAX_EVENTS,
  type StoreListing,
  type StoreSettings,
} from './store.ts';

type ListedStore = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly settings: StoreSettings;
  readonly keeper: Pick<ConfigKeeper, 'config' | 'incarnationId' | 'lineage'>;
  readonly deleter: Pick<Deleter, 'recent' | 'deferred' | 'total'>;
  readonly book: Pick<DeletionBook, 'judge'>;
  readonly inUse: InUse;
  readonly leases: Pick<Leases, 'total'>;
  readonly scrubber: Pick<Scrubber, 'progress'>;
  readonly bundles: Pick<ReleaseBundles, 'isWithheld' | 'report'>;
};

export const listStore = async (store: ListedStore): Promise<StoreListing> => {
  const { keeper, deleter } = store;
  const lineage = keeper.lineage();
  const pending = store.book.judge();
  const unlisted = sortUnlisted(pending, { isHeld: lineage.hold !== undefined, inUse: store.inUse });
  const held = await listHeld(store, keeper.config(), unlisted);
  return {
    incarnationId: keeper.incarnationId(),
    ...lineage,
    ...held,
    deletionsWaiting: keptForAWhile(lineage.hold ? [] : pending.filter(({ isLimited }) => !isLimited)),
    deletionsLimited: keptForAWhile(pending.filter(({ isLimited }) => isLimited)),
    deletionsTotal: deleter.total(),
    deletions: deleter.recent(),
    deletionsDeferred: deleter.deferred(),
    leasesTotal: store.leases.total(),
    scrub: store.scrubber.progress(),
    releases: store.bundles.report(keeper.config()),
  };
};

type HeldFacts = Pick<
  StoreListing,
  'generation' | 'configDigest' | 'artifacts' | 'datasets' | 'datasetHealth' | 'quarantined'
>;

/** Of an artifact that the config does not list: what becomes of its bytes. */
type Unlisted = (sha256: ArtifactHash) => 'retained' | 'reclaimable' | 'evictable';

const sortUnlisted = (
  pending: readonly JudgedDeletion[],
  { isHeld, inUse }: { readonly isHeld: boolean; readonly inUse: InUse },
): Unlisted => {
  const judged = new Map(pending.map(each => [each.sha256, each]));
  return sha256 => {
    const its = judged.get(sha256);
    if (isHeld || its?.isLimited === true || inUse(sha256) !== undefined) return 'retained';
    return its?.isEvictable === true ? 'evictable' : 'reclaimable';
  };
};

const keptForAWhile = (pending: readonly JudgedDeletion[]): KeptForAWhile => ({
  artifacts: pending.length,
  sizeBytes: pending.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  first: pending.toSorted((a, b) => a.remainingMs - b.remainingMs).slice(0, MAX_EVENTS),
});

const listHeld = async (
  {
    disk,
    datasets,
    settings: { quotaBytes },
    bundles: { isWithheld },
  }: Pick<ListedStore, 'disk' | 'datasets' | 'settings' | 'bundles'>,
  config: ArtifactConfig | undefined,
  sort: Unlisted,
): Promise<HeldFacts> => {
  const artifacts = new Map<ArtifactHash, number>();
  const datasetHealth: DatasetHealth[] = [];
  const quarantined: QuarantinedFile[] = [];
  for (const dataset of datasets) {
    const files = await lookAt(disk, dataset);
    for (const [sha256, sizeBytes] of files?.artifacts ?? []) {
      const { condemned, unsynced } = dataset.marks;
      if (condemned.has(sha256) || unsynced.has(sha256)) continue;
      if (config !== undefined && isHeld(config, sha256, sizeBytes) && !isWithheld(sha256))
        artifacts.set(sha256, (artifacts.get(sha256) ?? 0) + 1);
    }
    quarantined.push(...(files?.quarantined ?? []));
    datasetHealth.push(
      await healthOf(dataset, files, { quotaBytes, unlisted: unlistedBytes(config, files, sort) }),
    );
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

type UnlistedBytes = { readonly [S in ReturnType<Unlisted>]: number };

/** Undefined while the sled cannot tell. */
const unlistedBytes = (
  config: ArtifactConfig | undefined,
  files: Looked | undefined,
  sort: Unlisted,
): UnlistedBytes | undefined => {
  if (config === undefined || files === undefined) return undefined;
  const bytes = { retained: 0, reclaimable: 0, evictable: 0 };
  for (const [sha256, sizeBytes] of files.artifacts)
    if (!config.artifacts.has(sha256)) bytes[sort(sha256)] += sizeBytes;
  return bytes;
};

const healthOf = async (
  dataset: Dataset,
  files: Looked | undefined,
  { quotaBytes, unlisted }: { readonly quotaBytes: number; readonly unlisted: UnlistedBytes | undefined },
): Promise<DatasetHealth> => {
  const look = (bytes: number, removedFiles = 0) =>
    dataset.isReadable() ? dataset.space.look(bytes, removedFiles).catch(() => undefined) : undefined;
  const space = await look(1);
  // The first write that needs the space of evidence, or of what has waited long enough, deletes it.
  const spareBytes = (files?.evidenceBytes ?? 0) + (unlisted?.evictable ?? 0);
  const atMost = space?.refusal === undefined ? space : await look(1 - spareBytes, spareBytes > 0 ? 1 : 0);
  const condition = dataset.condition();
  const refusal = atMost?.refusal === undefined ? await dataset.fileRefusal() : space?.refusal;
  const isFull = condition.kind === 'ok' && refusal !== undefined;
  return {
    id: dataset.id() ?? null,
    path: dataset.path,
    state: isFull ? 'full' : condition.kind,
    message: condition.kind === 'ok' ? textOf(refusal ?? space?.lastRefusal) : condition.message,
    usedBytes: dataset.isReadable() ? dataset.space.usedBytes() : undefined,
    quotaBytes,
    freeBytes: space?.freeBytes,
    reclaimableBytes: unlisted && unlisted.reclaimable + unlisted.evictable,
    retainedBytes: unlisted?.retained,
    quarantined: files?.quarantined.length || undefined,
    timeLastQuarantinedMs: files?.quarantined
      .map(({ timeMs }) => timeMs)
      .reduce<number | undefined>(later, undefined),
    unknownFiles: (files?.unknown ?? []).slice(0, MAX_EVENTS),
  };
};

const textOf = (error: Error | undefined): string | undefined => error && messageChain(error);

const later = (a: number | undefined, b: number): number => (a === undefined || b > a ? b : a);
