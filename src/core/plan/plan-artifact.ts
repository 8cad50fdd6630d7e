/** The plan for one artifact: its puts, its copies with their sources, and why other sleds have to wait. */
import { type Blocked, MAX_NAMED_SOURCES } from '../facts/blocked.ts';
import type { ArtifactHash, SledId, UploadId } from '../ids.ts';
import type { LocalRepo } from '../inventory.ts';
import { type Rng, shuffled } from '../rng.ts';
import { type ArrivingSource, arrivingSources } from './arriving.ts';
import { failedSources, failuresOf, pauseOf, retriedIn } from './failed-routes.ts';
import { type PlanInput, type PlanSled, pairKey, type TransferUnderWay } from './input.ts';
import { isOverdue, type Quota } from './quota.ts';

/** The archive serves a sled that copies could serve only after it has received nothing for so long (PL1). */
export const IDLE_BEFORE_PUT_MS = 1_000;

/** After so many failures a sled waits for a source that has all of the artifact (PL11). */
const MAX_FAILED_ARRIVING = 2;

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
  /** A sled that confirmed the artifact, or one that still receives it. */
  readonly source: SledId;
  /** The source still receives it (PL11). */
  readonly arriving: boolean;
  /** The target holds it on fewer datasets than it has. */
  readonly recopy: boolean;
};

type ArtifactContext = {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  readonly answering: readonly PlanSled[];
  readonly silentSleds: number;
  readonly archives: readonly LocalRepo[];
  /** Transfers of this artifact, by their target. */
  readonly underWay: ReadonlyMap<SledId, TransferUnderWay>;
  /** Whether an archive may send what it has sent already, to an idle sled (PL1). */
  readonly mayRepeat: boolean;
  /** Only what can begin now is planned: no reasons, and nothing of sleds that can receive nothing more. */
  readonly isForNow: boolean;
  readonly input: PlanInput;
  readonly quota: Quota;
  readonly rng: Rng;
};

export type ArtifactPlan = {
  readonly puts: PutRequest[];
  readonly copies: CopyRequest[];
  readonly blocked: Blocked[];
  readonly retried: Blocked<'TRANSFER_FAILED'>[];
  deferred: number;
  nextAttemptMs: number | undefined;
};

export const planArtifact = (context: ArtifactContext): ArtifactPlan => {
  const { sha256, underWay } = context;
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
  const lacking = answering.filter(sled => copiesOn(sled, sha256) < sled.answer.datasets);
  if (lacking.length > 0) planLacking(lacking, answering, context, plan);
  if (withholding.length > 0)
    plan.blocked.push({ code: 'ARTIFACT_WITHHELD', sha256, withholdingSleds: withholding.length });
  const isAnywhere =
    plan.puts.length > 0 ||
    underWay.size > 0 ||
    context.archives.length > 0 ||
    // A sled that withholds it may have its bytes.
    withholding.length > 0 ||
    answering.some(sled => copiesOn(sled, sha256) > 0 || sled.answer.copiesInFlight.has(sha256));
  const isMissed = lacking.some(sled => mayWrite(sled, context) === undefined);
  if (!isAnywhere && isMissed) plan.blocked.push(noKnownCopy(context));
  return plan;
};

const planLacking = (
  lacking: readonly PlanSled[],
  answering: readonly PlanSled[],
  context: ArtifactContext,
  plan: ArtifactPlan,
): void => {
  const { sha256, rng, quota, isForNow } = context;
  const coming = lacking.filter(sled => copiesOn(sled, sha256) === 0 && isComing(sled, context));
  // PL12
  const ready = shuffled(
    lacking.filter(sled => !isComing(sled, context) && (!isForNow || quota.mayReceive(sled.id))),
    rng,
  )
    .filter(sled => isReady(sled, context, plan))
    .sort((a, b) => quota.incoming(a.id) - quota.incoming(b.id));
  if (isForNow && ready.length === 0) return;
  // In random order, or a failing source would be the first choice of every later plan too.
  const holders = shuffled(
    answering.filter(sled => copiesOn(sled, sha256) > 0),
    rng,
  );
  const copies = planFirstPuts(
    ready.filter(sled => copiesOn(sled, sha256) === 0),
    { holders, coming },
    context,
    plan,
  );
  const targets = new Set(plan.puts.map(({ target }) => target));
  const comers = [...coming, ...ready.filter(({ id }) => targets.has(id))];
  const arriving = arrivingSources(answering, context);
  for (const sled of ready) {
    if (targets.has(sled.id)) continue;
    if (isDue(sled, copies, context)) plan.deferred += 1;
    else planOne(sled, { holders, comers, arriving }, context, plan);
  }
  plan.retried.push(...retriedIn(lacking, context, plan.blocked));
};

