/**
 * Collect: offers the config to every in-service sled at once and lists each sled's artifacts.
 *
 *     per sled: the listing that it affirms (listing-memory.ts), else
 *               put config ─▶ list ─▶ listing
 *                  └────────────┴──▶ silence, with its reason, or a claim       then: a later read of the database tells
 *                                                                               a sled that is ahead or behind from one
 *                                                                               that diverged
 * CO1. Outcomes are handled one by one; a slow or faulty sled is recorded as giving no answer, never as an error of the
 *      round (G8).
 * CO2. Once half of the sleds have answered, the others have a bounded time left.
 * CO3. A sled is diverged only against a read of the database that began after its answer (P7).
 * CO4. A listing counts at the point of this round's config alone (R1, G4, P13).
 * CO5. `unknown` is said only of a point that the sled has told, by name, and that a later read of the database does not know: a sled
 *      that hears it of the point that it holds may wait for a person afterwards (C5). A process that has just started goes by the point that the sled registered. Where
 *      there is none, the sled may have joined a moment ago, and have a config from another Nexus: the config is then offered as the
 *      successor of itself, which adds nothing to what the sled decides by its own set, and the refusal names its point.
 */
import type { Point, SledId } from '../../core/ids.ts';
import type { SledSilence } from '../../core/inventory.ts';
import {
  isKnownPoint,
  type PointClaim,
  type RecordedPoints,
  samePoint,
  standingOf,
} from '../../core/lineage.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledTarget } from '../../sled-client/sled-connection.ts';
import { askWithoutPoints } from './ask-without-points.ts';
import { offerOf } from './listing-memory.ts';
import { offerConfig, type Succession } from './offer-config.ts';
import {
  type CollectDeps,
  type CollectedSled,
  type Draft,
  kindOfSilence,
  type OfferedRound,
  type RoundConfig,
  silent,
} from './sled-draft.ts';

export const collectSleds = async (
  deps: CollectDeps,
  round: { readonly wanted: RoundConfig; readonly sleds: readonly SledTarget[] },
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<readonly CollectedSled[]> => {
  const wanted = { ...round.wanted, offer: offerOf(round.wanted) };
  const stragglers = new AbortController();
  const began = deps.clock.monotonicMs();
  const registered = await pointsRegistered(deps, round, options);
  let answered = 0;
  const drafts = await Promise.all(
    round.sleds.map(async target => {
      const signal = AbortSignal.any([
        options.signal,
        stragglers.signal,
        deps.clock.timeout(deps.limits.answerTimeoutMs),
      ]);
      const told = registered.get(target.id);
      const draft = await askSled(deps, wanted, target, { log: options.log, signal, told });
      answered += 1;
      if (answered === Math.ceil(round.sleds.length / 2)) {
        const graceMs = Math.max(deps.limits.stragglerGraceMs, deps.clock.monotonicMs() - began);
        hurry(deps.clock, graceMs, stragglers, options.signal);
      }
      return draft;
    }),
  ).finally(() => stragglers.abort());
  options.signal.throwIfAborted();
  return judgeClaims(deps, wanted, drafts, options);
};

/** CO2: ends the wait for the slower half after its grace. */
const hurry = (clock: Clock, graceMs: number, stragglers: AbortController, signal: AbortSignal): void => {
  const stalled = new DepotError(
    'PEER_STALLED',
    `did not answer within ${graceMs} ms after half of the sleds had`,
  );
  clock.sleep(graceMs, { signal: AbortSignal.any([signal, stragglers.signal]) }).then(
    () => stragglers.abort(stalled),
    () => undefined,
  );
};

/** CO5: one read of the database for all of them. */
const pointsRegistered = async (
  deps: CollectDeps,
  { wanted, sleds }: { readonly wanted: RoundConfig; readonly sleds: readonly SledTarget[] },
  { signal }: { readonly signal: AbortSignal },
): Promise<ReadonlyMap<SledId, Succession>> => {
  const heads = new Map<SledId, PointClaim>();
  for (const { id, heads: told } of sleds) {
    const head = told?.find(({ isKept }) => !isKept);
    if (head !== undefined && deps.memory.sled(id).claim === undefined) heads.set(id, head);
  }
  const others = [...heads.values()].filter(head => !samePoint(head, wanted));
  const now = others.length === 0 ? undefined : await deps.pointsRecorded(others, { signal });
  return new Map(
    [...heads].map(([id, head]) => [
      id,
      now === undefined || samePoint(head, wanted) ? { succeeds: head } : succession(head, now.lineage),
    ]),
  );
};

/** It names the point that it calls unknown: the sled may hold another one by now. */
const succession = (claim: PointClaim, lineage: RecordedPoints): Succession =>
  isKnownPoint(claim, lineage) ? { succeeds: claim } : { succeeds: 'unknown', unknownPoint: claim };

const askSled = async (
  deps: CollectDeps,
  round: OfferedRound,
  target: SledTarget,
  {
    told,
    ...options
  }: { readonly log: Logger; readonly signal: AbortSignal; readonly told: Succession | undefined },
): Promise<Draft> => {
  const { silence, claim } = deps.memory.sled(target.id);
  if (silence !== undefined && silence.untilMs > deps.clock.monotonicMs())
    return silent(deps, target, kindOfSilence(silence.code), silence);
  if (target.heads === null) return askWithoutPoints(deps, round, target, options);
  const remembered = claim && succession(claim, round.lineage);
  const itself = { succeeds: { generation: round.generation, digest: round.digest } };
  return offerConfig(deps, round, target, { ...options, ...(remembered ?? told ?? itself) }); // CO5
};

/**
 * CO3: one read of the database, begun after the last claim, decides on all of them. A sled that is behind at a point of
 * this database is offered the config once more, as the successor of that point (P13).
 */
const judgeClaims = async (
  deps: CollectDeps,
  round: OfferedRound,
  drafts: readonly Draft[],
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<readonly CollectedSled[]> => {
  const claims = drafts.flatMap(({ claim }) => claim ?? []);
  if (claims.length === 0) return drafts.map(draft => draft.collected);
  const now = await deps.pointsRecorded(claims, options);
  return Promise.all(
    drafts.map(async ({ collected, claim }) => {
      if (claim === undefined) return collected;
      const standing = standingOf(claim, round, now);
      if (standing === 'conflicting') return diverged(collected, claim, now.current, options.log);
      if (standing !== 'ancestor' || collected.target.heads === null) return collected;
      const signal = AbortSignal.any([options.signal, deps.clock.timeout(deps.limits.answerTimeoutMs)]);
      const again = await offerConfig(deps, round, collected.target, { ...options, signal, succeeds: claim });
      options.signal.throwIfAborted();
      return refusingSuccessor(again.collected);
    }),
  );
};

const refusingSuccessor = (collected: CollectedSled): CollectedSled => {
  const { answer } = collected;
  return answer.kind === 'ahead' && answer.refusal !== undefined
    ? { ...collected, answer: { ...answer, refusesSuccessor: true } }
    : collected;
};

const diverged = (collected: CollectedSled, claim: PointClaim, now: Point, log: Logger): CollectedSled => {
  log.error({ sled_id: collected.id, claim, database: now }, 'sled has diverged from the database');
  const { generation, digest } = claim;
  const answer = {
    kind: 'diverged' as const,
    claim: { generation, digest },
    database: now,
    takesConfigs: collected.target.heads !== null,
    sinceMs: (collected.answer as SledSilence).sinceMs,
  };
  return { ...collected, answer, claim };
};
