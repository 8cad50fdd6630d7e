/**
 * What one Nexus remembers of the sleds between activations: back-offs, pauses, claims and the totals of their lists.
 * If it is lost, some requests are sent too early; no guarantee depends on it.
 *
 * M1. A sled that fails backs off, independently of the others (B8); any answer ends its back-off.
 * M2. A transfer that failed at the sled backs off for this sled and artifact (P6), until the artifact arrives. One that
 *     failed at its source backs off for this sled and source (B21), and the next attempt uses another source.
 * M3. Simultaneous failures count once: a request that was in flight when the back-off began does not lengthen it.
 * M4. A re-copy that leaves the artifact on too few datasets is a failed transfer: a dataset has no space for it, and
 *     sending the bytes again and again would not help (B9).
 * M5. A deletion on a sled ends the back-off of transfers that lacked space there.
 * M6. Back-offs use the monotonic clock: a wall clock that is set back must not extend one by hours.
 * M7. Bounded by the fleet and the wanted set: the memory of other sleds and artifacts is dropped.
 * M8. It is changed only here. Callers report what happened, and read a sled's memory without a way to change it.
 * M9. A failed copy counts once, although its end and a later list report it.
 */
import { type ArtifactHash, pointText, type SledId } from '../../core/ids.ts';
import type { PointClaim } from '../../core/lineage.ts';
import type { Rng } from '../../core/rng.ts';
import type { CopyFailure } from '../../core/sled-report.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, errorCodeOf, messageChain } from '../../lib/errors.ts';
import { retryAfterMs } from '../../sled-client/refusal.ts';
import { type Failure, failAgain, isAtTheSled, isForRoom } from './failure.ts';
import { type CopySource, createRouteMemory, type RouteMemory } from './route-memory.ts';
import { createTransferMemory, type TransferMemory } from './transfer-memory.ts';

const SLED_BACKOFF = { firstMs: 2_000, maxMs: 120_000 };
/** The pause of writes to a full sled. */
const FULL_PAUSE_MS = 60_000;
/** The pause of a busy sled that names none. */
const DEFAULT_BUSY_PAUSE_MS = 1_000;
/** Of one sled, oldest forgotten first: more than a list names. */
const MAX_NOTED_FAILURES = 512;
/** The longest pause that a sled can ask for. */
const MAX_PAUSE_MS = 300_000;

type Pause = {
  readonly untilMs: number;
  readonly code: string;
  readonly because: string;
  readonly sinceMs: number;
};

/** What a list says has happened on the sled since the start of its agent. */
type ListTotals = {
  readonly incarnation: string | undefined;
  readonly copiesDone: number;
  readonly copiesFailed: number;
  readonly deletions: number;
};

type SledMemory = {
  /** Set while the sled gives no valid answer. */
  silence: Failure | undefined;
  /** Set while the sled takes no writes: full or busy. */
  pause: Pause | undefined;
  /** The point that the sled reported last. If the database knows it, configs are offered as its successors (P13). */
  claim: PointClaim | undefined;
  /** Set while the sled serves other bytes than it lists (P9). */
  distrust: { readonly sinceMs: number; readonly sha256: ArtifactHash } | undefined;
  /** Of the last list; the next one is compared with them. */
  totals: ListTotals | undefined;
  /** M9: hash and time of copies that failed there. */
  readonly notedFailures: Set<string>;
};

/** Whom a failed transfer is blamed on. */
export type Blame = 'busy' | 'full' | 'sled' | 'transfer' | 'source' | 'nobody';

export type FleetMemory = Pick<
  TransferMemory,
  'recopyAccepted' | 'recopiesEnded' | 'roomMade' | 'backoff'
