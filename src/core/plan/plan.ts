/**
 * The plan of one round: a pure function from the wanted set and the listings of the sleds to requests and reasons.
 *
 *     wanted, sleds, local archives ─▶ shortfalls (per artifact) ─▶ puts, copies, re-copies ─▶ within limits
 *                                   └▶ local repos that are replicated             └▶ the rest: deferred, blocked
 *
 * PL1. A put goes to a sled that lacks the artifact, from an archive of this Nexus, while fewer than `minSledReplication`
 *      sleds hold it or are receiving it (S5, S7).
 * PL2. A copy names a source that confirmed the artifact in this round: a trusted sled before a distrusted one, then the
 *      fewest failures of this pair, then the least load. Without one it waits for a put of this plan and uses a target
 *      whose put succeeded (B8).
 * PL3. Nothing is requested that is in flight already (B7), nor before a back-off has passed (P6).
 * PL4. Everything that is not requested has a reason: deferred by a limit, or blocked by a named cause (S12).
 * PL5. The number of requests is bounded: in all, to each sled and from each source (S6, B14).
 * PL6. A local repo counts as replicated only if this very config lists its release, or some of its artifacts for other
 *      releases, and `minSledReplication` answering sleds hold all that it lists of them (P1, G4).
 * PL7. A sled without an identity copies only from sleds that have none either: the others serve nobody without one. Where only
 *      those have the artifact it receives a put from an archive, beyond the number of PL1.
 * PL8. A sled that withholds an artifact neither receives nor sends it, and does not hold it.
 * PL9. A source that failed for a sled waits, for this sled alone (B21). Where every source waits, or two have failed for the
 *      artifact, the sled receives a put from an archive, however many sleds claim to hold it; without an archive the plan
 *      names the sources.
 * PL10. A sled that lacks an artifact after copies failed is named until it has it, also while it copies from another source.
 */
import type { Blocked } from '../facts/blocked.ts';
import type { ArtifactHash, SledId } from '../ids.ts';
import { answeringSleds, isListing, type LocalRepo, type Wanted } from '../inventory.ts';
import { type Rng, shuffled } from '../rng.ts';
import type { Pair, PlanInput, PlanSled } from './input.ts';
import { type LocalRepoVerdict, localRepoVerdicts } from './local-repos.ts';
import { type CopyRequest, type PutRequest, planArtifact } from './plan-artifact.ts';
import { createQuota } from './quota.ts';

export type Plan = {
  readonly puts: readonly PutRequest[];
  /** From a confirmed source, or after a put of this plan. */
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
  const quota = createQuota(input.policy.limits, input.sleds, input.putsInFlight);
  const answering = answeringSleds(input.sleds);
  const silent = input.sleds.filter(sled => !isListing(sled.answer));
  const archives = archivesByHash(input.local);
  const sending = sendingByHash(input.putsInFlight);

  const puts: PutRequest[] = [];
  const copies: CopyRequest[] = [];
  const blocked: Blocked[] = [];
  const retried: Plan['retried'][number][] = [];
  let deferred = 0;
  let nextAttemptMs: number | undefined;

  for (const [sha256, sizeBytes] of rarestFirst(input.wanted, answering, rng)) {
    const outcome = planArtifact({
      sha256,
      sizeBytes,
      answering,
      silentSleds: silent.length,
      archives: archives.get(sha256) ?? [],
      sending: sending.get(sha256) ?? NOBODY,
      input,
      quota,
      rng,
    });
    puts.push(...outcome.puts);
    copies.push(...outcome.copies);
    blocked.push(...outcome.blocked);
    retried.push(...outcome.retried);
    deferred += outcome.deferred;
    if (outcome.nextAttemptMs !== undefined) {
      nextAttemptMs = Math.min(nextAttemptMs ?? Number.POSITIVE_INFINITY, outcome.nextAttemptMs);
    }
  }
  return {
    puts: firstPutsFirst(puts),
    copies,
    deferred,
    nextAttemptMs,
    blocked,
    retried,
    localRepos: localRepoVerdicts(input.wanted, input.sleds, input.local, input.policy.minSledReplication),
  };
};

const NOBODY: ReadonlySet<SledId> = new Set();

/** The artifacts with the fewest copies first, larger ones before smaller: the tail of a fleet's copy time. */
const rarestFirst = (wanted: Wanted, answering: readonly PlanSled[], rng: Rng): [ArtifactHash, number][] => {
  const holders = new Map<ArtifactHash, number>();
  for (const sled of answering) {
    for (const hash of sled.answer.held.keys()) holders.set(hash, (holders.get(hash) ?? 0) + 1);
  }
  return shuffled(wanted.artifacts, rng).sort(
    ([a, aSize], [b, bSize]) => (holders.get(a) ?? 0) - (holders.get(b) ?? 0) || bSize - aSize,
  );
};

/** Every artifact is put once before any is put twice: peers can copy from then on. */
const firstPutsFirst = (puts: readonly PutRequest[]): PutRequest[] => {
  const nth = new Map<ArtifactHash, number>();
  return puts
    .map(put => {
      const order = nth.get(put.sha256) ?? 0;
      nth.set(put.sha256, order + 1);
      return { put, order };
    })
    .sort((a, b) => a.order - b.order)
    .map(({ put }) => put);
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

const sendingByHash = (pairs: readonly Pair[]): Map<ArtifactHash, Set<SledId>> => {
  const result = new Map<ArtifactHash, Set<SledId>>();
  for (const { sledId, sha256 } of pairs) {
    const sleds = result.get(sha256);
    if (sleds === undefined) result.set(sha256, new Set([sledId]));
    else sleds.add(sledId);
  }
  return result;
};
