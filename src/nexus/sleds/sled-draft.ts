import type { OfferedConfig } from '../../core/artifact-config.ts';
import type { ArtifactHash, Generation, SledId } from '../../core/ids.ts';
import type { InventorySled, SledListing, SledSilence, Wanted, WantedRelease } from '../../core/inventory.ts';
import type { PointClaim } from '../../core/lineage.ts';
import type { SledReport } from '../../core/sled-report.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { needsAcceptance } from '../../sled-client/refusal.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { PresentRelease, WantedSet, WantedSetPort } from '../datastore/ports/wanted-set-port.ts';
import type { RequestLog } from '../history/request-log.ts';
import { isUnreachable } from './failure.ts';
import type { KeptListing, ListingMemory } from './listing-memory.ts';
import type { PushBundles } from './push-bundles.ts';
import type { FleetMemory } from './sled-memory.ts';

export type CollectDeps = {
  readonly connection: SledConnection;
  readonly memory: FleetMemory;
  readonly listings: ListingMemory;
  readonly requests: RequestLog;
  readonly clock: Clock;
  readonly limits: CollectLimits;
  readonly pushBundles: PushBundles;
  /** Reads the present point of the database, and which points it has recorded. */
  readonly pointsRecorded: WantedSetPort['pointsRecorded'];
};

export type CollectLimits = {
  /** For the config and the list of one sled together. */
  readonly answerTimeoutMs: number;
  /** The least time that the slower half of the sleds has left after the faster half. */
  readonly stragglerGraceMs: number;
};

export const DEFAULT_COLLECT_LIMITS: CollectLimits = { answerTimeoutMs: 15_000, stragglerGraceMs: 5_000 };

/** The config of a round, and the recorded points, read in the same transaction. */
export type RoundConfig = Wanted<WantedRelease & Pick<PresentRelease, 'bundle'>> &
  Pick<WantedSet, 'digest' | 'lineage'>;

/** With what tells it from a round that offers something else (LM2). */
export type OfferedRound = RoundConfig & { readonly offer: string };

export type CollectedSled = InventorySled & {
  readonly target: SledTarget;
  /** For the status; absent for a silent sled. */
  readonly report: SledReport | undefined;
  /** Of a diverged sled: the point that the database does not know. */
  readonly claim?: PointClaim;
};

/** A sled's answer; with the point that it claims where that is not the round's. */
export type Draft = { readonly collected: CollectedSled; readonly claim: PointClaim | undefined };

/** A wait that this round ended counts as no answer, whatever error the transport reports. */
export const orStalled = (error: unknown, signal: AbortSignal): unknown =>
  signal.aborted && errorCodeOf(error) !== 'PEER_STALLED'
    ? new DepotError('PEER_STALLED', 'did not answer in time', { cause: error })
    : error;

const timed = async <T>(
  deps: CollectDeps,
  facts: { operation: 'put_config' | 'list'; sledId: SledId; generation?: Generation },
  request: () => Promise<T>,
): Promise<T> => {
  const startedMs = deps.clock.nowMs();
  try {
    const answer = await request();
    deps.requests.record({ ...facts, startedMs });
    return answer;
  } catch (error) {
    deps.requests.record({ ...facts, startedMs, error });
    throw error;
  }
};

/** @throws `CONFIG_GENERATION` if the sled refuses it, and as any request does */
export const giveConfig = (
  deps: CollectDeps,
  target: SledTarget,
  config: OfferedConfig,
  options: { readonly signal: AbortSignal },
): Promise<void> =>
  timed(deps, { operation: 'put_config', sledId: target.id, generation: config.generation }, () =>
    deps.connection.putConfig(target, config, options),
  );

export const listSled = (
  deps: CollectDeps,
  target: SledTarget,
  options: { readonly signal: AbortSignal },
): Promise<SledReport> =>
  timed(deps, { operation: 'list', sledId: target.id }, () => deps.connection.list(target, options));

/** @returns undefined if the list has this tag */
export const listUnless = (
  deps: CollectDeps,
  target: SledTarget,
  tag: string,
  options: { readonly signal: AbortSignal },
): Promise<SledReport | undefined> =>
  timed(deps, { operation: 'list', sledId: target.id }, () =>
    deps.connection.listUnless(target, tag, options),
  );