> & {
  readonly sled: (id: SledId) => Readonly<SledMemory>;
  /** The points that sleds reported last, each once. */
  readonly claims: () => readonly PointClaim[];
  /** Begins or lengthens the silence of the sled, and returns it. */
  readonly sledFailed: (id: SledId, error: unknown) => Failure;
  readonly sledAnswered: (id: SledId) => void;
  /** The sled reported its point. */
  readonly claimed: (id: SledId, claim: PointClaim) => void;
  /** Stores the totals of a list, and returns those of the list before it. */
  readonly listed: (id: SledId, totals: ListTotals) => ListTotals | undefined;
  /** The sled served other bytes of this artifact than it lists: distrust begins, or goes on. */
  readonly bytesDiffer: (id: SledId, sha256: ArtifactHash) => void;
  /** The sled served the right bytes of a whole release: distrust ends. */
  readonly bytesProven: (id: SledId) => void;
  /**
   * Classifies a failed put or copy: the sled's fault, a pause, a back-off for this artifact alone, or one for the
   * source that a copy named.
   */
  readonly transferFailed: (id: SledId, sha256: ArtifactHash, error: unknown, source?: CopySource) => Blame;
  /** A copy failed after the sled had accepted it; `source` is the sled that it copied from, if it is known. */
  readonly copyFailed: (id: SledId, failure: CopyFailure, source: SledId | undefined) => Blame;
  readonly transferDone: TransferMemory['done'];
  readonly copyAccepted: RouteMemory['accepted'];
  readonly routes: RouteMemory['failures'];
  /** The earliest end of a back-off of a silent sled. */
  readonly nextSledAttemptMs: () => number | undefined;
  readonly retain: (sleds: ReadonlySet<SledId>, artifacts: ReadonlyMap<ArtifactHash, unknown>) => void;
};

type Deps = { readonly clock: Clock; readonly rng: Rng };

export const createFleetMemory = (deps: Deps): FleetMemory => {
  const sleds = new Map<SledId, SledMemory>();
  const transfers = createTransferMemory(deps);
  const routes = createRouteMemory(deps);
  const sled = (id: SledId): SledMemory => memoryOf(sleds, id);

  return {
    sled,
    claims() {
      const told = [...sleds.values()].flatMap(({ claim }) => claim ?? []);
      return [...new Map(told.map(claim => [`${pointText(claim)} ${claim.hasLineage}`, claim])).values()];
    },
    sledFailed: (id, error) => silence(deps, sled(id), error),
    sledAnswered(id) {
      const memory = sled(id);
      memory.silence = undefined;
      if (memory.pause !== undefined && memory.pause.untilMs <= deps.clock.monotonicMs())
        memory.pause = undefined;
    },
    claimed(id, claim) {
      sled(id).claim = claim;
    },
    listed(id, totals) {
      const memory = sled(id);
      const before = memory.totals;
      memory.totals = totals;
      return before;
    },
    bytesDiffer(id, sha256) {
      const memory = sled(id);
      memory.distrust = { sinceMs: memory.distrust?.sinceMs ?? deps.clock.nowMs(), sha256 };
    },
    bytesProven(id) {
      sled(id).distrust = undefined;
    },
    transferFailed: (id, sha256, error, source) =>
      noteFailure(deps, { memory: sled(id), transfers, routes }, { id, sha256, error, source }),
    copyFailed: (id, failure, source) =>
      noteCopyFailure(deps, { memory: sled(id), transfers, routes }, { id, failure, source }),
    transferDone(id, sha256) {
      transfers.done(id, sha256);
      routes.arrived(id, sha256);
    },
    copyAccepted: routes.accepted,
    routes: routes.failures,
    recopyAccepted: transfers.recopyAccepted,
    recopiesEnded: transfers.recopiesEnded,
    roomMade(id) {
      endPauseForRoom(sled(id));
      transfers.roomMade(id);
    },
    backoff: transfers.backoff,
    nextSledAttemptMs() {
      const waits = [...sleds.values()].flatMap(memory => memory.silence?.untilMs ?? []);
      return waits.length === 0 ? undefined : Math.min(...waits);
    },
    retain(keep, artifacts) {
      for (const id of sleds.keys()) if (!keep.has(id)) sleds.delete(id);
      transfers.retain(({ sledId, sha256 }) => keep.has(sledId) && artifacts.has(sha256));
      routes.retain(keep, artifacts);
    },
  };
};

