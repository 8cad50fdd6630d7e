/** The plan for one artifact: its puts, its copies with their sources, and why other sleds have to wait. */
import type { Blocked } from '../facts/blocked.ts';
import type { ArtifactHash, SledId, UploadId } from '../ids.ts';
import type { LocalRepo } from '../inventory.ts';
import { type Rng, shuffled } from '../rng.ts';
import { type PlanInput, type PlanSled, pairKey } from './input.ts';
import type { Quota } from './quota.ts';

export type PutRequest = {
  readonly kind: 'put';
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  readonly target: SledId;
  readonly uploadId: UploadId;
};

export type CopyRequest = {
  readonly kind: 'copy';
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  readonly target: SledId;
  /** A sled that confirmed the artifact; `after_put`: a target of a put in this plan whose put succeeds. */
  readonly source: { readonly kind: 'sled' | 'after_put'; readonly sledId: SledId };
  /** The target holds it on fewer datasets than it has. */
  readonly recopy: boolean;
};

type ArtifactContext = {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  readonly answering: readonly PlanSled[];
  readonly silentSleds: number;
  readonly archives: readonly LocalRepo[];
  readonly sending: ReadonlySet<SledId>;
  readonly input: PlanInput;
  readonly quota: Quota;
  readonly rng: Rng;
};

type ArtifactPlan = {
  readonly puts: PutRequest[];
  readonly copies: CopyRequest[];
  readonly blocked: Blocked[];
  deferred: number;
  nextAttemptMs: number | undefined;
};

export const planArtifact = (context: ArtifactContext): ArtifactPlan => {
  const { sha256, sending, input } = context;
  const withholding = context.answering.filter(sled => sled.answer.withheld?.has(sha256) === true);
  const answering = context.answering.filter(sled => !withholding.includes(sled)); // PL8
  const plan: ArtifactPlan = { puts: [], copies: [], blocked: [], deferred: 0, nextAttemptMs: undefined };

  // In random order, or a failing source would be the first choice of every later round too.
  const holders = shuffled(
    answering.filter(sled => copiesOn(sled, sha256) > 0),
    context.rng,
  );
  const coming = answering.filter(sled => copiesOn(sled, sha256) === 0 && isComing(sled, context));
  const short = answering.filter(
    sled => copiesOn(sled, sha256) < sled.answer.datasets && !isComing(sled, context),
  );
  const ready = shuffled(short, context.rng).filter(sled => mayWrite(sled, context, plan));
  const missing = ready.filter(sled => copiesOn(sled, sha256) === 0);

  // A copy in flight counts while a reachable sled can be its source: the claim of one sled must
  // not keep the artifact from all the others (G8).
  const expected = holders.length > 0 ? coming.length : coming.filter(sled => sending.has(sled.id)).length;
  const targets = planPuts(
    missing,
    input.policy.minSledReplication - holders.length - expected,
    context,
    plan,
  );
  for (const sled of ready) {
    if (targets.has(sled.id)) continue;
    const sources = holders.filter(holder => mayServe(holder, sled));
    const putTargets = [...targets].filter(id => mayServe(requireSled(answering, id), sled));
    if (sources.length > 0 || putTargets.length > 0 || !isCutOff(sled, holders, targets))
      planCopy(sled, sources, new Set(putTargets), context, plan);
    else planWithoutSource(sled, context, plan);
  }
  if (withholding.length > 0)
    plan.blocked.push({ code: 'ARTIFACT_WITHHELD', sha256, withholdingSleds: withholding.length });
  const nobodyHasIt = holders.length === 0 && targets.size === 0 && sending.size === 0 && coming.length === 0;
  // A sled that withholds it may have its bytes.
  if (nobodyHasIt && missing.length > 0 && context.archives.length === 0 && withholding.length === 0)
    plan.blocked.push(noKnownCopy(context));
  return plan;
};

const copiesOn = (sled: PlanSled, sha256: ArtifactHash): number => sled.answer.held.get(sha256) ?? 0;

const isComing = (sled: PlanSled, { sha256, sending }: ArtifactContext): boolean =>
  sled.answer.copiesInFlight.has(sha256) || sending.has(sled.id);

/** PL3: false, with the reason and the time in the plan, while a back-off lasts. */
const mayWrite = (sled: PlanSled, { sha256, input }: ArtifactContext, plan: ArtifactPlan): boolean => {
  const pair = input.backoff.get(pairKey(sled.id, sha256));
  const pauses = [
    {
      untilMs: sled.writesPausedUntilMs,
      because: sled.writesPausedBecause,
      code: 'SLED_WRITES_PAUSED' as const,
    },
    { untilMs: pair?.untilMs, because: pair?.because, code: 'TRANSFER_FAILED' as const },
  ];
  for (const { untilMs, because, code } of pauses) {
    if (untilMs === undefined || untilMs <= input.nowMs) continue;
    plan.blocked.push({
      sha256,
      code,
      sledId: sled.id,
      serial: sled.serial,
      error: because ?? 'waiting before the next attempt',
    });
    plan.nextAttemptMs = Math.min(plan.nextAttemptMs ?? Number.POSITIVE_INFINITY, untilMs);
    return false;
  }
  return true;
};

