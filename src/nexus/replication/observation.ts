/** The observation of the last round of replication, from which every status is derived. */
import type { ReleaseState } from '../../core/facts/event.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import { type ElsewhereHeld, fleetReasons, releaseState, sledReasons } from '../../core/health.ts';
import type { ArtifactHash, Generation, UploadId } from '../../core/ids.ts';
import { type Pace, paceAfter } from '../../core/pace.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { type ReleaseProgress, releaseProgress } from '../../core/progress.ts';
import type { PresentRelease, WantedSet } from '../datastore/ports/wanted-set-port.ts';
import type { LostPoint } from '../sleds/lost-points.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { listReasons } from './list-reasons.ts';
import { openSledReasons, withheldReasons } from './withheld.ts';

export type ObservedRelease = {
  readonly progress: ReleaseProgress;
  readonly state: ReleaseState;
  readonly reasons: readonly HealthReason[];
  readonly artifacts: ReadonlySet<ArtifactHash>;
  readonly bundle: PresentRelease['bundle'];
  readonly pace: Pace;
};

export type Observation = {
  readonly timeMs: number;
  readonly generation: Generation;
  readonly wanted: WantedSet;
  readonly minSledReplication: number;
  readonly sleds: readonly CollectedSled[];
  /** Points of other histories on sleds. */
  readonly lost: readonly LostPoint[];
  readonly plan: Plan;
  /** Transfers that began since the round before. */
  readonly begun: number;
  readonly releases: readonly ObservedRelease[];
  /** Of the sleds and the fleet; those of a release are with it. */
  readonly reasons: readonly HealthReason[];
  /** Held by this Nexus after the round, and how many of them are not yet safe on sleds. */
  readonly localRepos: { readonly held: number; readonly notSafe: number };
};

type SeenInRound = Pick<
  Observation,
  'timeMs' | 'wanted' | 'minSledReplication' | 'sleds' | 'lost' | 'plan' | 'begun'
> & {
  /** The clock of pauses. */
  readonly monotonicMs: number;
  readonly elsewhere: ElsewhereHeld;
  readonly dropped: ReadonlySet<UploadId>;
  /** Archives that could go, and stay. */
  readonly kept: readonly HealthReason[];
  readonly distrusted: readonly HealthReason[];
};

/** @param before that of the round before */
export const foldObservation = (seen: SeenInRound, before: Observation | undefined): Observation => {
  const { wanted, sleds, plan, minSledReplication, monotonicMs } = seen;
  const paces = new Map(before?.releases.map(({ progress, pace }) => [progress.systemVersion, pace]));
  const releases = wanted.releases.map(release => {
    const progress = releaseProgress(release, wanted, sleds, minSledReplication);
    const { state, reasons } = releaseState(progress, release.artifacts, plan.blocked, seen.elsewhere);
    return {
      progress,
      state,
      reasons: [...reasons, ...withheldReasons(release, sleds)],
      artifacts: release.artifacts,
      bundle: release.bundle,
      pace: paceAfter(
        paces.get(progress.systemVersion) ?? [],
        { monotonicMs, bytesHeld: progress.bytesHeld },
        progress.bytesWanted,
      ),
    };
  });
  const kept = plan.localRepos.filter(verdict => !seen.dropped.has(verdict.uploadId));
  return {
    timeMs: seen.timeMs,
    generation: wanted.generation,
    wanted,
    minSledReplication,
    sleds,
    lost: seen.lost,
    plan,
    begun: seen.begun,
    releases,
    reasons: [
      ...fleetReasons(wanted, sleds, minSledReplication),
      ...sledReasons(sleds, [...plan.blocked, ...plan.retried], monotonicMs),
      ...seen.distrusted,
      ...seen.kept,
      ...openSledReasons(sleds),
      ...sleds.flatMap(sled => listReasons(sled, wanted.artifacts)),
    ],
    localRepos: { held: kept.length, notSafe: kept.filter(verdict => verdict.kind === 'not_safe').length },
  };
};

export type ReplicationObserver = {
  /** Undefined until the first round is over. */
  readonly latest: () => Observation | undefined;
  readonly record: (observation: Observation) => void;
  /** Of this process: releases that became complete, and that were found to have failed (S10). */
  readonly totals: () => { readonly replicated: number; readonly failed: number };
  /** The last round that requested something; the process's start before that. */
  readonly timeLastPlannedMs: () => number | undefined;
};

export const createObserver = (): ReplicationObserver => {
  let latest: Observation | undefined;
  let timeLastPlannedMs: number | undefined;
  const totals = { replicated: 0, failed: 0 };
  return {
    latest: () => latest,
    record(observation) {
      const before = new Map(
        latest?.releases.map(release => [release.progress.systemVersion, release.state]),
      );
      for (const { progress, state } of observation.releases) {
        if (before.get(progress.systemVersion) === state) continue;
        if (state === 'complete') totals.replicated += 1;
        if (state === 'failed') totals.failed += 1;
      }
      if (observation.begun > 0) timeLastPlannedMs = observation.timeMs;
      latest = observation;
    },
    totals: () => ({ ...totals }),
    timeLastPlannedMs: () => timeLastPlannedMs,
  };
};