/** Of a sled that affirms what it listed before. */
export const affirmedDraft = (
  deps: CollectDeps,
  target: SledTarget,
  { report, listing }: KeptListing,
): Draft => {
  deps.memory.sledAnswered(target.id);
  noteRecopies(deps, target, report, listing);
  return { collected: { ...withoutAnswer(deps, target), report, answer: listing }, claim: undefined };
};

const noteRecopies = (
  { memory }: CollectDeps,
  { id }: SledTarget,
  { datasetHealth = [] }: SledReport,
  { copiesInFlight }: SledListing,
): void => {
  const faults = datasetHealth.flatMap(({ message }) => message ?? []);
  memory.recopiesEnded(id, hash => copiesInFlight.has(hash), faults);
};

export const listingDraft = (
  deps: CollectDeps,
  target: SledTarget,
  wanted: Wanted,
  report: SledReport,
  log: Logger,
): Draft => {
  deps.memory.sledAnswered(target.id);
  const held = new Map<ArtifactHash, number>();
  for (const hash of report.bogusHashes)
    log.error({ sled_id: target.id, hash }, 'sled listed a bogus hash, skipped');
  for (const [hash, copies] of report.copies) {
    if (wanted.artifacts.has(hash) && copies > 0 && report.withheld?.has(hash) !== true)
      // Full and read-only datasets take no writes, but their artifacts count (S16).
      held.set(hash, Math.min(copies, Math.max(1, report.datasets ?? copies)));
  }
  // A sled agent that does not report its datasets has at least the copies of its most frequent artifact.
  const datasets = report.datasets ?? Math.max(1, ...held.values());
  const copiesInFlight = new Set(report.copiesInFlight.map(copy => copy.sha256));
  for (const [hash, copies] of held) if (copies >= datasets) deps.memory.transferDone(target.id, hash);
  const answer: SledListing = {
    kind: 'ok',
    held,
    datasets,
    copiesInFlight,
    incarnationId: report.incarnationId,
    ...(report.withheld !== undefined && { withheld: report.withheld }),
  };
  noteRecopies(deps, target, report, answer);
  return { collected: { ...withoutAnswer(deps, target), report, answer }, claim: undefined };
};

const withoutAnswer = (deps: CollectDeps, target: SledTarget) => {
  const { pause, distrust } = deps.memory.sled(target.id);
  return {
    id: target.id,
    serial: target.serial,
    target,
    ...(pause === undefined
      ? {}
      : { writesPausedUntilMs: pause.untilMs, writesPausedBecause: pause.because }),
    ...(distrust === undefined ? {} : { isDistrusted: true }),
    ...(target.isPlain === true && { isPlain: true }),
  };
};

export const failed = (deps: CollectDeps, target: SledTarget, error: unknown): Draft => {
  const silence = deps.memory.sledFailed(target.id, error);
  return silent(deps, target, kindOfSilence(errorCodeOf(error)), silence);
};

/** Failures of the sled itself; claims are decided later (CO3). */
type Silence = Exclude<SledSilence['kind'], 'ahead' | 'diverged'>;

export const silent = (
  deps: CollectDeps,
  target: SledTarget,
  kind: Silence,
  { code, because, sinceMs }: { code: string; because: string; sinceMs: number },
): Draft => ({
  collected: {
    ...withoutAnswer(deps, target),
    report: undefined,
    answer: { kind, code, error: because, sinceMs },
  },
  claim: undefined,
});

export const kindOfSilence = (code: string): Silence => {
  if (isUnreachable(code)) return 'unreachable';
  if (code === 'PEER_IDENTITY') return 'other_identity';
  return code === 'PEER_BAD_ANSWER' ? 'bad_answer' : 'refused';
};

/** The database decides whether the sled is outdated, behind or diverged (CO3). */
export const claiming = (
  deps: CollectDeps,
  target: SledTarget,
  { claim, report, refusal }: { claim: PointClaim; report: SledReport | undefined; refusal: unknown },
): Draft => {
  deps.memory.sledAnswered(target.id);
  deps.memory.claimed(target.id, claim);
  const { generation, digest } = claim;
  const answer = {
    kind: 'ahead' as const,
    claim: { generation, digest },
    ...(refusal !== undefined && { refusal: messageChain(refusal) }),
    ...(needsAcceptance(refusal) && { needsAcceptance: true as const }),
    sinceMs: deps.clock.nowMs(),
  };
  return { collected: { ...withoutAnswer(deps, target), report, answer }, claim };
};
