/**
 * Follows upstream repositories: fetches each source that is due, or that an operator requested, once.
 *
 * SS1. One source never stops the others: each has its own outcome, and all that are due are fetched in parallel.
 * SS2. A failed source is retried with back-off, up to its period, and not before the time that its server asked for; a refused one
 *      waits for its period.
 */
import type { Rng } from '../../core/rng.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SourceState, Sources } from '../releases/source/sources.ts';
import { type SyncDeps, syncSource } from '../releases/source/sync-source.ts';
import type { BackgroundTask } from './task.ts';

export const SOURCE_SYNC_TASK = 'tuf_source_sync';

/** Sources have their own periods; without any there is nothing to fetch. */
const PERIOD_MS = 3_600_000;
const FIRST_RETRY_MS = 5_000;

type Deps = SyncDeps & { readonly sources: Sources; readonly clock: Clock; readonly rng: Rng };

export const createSourceSync = (deps: Deps): BackgroundTask => ({
  name: SOURCE_SYNC_TASK,
  description: 'follow upstream TUF repositories: each new version becomes a release',
  periodMs: PERIOD_MS,
  async activate({ log, signal }) {
    const { sources, clock } = deps;
    const due = sources.list().filter(state => state.isRequested || dueAtMs(deps, state) <= clock.nowMs());
    await Promise.all(due.map(state => lookAt(deps, state, log, signal)));
    signal.throwIfAborted();
    const waits = sources.list().map(state => dueAtMs(deps, state) - clock.nowMs());
    const againInMs = Math.max(1, Math.min(...waits));
    const summary = Object.fromEntries(
      sources.list().map(state => [state.config.name, sourceSummary(state)]),
    );
    return { summary, ...(Number.isFinite(againInMs) && { againInMs }) };
  },
});

/** SS2. Infinite for a source that is fetched only on request. */
const dueAtMs = (
  { rng, clock }: Pick<Deps, 'rng' | 'clock'>,
  { config: { periodMs }, timeAttemptMs, failure, failures }: SourceState,
): number => {
  if (periodMs === undefined) return Number.POSITIVE_INFINITY;
  if (timeAttemptMs === undefined) return 0;
  const bounds = { firstMs: Math.min(FIRST_RETRY_MS, periodMs), maxMs: periodMs };
  const isRetried = failure !== undefined && !failure.isRefusal;
  const backoff = Math.max(backoffMs(failures, bounds, rng.next()), failure?.retryAfterMs ?? 0);
  const waitMs = isRetried ? Math.min(backoff, periodMs) : periodMs;
  // A clock that was set back moves an attempt into the future: it counts as just made.
  return Math.min(timeAttemptMs, clock.nowMs()) + waitMs;
};

const lookAt = async (deps: Deps, state: SourceState, log: Logger, signal: AbortSignal): Promise<void> => {
  const { sources, clock } = deps;
  const { name } = state.config;
  sources.begin(name, clock.nowMs());
  try {
    const outcome = await syncSource(deps, state.config, {
      signal,
      onFound: found => sources.found(name, found),
      onProgress: doneBytes => sources.progress(name, doneBytes),
    });
    sources.succeeded(name, outcome, clock.nowMs());
    log.info(
      { source: name, outcome: outcome.kind, system_version: outcome.systemVersion },
      'source fetched',
    );
  } catch (error) {
    sources.failed(name, error, clock.nowMs());
    if (!signal.aborted) log.warn({ source: name, err: error }, 'source could not be followed');
  }
};

const sourceSummary = ({ outcome, failure }: SourceState) =>
  failure === undefined ? { outcome: outcome?.kind ?? 'waiting' } : { error: failure.code };
