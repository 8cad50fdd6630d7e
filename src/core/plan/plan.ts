/**
 * The plan: a pure function from the wanted set and what the sleds hold to requests and reasons.
 *
 *     wanted, sleds, local archives ─▶ shortfalls (per artifact) ─▶ puts, copies, re-copies ─▶ within limits
 *                                   └▶ local repos that are replicated             └▶ the rest: deferred, blocked
 *
 * {@link planReplication} plans everything, with its reasons: once in a round. {@link nextTransfers} plans what can begin now,
 * each time that a transfer has ended.
 *
 * PL1. A put goes from an archive of this Nexus to one sled that lacks the artifact; the others copy from it. To sleds without
 *      an identity puts go until `minSledReplication` sleds hold it or are receiving it (S5). A further sled receives a put
 *      only after {@link IDLE_BEFORE_PUT_MS} in which it has received nothing, while no source has a place for it.
 * PL2. A copy names a source that confirmed the artifact, or one of PL11: a trusted sled before a distrusted one, then the fewest failures of
 *      this pair, then the least load. Without one it waits until a put has ended (B8).
 * PL3. Nothing is requested that is in flight already (B7), nor before a back-off has passed (P6).
 * PL4. Everything that is not requested has a reason: deferred by a limit, or blocked by a named cause (S12).
 * PL5. The number of transfers under way is bounded: in all, to each sled, from each source, and of puts (S6, B14).
 * PL6. A local repo counts as replicated only if this very config lists its release, or some of its artifacts for other
 *      releases, and `minSledReplication` answering sleds hold all that it lists of them (P1, G4).
 * PL7. A sled without an identity copies only from sleds that have none either: the others serve nobody without one. Where only
 *      those have the artifact it receives a put from an archive, beyond the number of PL1.
 * PL8. A sled that withholds an artifact neither receives nor sends it, and does not hold it.
 * PL9. A source that failed for a sled waits, for this sled alone (B21). Where every source waits, or two have failed for the
 *      artifact, the sled receives a put from an archive, however many sleds claim to hold it; without an archive the plan
 *      names the sources.
 * PL10. A sled that lacks an artifact after transfers failed is named until it has it, also while it receives it once more.
 * PL11. A sled copies from one that still receives the artifact only where no sled that has it is free. That source is neither
 *      distrusted nor late, and its bytes come from a whole copy: through sleds that receive them in time, and never in a circle.
 * PL12. Of the sleds that lack an artifact those that receive the least come first. So half of a fleet passes on one artifact and the
 *      other half another one; a sled whose places are all taken for one cannot pass on the other.
 * PL13. A copy of PL11 that is overdue may be as slow as any sled before it. A whole copy or the archive replaces it, in the places that
 *      are free: a slow sled does not slow those behind it (G8).
 */
import type { Blocked } from '../facts/blocked.ts';
import type { ArtifactHash, SledId } from '../ids.ts';
import { answeringSleds, type LocalRepo } from '../inventory.ts';
import { type Rng, shuffled } from '../rng.ts';
import type { PlanInput, PlanSled, TransferUnderWay } from './input.ts';
import { type LocalRepoVerdict, localRepoVerdicts } from './local-repos.ts';
import {
  type ArtifactPlan,
  type CopyRequest,
  isIdle,
  type PutRequest,
  planArtifact,
} from './plan-artifact.ts';
import { createQuota } from './quota.ts';

export type Plan = {
  readonly puts: readonly PutRequest[];
  readonly copies: readonly CopyRequest[];
  /** Useful requests that exceed a limit. */
  readonly deferred: number;
  /** The end of the earliest back-off of a wanted request. */
  readonly nextAttemptMs: number | undefined;
  readonly blocked: readonly Blocked[];
  /** PL10. */
  readonly retried: readonly Blocked<'TRANSFER_FAILED'>[];
  readonly localRepos: readonly LocalRepoVerdict[];
};

export const planReplication = (input: PlanInput, rng: Rng): Plan => {
  const plans: ArtifactPlan[] = [];
  const planner = artifactPlanner(input, rng);
  const holders = countHolders(answeringSleds(input.sleds));
  for (const [sha256, sizeBytes] of rarestFirst(shuffled(input.wanted.artifacts, rng), holders))
    plans.push(planner.plan(sha256, sizeBytes, { mayRepeat: false, isForNow: false }));
  const attempts = plans.flatMap(({ nextAttemptMs }) => nextAttemptMs ?? []);
  return {
    puts: plans.flatMap(({ puts }) => puts),
    copies: plans.flatMap(({ copies }) => copies),
    deferred: plans.reduce((sum, { deferred }) => sum + deferred, 0),
    nextAttemptMs: attempts.length === 0 ? undefined : Math.min(...attempts),
    blocked: plans.flatMap(({ blocked }) => blocked),
    retried: plans.flatMap(({ retried }) => retried),
    localRepos: localRepoVerdicts(input.wanted, input.sleds, input.local, input.policy.minSledReplication),
  };
};