const memoryOf = (sleds: Map<SledId, SledMemory>, id: SledId): SledMemory => {
  const known = sleds.get(id);
  if (known !== undefined) return known;
  const memory: SledMemory = {
    silence: undefined,
    pause: undefined,
    claim: undefined,
    distrust: undefined,
    totals: undefined,
    notedFailures: new Set(),
  };
  sleds.set(id, memory);
  return memory;
};

const endPauseForRoom = (memory: SledMemory): void => {
  if (memory.pause !== undefined && isForRoom(memory.pause.code)) memory.pause = undefined;
};

const noteCopyFailure = (
  deps: Deps,
  memories: Parameters<typeof noteFailure>[1],
  failed: { readonly id: SledId; readonly failure: CopyFailure; readonly source: SledId | undefined },
): Blame => {
  const { id, failure } = failed;
  const isSledsFault = isAtTheSled(failure.errorCode);
  if (isNews(memories.memory, failure)) {
    const error = new DepotError('COPY_SOURCE', failure.message);
    const source = isSledsFault || failed.source === undefined ? undefined : { id: failed.source };
    noteFailure(deps, memories, { id, sha256: failure.sha256, error, source });
  }
  return isSledsFault ? 'transfer' : 'source';
};

/** M9 */
const isNews = ({ notedFailures }: SledMemory, { sha256, timeMs }: CopyFailure): boolean => {
  const key = `${sha256} ${timeMs}`;
  if (notedFailures.has(key)) return false;
  notedFailures.add(key);
  for (const oldest of notedFailures) {
    if (notedFailures.size <= MAX_NOTED_FAILURES) break;
    notedFailures.delete(oldest);
  }
  return true;
};

const noteFailure = (
  deps: Deps,
  { memory, transfers, routes }: { memory: SledMemory; transfers: TransferMemory; routes: RouteMemory },
  failed: {
    readonly id: SledId;
    readonly sha256: ArtifactHash;
    readonly error: unknown;
    readonly source: CopySource | undefined;
  },
): Blame => {
  const { id, sha256, error, source } = failed;
  const blame = blameFor(error);
  if (blame === 'nobody') return blame;
  if (blame === 'busy') pause(deps, memory, error, DEFAULT_BUSY_PAUSE_MS);
  else if (blame === 'full') pause(deps, memory, error, FULL_PAUSE_MS);
  else if (blame === 'source' && source !== undefined) routes.failed(id, sha256, error, source);
  else {
    if (blame === 'sled') silence(deps, memory, error);
    // A sled that answers everything but this transfer ends its silence, not this back-off.
    transfers.failed(id, sha256, error);
  }
  return blame;
};

/** A put has no source. */
const blameFor = (error: unknown): Blame => {
  const code = errorCodeOf(error);
  switch (code) {
    case 'SLED_BUSY':
      return 'busy';
    case 'NO_SPACE':
    case 'NO_USABLE_DATASET':
      return 'full';
    case 'PEER_UNREACHABLE':
    case 'PEER_STALLED':
    case 'PEER_IDENTITY':
      return 'sled';
    case 'ARTIFACT_GENERATION':
    case 'ARTIFACT_NOT_IN_CONFIG':
      // Another Nexus gave the sled a newer config, which the next round reads.
      return 'nobody';
    default:
      return isAtTheSled(code) ? 'transfer' : 'source';
  }
};

const silence = (deps: Deps, memory: SledMemory, error: unknown): Failure => {
  const failure = failAgain(deps, memory.silence, error, SLED_BACKOFF);
  memory.silence = failure;
  return failure;
};

/** For as long as the sled asked, or the default. */
const pause = ({ clock }: Deps, memory: SledMemory, error: unknown, defaultMs: number): void => {
  memory.pause = {
    untilMs: clock.monotonicMs() + Math.min(retryAfterMs(error) ?? defaultMs, MAX_PAUSE_MS),
    code: errorCodeOf(error),
    because: messageChain(error),
    sinceMs: memory.pause?.sinceMs ?? clock.nowMs(),
  };
};