type Sources = {
  readonly holders: readonly PlanSled[];
  /** They receive it. */
  readonly comers: readonly PlanSled[];
  /** Those of them that pass it on (PL11). */
  readonly arriving: readonly ArrivingSource[];
};

/** A sled that receives no first put. */
const planOne = (
  sled: PlanSled,
  { holders, comers, arriving }: Sources,
  context: ArtifactContext,
  plan: ArtifactPlan,
): void => {
  if (isOnlyDeferred(sled, context)) {
    if (holders.length + comers.length + context.archives.length > 0) plan.deferred += 1;
    return;
  }
  const sources = holders.filter(holder => mayServe(holder, sled));
  const usable = sources.filter(source => pauseOf(sled, source.id, context) === undefined);
  const willServe = comers.some(comer => mayServe(comer, sled));
  if (needsArchive(sled, sources, usable, context)) planFromArchive(sled, context, plan);
  else if (planCopy(sled, usable, context, plan) || planFromArriving(sled, arriving, context, plan)) return;
  else if (usable.length > 0 || willServe) waitForPlace(sled, context, plan);
  else if (sources.length > 0) waitForSources(sled, sources, context, plan);
  // Others have it, or receive it, and this sled can copy from none of them.
  else if (sled.isPlain === true && holders.length + comers.length > 0) planFromArchive(sled, context, plan);
  else if (context.archives.length > 0) plan.deferred += 1;
};

/** It has no place, and nothing but that to report: its sources, which are many in a large fleet, need no look. */
const isOnlyDeferred = (sled: PlanSled, { quota, input, mayRepeat }: ArtifactContext): boolean =>
  !quota.mayReceive(sled.id) && sled.isPlain !== true && !mayRepeat && !input.routes.has(sled.id);

const copiesOn = (sled: PlanSled, sha256: ArtifactHash): number => sled.answer.held.get(sha256) ?? 0;

const isComing = (sled: PlanSled, context: ArtifactContext): boolean =>
  !isReplaceable(sled, context) &&
  (sled.answer.copiesInFlight.has(context.sha256) || context.underWay.has(sled.id));

/** PL13 */
const isReplaceable = (sled: PlanSled, { underWay, input }: ArtifactContext): boolean => {
  const transfer = underWay.get(sled.id);
  return transfer?.arriving === true && isOverdue(transfer, input);
};

type Pause = { readonly untilMs: number; readonly because: string | undefined };

/** PL3: undefined, or the back-off that lasts. */
const mayWrite = (
  sled: PlanSled,
  { sha256, input }: ArtifactContext,
): (Pause & { readonly code: 'SLED_WRITES_PAUSED' | 'TRANSFER_FAILED' }) | undefined => {
  const { writesPausedUntilMs: untilMs, writesPausedBecause: because } = sled;
  if (untilMs !== undefined && untilMs > input.nowMs) return { code: 'SLED_WRITES_PAUSED', untilMs, because };
  const pair = input.backoff.get(pairKey(sled.id, sha256));
  if (pair === undefined || pair.untilMs <= input.nowMs) return undefined;
  return { code: 'TRANSFER_FAILED', untilMs: pair.untilMs, because: pair.because };
};

/** PL3: false, with the reason and the time in the plan, while a back-off lasts. */
const isReady = (sled: PlanSled, context: ArtifactContext, plan: ArtifactPlan): boolean => {
  const pause = mayWrite(sled, context);
  if (pause === undefined) return true;
  const { code, untilMs, because = 'waiting before the next attempt' } = pause;
  plan.blocked.push({ sha256: context.sha256, code, sledId: sled.id, serial: sled.serial, error: because });
  plan.nextAttemptMs = Math.min(plan.nextAttemptMs ?? Number.POSITIVE_INFINITY, untilMs);
  return false;
};

/** PL1: of the archive, for as many sleds as the published protocol sends it to; where no place is left, it waits for one. */
const isDue = (sled: PlanSled, copies: number, { sha256, archives, input }: ArtifactContext): boolean =>
  sled.isPlain === true &&
  archives.length > 0 &&
  copiesOn(sled, sha256) === 0 &&
  copies < input.policy.minSledReplication;

