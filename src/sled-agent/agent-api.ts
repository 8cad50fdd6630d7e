/** The artifact API, for Nexus: the store and the copies behind the published contract. */
import type { z } from 'zod';
import {
  type ArtifactConfigBody,
  type ArtifactLease,
  type ArtifactListResponse,
  MAX_LISTED_LEASES,
  MAX_POINTS_KEPT,
  type sledAgentApi,
  type DatasetHealth as WireDatasetHealth,
  type WirePoint,
  type ScrubProgress as WireScrubProgress,
} from '../api/sled-agent-api.ts';
import type { ArtifactConfig, OfferedConfig } from '../core/artifact-config.ts';
import { type Point, pointText } from '../core/ids.ts';
import type { ScrubProgress } from '../core/sled-report.ts';
import type { Handlers } from '../http/handlers.ts';
import { isoTime } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import type { Copies, CopyReport } from './copy.ts';
import type { Slots } from './slots.ts';
import { awaitingFloor } from './store/config/config-keeper.ts';
import type {
  ArtifactStore,
  ArtifactWriter,
  DatasetHealth,
  LeaseInForce,
  StoreListing,
} from './store/store.ts';

export type AgentDependencies = {
  readonly store: ArtifactStore;
  readonly copies: Copies;
  /** How many puts may be in flight. */
  readonly puts: Slots;
};

export const agentHandlers = ({ store, copies, puts }: AgentDependencies): Handlers<typeof sledAgentApi> => ({
  async artifactConfigGet({ query: { point } }) {
    if (point !== undefined) return configToWire(requireConfigAt(store, point));
    const config = store.config();
    if (config === undefined) throw noConfig();
    requireCertainty(store);
    return configToWire(config);
  },

  async artifactConfigPut({ body, log, signal }) {
    const outcome = await store.offerConfig(configFromWire(body), { signal });
    if (outcome === 'adopted')
      log.info({ generation: body.generation, artifacts: body.artifacts.length }, 'artifact config adopted');
  },

  async artifactList() {
    if (store.config() === undefined) throw noConfig();
    requireCertainty(store);
    const listing = await store.list();
    // A disk that returned meanwhile may have brought doubt.
    requireCertainty(store);
    if (listing.generation === undefined) throw noConfig();
    return listToWire(listing, listing.generation, copies.report());
  },

  async artifactPut({ params: { sha256 }, query: { generation, config_digest: digest }, body, log }) {
    using _slot = puts.take();
    await using writer = await store.beginWrite(sha256, generation, {
      expectedSizeBytes: body.contentLength,
      digest,
    });
    const sizeBytes = await writeAll(writer, body.chunks);
    const result = await writer.commit();
    log.info({ sha256, generation, size_bytes: sizeBytes, ...result }, 'artifact stored');
    return result;
  },

  async artifactCopyFromDepot({ params: { sha256 }, query, body }) {
    const { generation, config_digest: digest } = query;
    await copies.start({
      sha256,
      generation,
      digest,
      depotBaseUrl: body.depot_base_url,
      sourceId: body.source_sled_id,
    });
    return {};
  },

  async artifactLeaseList({ params: { sha256 } }) {
    return { leases: store.leases(sha256).map(leaseToWire) };
  },

  async artifactLeasePut({ params: { sha256, id }, body: { term_s, holder }, log }) {
    const lease = await store.takeLease({ sha256, id, holder, termMs: term_s * 1_000 });
    log.info({ sha256, lease_id: id, holder, term_s }, 'lease taken');
    return leaseToWire(lease);
  },

  async artifactLeaseDelete({ params: { sha256, id }, log }) {
    await store.returnLease(sha256, id);
    log.info({ sha256, lease_id: id }, 'lease returned');
  },
});

const leaseToWire = ({ sha256, id, holder, termMs, ...lease }: LeaseInForce): ArtifactLease => ({
  sha256,
  id,
  ...(holder !== undefined && { holder }),
  term_s: Math.ceil(termMs / 1_000),
  time_expires: isoTime(lease.timeExpiresMs),
  remaining_s: lease.remainingMs / 1_000,
});

/** Receives the next chunk while one is being written. Resolves with the number of bytes. */
const writeAll = async (writer: ArtifactWriter, chunks: AsyncIterable<Uint8Array>): Promise<number> => {
  let sizeBytes = 0;
  let before: Promise<void> = Promise.resolve();
  for await (const chunk of chunks) {
    await before;
    sizeBytes += chunk.byteLength;
    before = writer.write(chunk);
    // Awaited in the next turn; until then its rejection must not count as unhandled.
    before.catch(() => undefined);
  }
  await before;
  return sizeBytes;
};

/** G6: its ledger may be older than one that it acknowledged, so it lists nothing until it knows. */
const requireCertainty = (store: Pick<ArtifactStore, 'state'>): void => {
  const now = store.state();
  if (now.kind !== 'ready') throw awaitingFloor(now.reason);
};

