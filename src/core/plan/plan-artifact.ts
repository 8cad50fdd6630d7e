/** The plan for one artifact: its puts, its copies with their sources, and why other sleds have to wait. */
import { type Blocked, MAX_NAMED_SOURCES } from '../facts/blocked.ts';
import type { ArtifactHash, SledId, UploadId } from '../ids.ts';
import type { LocalRepo } from '../inventory.ts';
import { type Rng, shuffled } from '../rng.ts';
import { type Backoff, type PlanInput, type PlanSled, pairKey } from './input.ts';
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
  readonly retried: Blocked<'TRANSFER_FAILED'>[];
  deferred: number;
  nextAttemptMs: number | undefined;
};

export const planArtifact = (context: ArtifactContext): ArtifactPlan => {
  const { sha256, sending, input } = context;
  const withholding = context.answering.filter(sled => sled.answer.withheld?.has(sha256) === true);
  const answering = context.answering.filter(sled => !withholding.includes(sled)); // PL8
  const plan: ArtifactPlan = {
    puts: [],
    copies: [],
    blocked: [],
    retried: [],
    deferred: 0,
    nextAttemptMs: undefined,
  };

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
    const putTargets = [...targets].filter(
      id => mayServe(requireSled(answering, id), sled) && pauseOf(sled, id, context) === undefined,
    );
    const usable = sources.filter(source => pauseOf(sled, source.id, context) === undefined);
    if (needsArchive(sled, sources, usable, context)) planFromArchive(sled, context, plan);
    else if (usable.length > 0 || putTargets.length > 0)
      planCopy(sled, usable, new Set(putTargets), context, plan);
    else if (sources.length > 0) waitForSources(sled, sources, context, plan);
    else if (isCutOff(sled, holders, targets)) planFromArchive(sled, context, plan);
    else if (context.archives.length > 0) plan.deferred += 1;
  }
  plan.retried.push(...retriedAt(answering, context, plan));
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

/** A source that failed for this sled, for as long as the sled does not copy the artifact from there. */
const pauseOf = (sled: PlanSled, source: SledId, { sha256, input }: ArtifactContext): Backoff | undefined => {
  const route = input.routes.get(sled.id)?.get(source);
  return [route?.artifacts.get(sha256), route].find(
    pause => pause !== undefined && pause.untilMs > input.nowMs,
  );
};

const failuresOf = (sled: PlanSled, source: SledId, { sha256, input }: ArtifactContext): number =>
  input.routes.get(sled.id)?.get(source)?.artifacts.get(sha256)?.failures ?? 0;

/** PL10: sleds that lack it after copies failed, and are sent it all the same. */
const retriedAt = (
  answering: readonly PlanSled[],
  { sha256, input }: ArtifactContext,
  { blocked }: ArtifactPlan,
): Blocked<'TRANSFER_FAILED'>[] =>
  answering.flatMap(sled => {
    if (copiesOn(sled, sha256) >= sled.answer.datasets) return [];
    const routes = [...(input.routes.get(sled.id)?.values() ?? [])];
    const failures = routes.flatMap(({ artifacts }) => artifacts.get(sha256) ?? []);
    const [last] = failures.toSorted((a, b) => b.untilMs - a.untilMs);
    const isNamed = blocked.some(each => 'sledId' in each && each.sledId === sled.id);
    if (last === undefined || isNamed) return [];
    const { id: sledId, serial } = sled;
    return [{ code: 'TRANSFER_FAILED', sha256, sledId, serial, error: last.because }];
  });

/** PL9: every source waits, or two of them have failed: however many sleds claim to hold it, the archive has it. */
const needsArchive = (
  sled: PlanSled,
  sources: readonly PlanSled[],
  usable: readonly PlanSled[],
  context: ArtifactContext,
): boolean =>
  context.archives.length > 0 &&
  sources.length > 0 &&
  (usable.length === 0 || sources.filter(({ id }) => failuresOf(sled, id, context) > 0).length >= 2);

/** PL9: with the names of the sources, and the earliest time at which one of them is tried again. */
const waitForSources = (
  sled: PlanSled,
  sources: readonly PlanSled[],
  context: ArtifactContext,
  plan: ArtifactPlan,
): void => {
  const pauses = sources.flatMap(({ id }) => pauseOf(sled, id, context) ?? []);
  const [next] = pauses.toSorted((a, b) => a.untilMs - b.untilMs);
  plan.blocked.push({
    code: 'TRANSFER_FAILED',
    sha256: context.sha256,
    sledId: sled.id,
    serial: sled.serial,
    error: next?.because ?? 'waiting before the next attempt',
    sources: sources.slice(0, MAX_NAMED_SOURCES).map(({ serial }) => serial),
  });
  plan.nextAttemptMs = Math.min(
    plan.nextAttemptMs ?? Number.POSITIVE_INFINITY,
    next?.untilMs ?? context.input.nowMs,
  );
};

/** PL7, PL9: from the archive, as long as there is one. */
const planFromArchive = (
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
  context: ArtifactContext,
  plan: ArtifactPlan,
): void => {
  const { sha256, sizeBytes, quota } = context;
  const others = holders.filter(holder => holder.id !== sled.id);
  const trusted = others.filter(holder => holder.isDistrusted !== true);
  // If only this sled has it, it fetches from its own depot: the good dataset feeds the other one.
  const confirmed = [trusted, others, holders].find(candidates => candidates.length > 0) ?? [];
  const sources = leastFailed(
    confirmed.map(source => source.id),
    source => failuresOf(sled, source, context),
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
  } else plan.deferred += 1;
};

/** A sled that cannot copy from one source may succeed with another: each is tried before any is retried. */
const leastFailed = (sources: readonly SledId[], failures: (source: SledId) => number): readonly SledId[] => {
  const least = Math.min(...sources.map(failures));
  return sources.filter(id => failures(id) === least);
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