export type NextTransfers = {
  readonly puts: readonly PutRequest[];
  readonly copies: readonly CopyRequest[];
};

/** What sleds lack. */
export type Shortfall = {
  /** The artifacts, with their lengths, in the order in which they are to be transferred. */
  readonly open: Iterable<readonly [ArtifactHash, number]>;
  readonly isShort: (id: SledId) => boolean;
};

/** What can begin now: the search ends when no sled that lacks anything can receive more. */
export const nextTransfers = (input: PlanInput, { open, isShort }: Shortfall, rng: Rng): NextTransfers => {
  const puts: PutRequest[] = [];
  const copies: CopyRequest[] = [];
  const planner = artifactPlanner(input, rng);
  const search = (mayRepeat: boolean, isMeant: (id: SledId) => boolean): void => {
    for (const [sha256, sizeBytes] of open) {
      if (!planner.hasPlace(isMeant)) break;
      const outcome = planner.plan(sha256, sizeBytes, { mayRepeat, isForNow: true });
      puts.push(...outcome.puts);
      copies.push(...outcome.copies);
    }
  };
  search(false, isShort);
  // What has not left the archive yet goes first, whoever waits for something else (PL1).
  if (planner.mayPut()) search(true, id => isShort(id) && isIdle(id, input));
  return { puts, copies };
};

type ArtifactPlanner = {
  /** What it plans is under way for the next plan. */
  readonly plan: (
    sha256: ArtifactHash,
    sizeBytes: number,
    how: { readonly mayRepeat: boolean; readonly isForNow: boolean },
  ) => ArtifactPlan;
  readonly mayPut: () => boolean;
  /** Whether any of these sleds can receive anything. */
  readonly hasPlace: (isMeant: (id: SledId) => boolean) => boolean;
};

const artifactPlanner = (input: PlanInput, rng: Rng): ArtifactPlanner => {
  const quota = createQuota(input);
  const answering = answeringSleds(input.sleds);
  const silentSleds = input.sleds.length - answering.length;
  const archives = archivesByHash(input.local);
  const underWay = byHash(input.underWay);
  return {
    plan(sha256, sizeBytes, how) {
      const moving = underWay.get(sha256) ?? new Map<SledId, TransferUnderWay>();
      const plan = planArtifact({
        ...{ sha256, sizeBytes, answering, silentSleds, input, quota, rng, ...how },
        archives: archives.get(sha256) ?? [],
        underWay: moving,
      });
      const requests = [
        ...plan.puts.map(put => ({ ...put, source: undefined, arriving: false })),
        ...plan.copies,
      ];
      for (const { target: sledId, source, arriving } of requests)
        moving.set(sledId, { sledId, sha256, source, sizeBytes, arriving, startedMs: input.nowMs });
      if (requests.length > 0) underWay.set(sha256, moving);
      return plan;
    },
    mayPut: quota.mayPut,
    hasPlace: isMeant => answering.some(({ id }) => isMeant(id) && quota.mayReceive(id)),
  };
};

/** The artifacts with the fewest holders first, larger ones before smaller: the tail of a fleet's copy time. */
export const rarestFirst = (
  artifacts: Iterable<readonly [ArtifactHash, number]>,
  holders: ReadonlyMap<ArtifactHash, number>,
): (readonly [ArtifactHash, number])[] =>
  [...artifacts].sort(
    ([a, aSize], [b, bSize]) => (holders.get(a) ?? 0) - (holders.get(b) ?? 0) || bSize - aSize,
  );

const countHolders = (sleds: readonly PlanSled[]): ReadonlyMap<ArtifactHash, number> => {
  const holders = new Map<ArtifactHash, number>();
  for (const { answer } of sleds)
    for (const hash of answer.held.keys()) holders.set(hash, (holders.get(hash) ?? 0) + 1);
  return holders;
};

const archivesByHash = (local: readonly LocalRepo[]): Map<ArtifactHash, LocalRepo[]> => {
  const result = new Map<ArtifactHash, LocalRepo[]>();
  for (const archive of local) {
    for (const hash of archive.artifacts.keys()) {
      const known = result.get(hash);
      if (known === undefined) result.set(hash, [archive]);
      else known.push(archive);
    }
  }
  return result;
};

const byHash = (transfers: readonly TransferUnderWay[]): Map<ArtifactHash, Map<SledId, TransferUnderWay>> => {
  const result = new Map<ArtifactHash, Map<SledId, TransferUnderWay>>();
  for (const transfer of transfers) {
    const known = result.get(transfer.sha256);
    if (known === undefined) result.set(transfer.sha256, new Map([[transfer.sledId, transfer]]));
    else known.set(transfer.sledId, transfer);
  }
  return result;
};