/** PL1: to the least loaded sleds. Returns on how many sleds the artifact is, or is expected. */
const planFirstPuts = (
  missing: readonly PlanSled[],
  { holders, coming }: { readonly holders: readonly PlanSled[]; readonly coming: readonly PlanSled[] },
  { sha256, sizeBytes, archives: [archive], quota, underWay, input }: ArtifactContext,
  plan: ArtifactPlan,
): number => {
  // A copy in flight counts while a reachable sled can be its source, and a put while it is not overdue: the claim of one
  // sled, or a slow one, must not keep the artifact from all the others (G8).
  const isExpected = ({ id }: PlanSled): boolean => {
    const transfer = underWay.get(id);
    if (transfer === undefined || transfer.source !== undefined) return holders.length > 0;
    return holders.length > 0 || !isOverdue(transfer, input);
  };
  let copies = holders.length + coming.filter(isExpected).length;
  if (archive === undefined) return copies;
  const byLoad = missing.toSorted((a, b) => quota.incoming(a.id) - quota.incoming(b.id));
  for (const sled of byLoad) {
    if (copies >= (sled.isPlain === true ? input.policy.minSledReplication : 1)) continue;
    if (!quota.take(sled.id, sizeBytes)) continue;
    copies += 1;
    plan.puts.push({ kind: 'put', sha256, sizeBytes, target: sled.id, uploadId: archive.uploadId });
  }
  return copies;
};

/** A sled without an identity reads from no depot that asks for one; it serves everybody, itself too. */
const mayServe = (source: PlanSled, target: PlanSled): boolean =>
  target.isPlain !== true || source.isPlain === true;

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
  else if (quota.take(sledId, sizeBytes))
    plan.puts.push({ kind: 'put', sha256, sizeBytes, target: sledId, uploadId: archive.uploadId });
  else plan.deferred += 1;
};

/** PL1 */
export const isIdle = (
  sled: SledId,
  { idleSinceMs, nowMs }: Pick<PlanInput, 'idleSinceMs' | 'nowMs'>,
): boolean => nowMs - (idleSinceMs.get(sled) ?? nowMs) >= IDLE_BEFORE_PUT_MS;

/** PL1: its sources have no place; an archive that has one serves a sled that would receive nothing. */
const waitForPlace = (sled: PlanSled, context: ArtifactContext, plan: ArtifactPlan): void => {
  const { archives, input, mayRepeat } = context;
  const isMissing = copiesOn(sled, context.sha256) === 0;
  if (mayRepeat && isMissing && archives.length > 0 && isIdle(sled.id, input))
    planFromArchive(sled, context, plan);
  else plan.deferred += 1;
};

/** PL2: from one of the least loaded holders. False when none has a place. */
const planCopy = (
  sled: PlanSled,
  holders: readonly PlanSled[],
  context: ArtifactContext,
  plan: ArtifactPlan,
): boolean => {
  const { sha256, sizeBytes, quota } = context;
  const others = holders.filter(holder => holder.id !== sled.id);
  const trusted = others.filter(holder => holder.isDistrusted !== true);
  // If only this sled has it, it fetches from its own depot: the good dataset feeds the other one.
  const confirmed = [trusted, others, holders].find(candidates => candidates.length > 0) ?? [];
  const least = leastFailed(
    confirmed.map(source => source.id),
    source => failuresOf(sled, source, context),
  );
  const source = leastLoaded(least, quota);
  if (source === undefined || !quota.take(sled.id, sizeBytes, source)) return false;
  const recopy = copiesOn(sled, sha256) > 0;
  plan.copies.push({ kind: 'copy', sha256, sizeBytes, target: sled.id, source, recopy, arriving: false });
  return true;
};

/** PL11. False when none has a place. */
const planFromArriving = (
  sled: PlanSled,
  arriving: readonly ArrivingSource[],
  context: ArtifactContext,
  plan: ArtifactPlan,
): boolean => {
  const { sha256, sizeBytes, quota } = context;
  if (sled.copiesArriving !== true || copiesOn(sled, sha256) > 0 || isReplaceable(sled, context))
    return false;
  // Whatever the cause, what is whole will do: a failing sled must not go through all that receive it (G8).
  if (arriving.length === 0 || failedSources(sled, context) >= MAX_FAILED_ARRIVING) return false;
  const source = arriving.find(
    ({ sled: from }) =>
      mayServe(from, sled) &&
      quota.maySend(from.id) &&
      failuresOf(sled, from.id, context) === 0 &&
      pauseOf(sled, from.id, context) === undefined,
  )?.sled.id;
  if (source === undefined || !quota.take(sled.id, sizeBytes, source)) return false;
  plan.copies.push({
    kind: 'copy',
    sha256,
    sizeBytes,
    target: sled.id,
    source,
    recopy: false,
    arriving: true,
  });
  return true;
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
