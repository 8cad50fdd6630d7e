/** How far a release is, on the wire: folded from the last observation (architecture, ⑦). */
import type { ReleaseReplication, SledReplication } from '../../api/operator-fleet-api.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import { nameReasons } from '../../core/named-reasons.ts';
import { type Completion, completionOf } from '../../core/pace.ts';
import type { SledProgress } from '../../core/progress.ts';
import { isoTime } from '../../lib/clock.ts';
import type { Outage } from '../datastore/database-watch.ts';
import type { RecordedBundle } from '../datastore/ports/release-port.ts';
import type { Observation, ObservedRelease } from '../replication/observation.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { reasonView } from './reasons.ts';

/** Without its sleds, and with the reasons of the release itself alone. */
export const releaseSummary = (
  { minSledReplication, timeMs }: Observation,
  { progress, state, reasons, bundle, pace }: ObservedRelease,
): Omit<ReleaseReplication, 'sleds'> => ({
  system_version: progress.systemVersion,
  state,
  safe: progress.safe,
  complete: progress.complete,
  min_sled_replication: minSledReplication,
  sleds_in_service: progress.sleds.length,
  sleds_holding_all: progress.sledsHoldingAll,
  artifacts: progress.artifacts,
  copies_wanted: progress.copiesWanted,
  copies_held: progress.copiesHeld,
  bytes_wanted: progress.bytesWanted,
  bytes_held: progress.bytesHeld,
  ...completionView(completionOf(pace, progress.bytesWanted)),
  ...(bundle !== undefined && { bundle: bundleView(bundle) }),
  reasons: nameReasons(reasons, MOST_OF_A_RELEASE).named.map(reasonView),
  time_observed: isoTime(timeMs),
});

const completionView = (completion: Completion | undefined) =>
  completion && {
    bytes_per_s: Math.round(completion.bytesPerS),
    remaining_s: Math.ceil(completion.remainingMs / 1_000),
  };

/** Beside those of the fleet, for each of its releases. */
const MOST_OF_A_RELEASE = 4;

export const releaseView = (observation: Observation, release: ObservedRelease): ReleaseReplication => {
  const { progress, reasons } = release;
  const sleds = new Map(observation.sleds.map(sled => [sled.id, sled]));
  // What holds a release up is often a sled: its reasons are the release's as long as it is not complete.
  const { named, totals } = nameReasons([...reasons, ...(progress.complete ? [] : observation.reasons)]);
  return {
    ...releaseSummary(observation, release),
    sleds: progress.sleds.map(sled => sledReplicationView(sled, sleds.get(sled.sledId))),
    reasons: named.map(reasonView),
    reason_totals: [...totals],
  };
};

/** With the bundle as it is recorded: of an upload a moment ago the last observation knows nothing. */
export const withBundle = (
  { bundle: _observed, ...view }: ReleaseReplication,
  bundle: RecordedBundle | undefined,
): ReleaseReplication => ({ ...view, ...(bundle !== undefined && { bundle: bundleView(bundle) }) });

const bundleView = ({ sha256, kind, isExempted }: RecordedBundle) => ({ sha256, kind, exempted: isExempted });

/** While the database is away: what this Nexus saw last, with the reason why nothing newer is known. */
export const lastKnownReleaseView = (
  observation: Observation,
  release: ObservedRelease,
  outage: Outage | undefined,
): ReleaseReplication => {
  const view = releaseView(observation, release);
  if (outage === undefined) return view;
  const reason: HealthReason = {
    code: 'DATABASE_UNAVAILABLE',
    because: 'no_answer_for_release',
    error: outage.message,
    observedMs: observation.timeMs,
    sinceMs: outage.sinceMs,
  };
  return { ...view, reasons: [reasonView(reason), ...view.reasons] };
};

/** A release that is recorded, but that no round of this Nexus has seen yet. */
export const unseenReleaseView = (
  systemVersion: string,
  artifacts: number,
  totalSizeBytes: number,
  minSledReplication: number,
): ReleaseReplication => ({
  system_version: systemVersion,
  state: 'replicating',
  safe: false,
  complete: false,
  min_sled_replication: minSledReplication,
  sleds_in_service: 0,
  sleds_holding_all: 0,
  artifacts,
  copies_wanted: 0,
  copies_held: 0,
  bytes_wanted: totalSizeBytes,
  bytes_held: 0,
  sleds: [],
  reasons: [reasonView({ code: 'NOT_YET_LOOKED', because: 'release_recorded', systemVersion })],
});

/**
 * A release that failed in the last round, and whose archive a Nexus has by now: the remedy was followed, and the status does
 * not advise it again.
 */
export const uploadedSince = (failed: ReleaseReplication): ReleaseReplication => ({
  ...failed,
  state: 'replicating',
  reasons: [
    reasonView({
      code: 'NOT_YET_LOOKED',
      because: 'archive_uploaded',
      systemVersion: failed.system_version,
    }),
  ],
});

export const sledReplicationView = (
  progress: SledProgress,
  sled: CollectedSled | undefined,
): SledReplication => ({
  sled_id: progress.sledId,
  serial: sled?.serial ?? '',
  state: stateOf(sled),
  artifacts_wanted: progress.artifactsWanted,
  artifacts_held: progress.artifactsHeld,
  artifacts_held_fully: progress.artifactsHeldFully,
  bytes_wanted: progress.bytesWanted,
  bytes_held: progress.bytesHeld,
});

const stateOf = (sled: CollectedSled | undefined): SledReplication['state'] => {
  if (sled === undefined) return 'not_yet_asked';
  switch (sled.answer.kind) {
    case 'ok':
      return sled.writesPausedUntilMs === undefined ? 'ok' : 'busy';
    case 'ahead':
    case 'refused':
      return 'refused';
    case 'unreachable':
    case 'bad_answer':
    case 'other_identity':
    case 'diverged':
      return sled.answer.kind;
    default:
      return sled.answer satisfies never;
  }
};
