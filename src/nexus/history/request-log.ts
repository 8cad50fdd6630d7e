/**
 * What this Nexus asked of sleds: counters of a run and of the process, and a ring of the last requests.
 *
 * RL1. The ring never exceeds its capacity, however many requests one activation makes (B12).
 * RL2. The ring is read on demand only: no summary and no log line carries it (S10).
 */
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { requestFields, type SledRequest } from './sled-request.ts';

/** The whole history of one release at 32 sleds: 64 artifacts, a request each, and as many again. */
const REQUEST_RING_CAPACITY = 32 * 64 * 2;

/** In the published names; `…_busy` (429, not an error, B14) and `copy_done`, `copy_failed` (B7) are ours. */
type RequestCounters = Record<
  | `${SledRequest['operation']}_ok`
  | `${SledRequest['operation']}_err`
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

/** A request that has ended just now. */
type RequestFacts = Omit<SledRequest, 'elapsedMs' | 'failure'> & { readonly error?: unknown };

export type RequestLog = {
  readonly record: (request: RequestFacts) => void;
  /** Outcomes that a sled reported of itself, later than the request (B7, S11). */
  readonly count: (what: 'copy_done' | 'copy_failed' | 'deletions', times: number) => void;
  /** Counters since the last call. */
  readonly takeRun: () => RequestCounters;
  readonly lifetime: () => RequestCounters;
  /** Oldest first. */
  readonly recent: () => readonly SledRequest[];
};

export const createRequestLog = (deps: {
  clock: Clock;
  log: Logger;
  /** Is shown each request, for what outlives this process. */
  onRequest?: (request: SledRequest) => void;
  capacity?: number;
}): RequestLog => {
  const capacity = deps.capacity ?? REQUEST_RING_CAPACITY;
  const ring: SledRequest[] = [];
  let next = 0;
  let run = noRequests();
  const lifetime = noRequests();

  const add = (counter: keyof RequestCounters, times: number) => {
    run[counter] += times;
    lifetime[counter] += times;
  };

  return {
    record(request) {
      const entry = settled(request, deps.clock);
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

const settled = ({ error, ...request }: RequestFacts, clock: Clock): SledRequest => ({
  ...request,
  elapsedMs: Math.max(0, clock.nowMs() - request.startedMs),
  ...(error !== undefined && { failure: { code: errorCodeOf(error), message: messageChain(error) } }),
});

/** S11: every request that changes something is logged at info, a request that only reads if it fails. */
const tell = (log: Logger, request: SledRequest, error: unknown): void => {
  const fields = requestFields(request);
  if (error === undefined) {
    if (request.operation === 'put' || request.operation === 'copy')
      log.info(fields, 'request to sled succeeded');
    else log.debug(fields, 'request to sled succeeded');
  } else if (isBusy(error)) log.info(fields, 'sled is busy');
  else log.warn(fields, 'request to sled failed');
};