const noConfig = (): DepotError =>
  new DepotError('NO_ARTIFACT_CONFIG', 'this sled has no config yet; Nexus sends one in its next round');

/** In doubt too: a recovery reads the artifacts of each head. */
const requireConfigAt = (store: Pick<ArtifactStore, 'configAt'>, point: Point): ArtifactConfig => {
  const config = store.configAt(point);
  if (config !== undefined) return config;
  throw new DepotError('NOT_FOUND', `this sled has no config of point ${pointText(point)}`);
};

const configFromWire = ({ generation, artifacts, sizes, succeeds }: ArtifactConfigBody): OfferedConfig => ({
  generation,
  succeeds: succeeds === undefined || succeeds === 'unknown' ? succeeds : pointFromWire(succeeds),
  artifacts: new Map(artifacts.map(hash => [hash, sizes?.[hash]])),
});

const pointFromWire = ({ generation, config_digest }: z.output<typeof WirePoint>): Point => ({
  generation,
  digest: config_digest,
});

const configToWire = ({ generation, artifacts }: ArtifactConfig): ArtifactConfigBody => ({
  generation,
  artifacts: [...artifacts.keys()].sort(),
  sizes: Object.fromEntries(
    [...artifacts].filter(([, size]) => size !== undefined),
  ) as ArtifactConfigBody['sizes'],
});

const listToWire = (
  listing: StoreListing,
  generation: NonNullable<StoreListing['generation']>,
  report: CopyReport,
): z.input<typeof ArtifactListResponse> => ({
  generation,
  list: Object.fromEntries(listing.artifacts),
  config_digest: listing.configDigest,
  lineage: listing.hasLineage,
  points_kept: listing.pointsKept
    .slice(0, MAX_POINTS_KEPT)
    .map(({ generation: kept, digest }) => ({ generation: kept, config_digest: digest })),
  ...(listing.hold !== undefined && {
    deletions_held: { reason: listing.hold.reason, time: isoTime(listing.hold.timeMs) },
  }),
  incarnation_id: listing.incarnationId,
  datasets: listing.datasets,
  dataset_health: listing.datasetHealth.map(datasetToWire),
  copies_in_flight: report.inFlight.map(copy => ({
    sha256: copy.sha256,
    depot_base_url: copy.depotBaseUrl,
    received_bytes: copy.receivedBytes,
    size_bytes: copy.sizeBytes,
    time_started: isoTime(copy.timeMs),
  })),
  copies_completed_total: report.completedTotal,
  copies_failed_total: report.failedTotal,
  copies_failed: report.failed.map(copy => ({
    sha256: copy.sha256,
    depot_base_url: copy.depotBaseUrl,
    error_code: copy.errorCode,
    message: copy.message,
    time: isoTime(copy.timeMs),
  })),
  deletions_total: listing.deletionsTotal,
  deletions: listing.deletions.map(({ timeMs, ...deletion }) => ({ ...deletion, time: isoTime(timeMs) })),
  deletions_deferred: listing.deletionsDeferred.map(({ sha256, reason, leases }) => ({
    sha256,
    reason,
    leases: leases.slice(0, MAX_LISTED_LEASES).map(leaseToWire),
  })),
  leases_total: listing.leasesTotal,
  quarantined: listing.quarantined.map(({ sha256, datasetId, reason, timeMs }) => ({
    sha256,
    dataset_id: datasetId,
    reason,
    time: isoTime(timeMs),
  })),
  ...(listing.scrub !== undefined && { scrub: scrubToWire(listing.scrub) }),
});

const scrubToWire = (scrub: ScrubProgress): WireScrubProgress => ({
  cycle_started: isoTime(scrub.cycleStartedMs),
  cycles_completed: scrub.cyclesCompleted,
  files_done: scrub.filesDone,
  files_total: scrub.filesTotal,
  bytes_done: scrub.bytesDone,
  ...(scrub.lastCompletedMs !== undefined && { last_completed: isoTime(scrub.lastCompletedMs) }),
  ...(scrub.lastBad !== undefined && {
    last_bad: {
      sha256: scrub.lastBad.sha256,
      reason: scrub.lastBad.reason,
      time: isoTime(scrub.lastBad.timeMs),
    },
  }),
});

/** Unknown values are left out. */
export const datasetToWire = (health: DatasetHealth): WireDatasetHealth => ({
  id: health.id ?? null,
  path: health.path,
  state: health.state,
  quota_bytes: health.quotaBytes,
  ...(health.message !== undefined && { message: health.message }),
  ...(health.usedBytes !== undefined && { used_bytes: health.usedBytes }),
  ...(health.freeBytes !== undefined && { free_bytes: health.freeBytes }),
  ...(health.timeLastQuarantinedMs !== undefined && {
    quarantined: health.quarantined,
    time_last_quarantined: isoTime(health.timeLastQuarantinedMs),
  }),
});