/** PL1: at most `wanted` puts, to the least loaded sleds; returns their targets. */
const planPuts = (
  missing: readonly PlanSled[],
  wanted: number,
  { sha256, sizeBytes, archives, quota }: ArtifactContext,
  plan: ArtifactPlan,
): Set<SledId> => {
  const targets = new Set<SledId>();
  const archive = archives[0];
  if (archive === undefined || wanted <= 0) return targets;
  const byLoad = missing.toSorted((a, b) => quota.incoming(a.id) - quota.incoming(b.id));
  for (const sled of byLoad.slice(0, wanted)) {
    if (!quota.take(sled.id)) break;
    targets.add(sled.id);
    plan.puts.push({ kind: 'put', sha256, sizeBytes, target: sled.id, uploadId: archive.uploadId });
  }
  return targets;
};

const requireSled = (sleds: readonly PlanSled[], id: SledId): PlanSled => {
  const sled = sleds.find(each => each.id === id);
  if (sled === undefined) throw new Error(`sled ${id} answers`);
  return sled;
};

/** A sled without an identity reads from no depot that asks for one; it serves everybody, itself too. */
const mayServe = (source: PlanSled, target: PlanSled): boolean =>
  target.isPlain !== true || source.isPlain === true;

/** Others have the artifact, or receive it in this round, and it can copy from none of them. */
const isCutOff = (sled: PlanSled, holders: readonly PlanSled[], putTargets: ReadonlySet<SledId>): boolean =>
  sled.isPlain === true && (holders.length > 0 || putTargets.size > 0);

/** PL7: from the archive, as long as there is one. */
const planWithoutSource = (
  sled: PlanSled,
  { sha256, sizeBytes, archives: [archive], quota }: ArtifactContext,
  plan: ArtifactPlan,
): void => {
  const { id: sledId, serial } = sled;
  if (archive === undefined) plan.blocked.push({ code: 'NO_PLAIN_SOURCE', sha256, sledId, serial });
  else if (quota.take(sledId))
    plan.puts.push({ kind: 'put', sha256, sizeBytes, target: sledId, uploadId: archive.uploadId });
  else plan.deferred += 1;
};

/** PL2: from one of the least loaded holders, or after a put of this plan. */
const planCopy = (
  sled: PlanSled,
  holders: readonly PlanSled[],
  putTargets: ReadonlySet<SledId>,
  { sha256, sizeBytes, quota, archives, input }: ArtifactContext,
  plan: ArtifactPlan,
): void => {
  const others = holders.filter(holder => holder.id !== sled.id);
  const trusted = others.filter(holder => holder.isDistrusted !== true);
  // If only this sled has it, it fetches from its own depot: the good dataset feeds the other one.
  const confirmed = [trusted, others, holders].find(candidates => candidates.length > 0) ?? [];
  const { failedSources } = input.backoff.get(pairKey(sled.id, sha256)) ?? {};
  const sources = leastFailed(
    confirmed.map(source => source.id),
    failedSources,
  );
  const kind = sources.length > 0 ? 'sled' : 'after_put';
  const source = leastLoaded(sources.length > 0 ? sources : putTargets, quota);
  if (source !== undefined && quota.take(sled.id, source)) {
    const recopy = copiesOn(sled, sha256) > 0;
    plan.copies.push({
      kind: 'copy',
      sha256,
      sizeBytes,
      target: sled.id,
      source: { kind, sledId: source },
      recopy,
    });
  } else if (source !== undefined || archives.length > 0) plan.deferred += 1;
};

/** A sled that cannot copy from one source may succeed with another: each is tried before any is retried. */
const leastFailed = (
  sources: readonly SledId[],
  failed: ReadonlyMap<SledId, number> = new Map(),
): readonly SledId[] => {
  const least = Math.min(...sources.map(id => failed.get(id) ?? 0));
  return sources.filter(id => (failed.get(id) ?? 0) === least);
};

const leastLoaded = (sources: Iterable<SledId>, quota: Quota): SledId | undefined => {
  let best: SledId | undefined;
  for (const id of sources) if (best === undefined || quota.outgoing(id) < quota.outgoing(best)) best = id;
  return best;
};

const noKnownCopy = ({ sha256, silentSleds }: ArtifactContext): Blocked =>
  silentSleds > 0
    ? { code: 'NO_KNOWN_COPY_SLEDS_SILENT', sha256, silentSleds }
    : { code: 'NO_KNOWN_COPY', sha256 };
