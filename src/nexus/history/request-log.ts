/**
 * What this Nexus asked of sleds: counters of a run and of the process, and a ring of the last requests.
 *
 * RL1. The ring never exceeds its capacity, however many requests one activation makes (B12).
 * RL2. The ring is read on demand only: no summary and no log line carries it (S10).
 */
import type { RequestRecord } from '../../api/operator-fleet-api.ts';
import type { ArtifactHash, Generation, SledId } from '../../core/ids.ts';
import { type Clock, isoTime } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';

/** The whole history of one release at 32 sleds: 64 artifacts, a request each, and as many again. */
const REQUEST_RING_CAPACITY = 32 * 64 * 2;

const OPERATIONS = ['put_config', 'list', 'put', 'copy'] as const;
type Operation = (typeof OPERATIONS)[number];

/** In the published names; `…_busy` (429, not an error, B14) and `copy_done`, `copy_failed` (B7) are ours. */
export type RequestCounters = Record<
  | `${Operation}_ok`
  | `${Operation}_err`
  | 'put_busy'
  | 'copy_busy'
  | 'copy_done'
  | 'copy_failed'
  | 'deletions',
  number
>;

const noRequests = (): RequestCounters => ({
  put_config_ok: 0,
  put_config_err: 0,
  list_ok: 0,
  list_err: 0,
  put_ok: 0,
  put_err: 0,
  copy_ok: 0,
  copy_err: 0,
  put_busy: 0,
  copy_busy: 0,
  copy_done: 0,
  copy_failed: 0,
  deletions: 0,
});

export type RequestFacts = {
  readonly operation: Operation;
  readonly sledId: SledId;
  readonly generation?: Generation;
  readonly sha256?: ArtifactHash;
  readonly sourceSledId?: SledId;
  readonly startedMs: number;
  readonly error?: unknown;
};

export type RequestLog = {
  readonly record: (request: RequestFacts) => void;
  /** Outcomes that a sled reported of itself, later than the request (B7, S11). */
  readonly count: (what: 'copy_done' | 'copy_failed' | 'deletions', times: number) => void;
  /** Counters since the last call. */
  readonly takeRun: () => RequestCounters;
  readonly lifetime: () => RequestCounters;
  /** Oldest first. */
  readonly recent: () => readonly RequestRecord[];
};

export const createRequestLog = (deps: {
  clock: Clock;
  log: Logger;
  /** Is shown each request, for what outlives this process. */
  onRequest?: (request: RequestRecord) => void;
  capacity?: number;
}): RequestLog => {
  const capacity = deps.capacity ?? REQUEST_RING_CAPACITY;
  const ring: RequestRecord[] = [];
  let next = 0;
  let run = noRequests();
  const lifetime = noRequests();

  const add = (counter: keyof RequestCounters, times: number) => {
    run[counter] += times;
    lifetime[counter] += times;
  };

  return {
    record(request) {
      const entry = toRecord(request, deps.clock);
      if (ring.length < capacity) ring.push(entry);
      else ring[next] = entry;
      next = (next + 1) % capacity;
      add(counterOf(request), 1);
      tell(deps.log, entry, request.error);
      deps.onRequest?.(entry);
    },
    count: add,
    takeRun() {
      const taken = run;
      run = noRequests();
      return taken;
    },
    lifetime: () => ({ ...lifetime }),
    recent: () => (ring.length < capacity ? [...ring] : [...ring.slice(next), ...ring.slice(0, next)]),
  };
};

const isBusy = (error: unknown): boolean => error !== undefined && errorCodeOf(error) === 'SLED_BUSY';

const counterOf = ({ operation, error }: RequestFacts): keyof RequestCounters => {
  if (error === undefined) return `${operation}_ok`;
  if (isBusy(error) && (operation === 'put' || operation === 'copy')) return `${operation}_busy`;
  return `${operation}_err`;
};

const toRecord = (request: RequestFacts, clock: Clock): RequestRecord => ({
  time: isoTime(request.startedMs),
  target_sled: request.sledId,
  operation: request.operation,
  ...(request.generation === undefined ? {} : { generation: request.generation }),
  ...(request.sha256 === undefined ? {} : { hash: request.sha256 }),
  ...(request.sourceSledId === undefined ? {} : { source_sled: request.sourceSledId }),
  elapsed_ms: Math.max(0, clock.nowMs() - request.startedMs),
  ...(request.error === undefined
    ? {}
    : { error: messageChain(request.error), error_code: errorCodeOf(request.error) }),
});

/** S11: every request that changes something is logged at info, a request that only reads if it fails. */
const tell = (log: Logger, { time: _, ...entry }: RequestRecord, error: unknown): void => {
  if (error === undefined) {
    if (entry.operation === 'put' || entry.operation === 'copy') log.info(entry, 'request to sled succeeded');
    else log.debug(entry, 'request to sled succeeded');
  } else if (isBusy(error)) log.info(entry, 'sled is busy');
  else log.warn(entry, 'request to sled failed');
};
