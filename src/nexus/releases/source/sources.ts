/**
 * The sources of this Nexus, with the result of the last fetch of each. In memory: a restart fetches again.
 */
import type { HealthReason } from '../../../core/facts/reason.ts';
import type { SystemVersion, TrustRootId } from '../../../core/ids.ts';
import type { ReportedCheck } from '../../../lib/check-report.ts';
import type { ErrorCode } from '../../../lib/error-codes.ts';
import {
  DepotError,
  errorCodeOf,
  findDepotError,
  isOfDatabase,
  messageChain,
  reportOf,
} from '../../../lib/errors.ts';
import { requireEntry } from '../../../lib/require-entry.ts';
import type { FoundRelease } from '../../../source/fetch-repository.ts';
import type { SourceConfig } from './source-config.ts';
import type { SyncOutcome } from './sync-source.ts';

type SourceFailure = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly report: readonly ReportedCheck[];
  /** A retry does not help: the repository, or the trust in it, has to change. */
  readonly isRefusal: boolean;
  /** Nothing is wrong with the source: the database of this Nexus was away. */
  readonly isOutage: boolean;
  /** As the server asked. */
  readonly retryAfterMs: number | undefined;
  readonly timeMs: number;
};

export type SourceState = {
  readonly config: SourceConfig;
  readonly isSyncing: boolean;
  /** Found by the running fetch. */
  readonly fetching:
    | { readonly systemVersion: SystemVersion; readonly doneBytes: number; readonly totalBytes: number }
    | undefined;
  readonly timeAttemptMs: number | undefined;
  readonly timeSuccessMs: number | undefined;
  readonly outcome: SyncOutcome | undefined;
  /** Of the last fetch, if it failed. */
  readonly failure: SourceFailure | undefined;
  readonly failures: number;
  /** An operator requested a fetch that has not begun yet. */
  readonly isRequested: boolean;
};

export type Sources = {
  readonly list: () => readonly SourceState[];
  readonly get: (name: string) => SourceState | undefined;
  /** Adds the source if it is new, and requests a fetch. */
  readonly request: (config: SourceConfig) => SourceState;
  readonly begin: (name: string, nowMs: number) => void;
  readonly found: (name: string, release: FoundRelease<TrustRootId>) => void;
  readonly progress: (name: string, doneBytes: number) => void;
  readonly succeeded: (name: string, outcome: SyncOutcome, nowMs: number) => void;
  readonly failed: (name: string, error: unknown, nowMs: number) => void;
  /** Of the sources that are followed by configuration. */
  readonly reasons: () => readonly HealthReason[];
};

/** Sources fetched once are kept for their outcome; the oldest are removed first. */
const MAX_SOURCES = 64;

export const createSources = (configured: readonly SourceConfig[]): Sources => {
  const states = new Map<string, SourceState>();
  for (const config of configured) states.set(config.name, newState(config));

  const known = (name: string): SourceState => requireEntry(states, name, 'the source');
  const change = (name: string, changes: Partial<SourceState>): SourceState => {
    const state = { ...known(name), ...changes };
    states.set(name, state);
    return state;
  };

  return {
    list: () => [...states.values()],
    get: name => states.get(name),
    request(config) {
      if (!states.has(config.name)) {
        forgetOldest(states);
        states.set(config.name, newState(config));
      }
      return change(config.name, { isRequested: true });
    },
    begin: (name, nowMs) =>
      void change(name, { isSyncing: true, isRequested: false, fetching: undefined, timeAttemptMs: nowMs }),
    found: (name, { description, totalBytes }) =>
      void change(name, { fetching: { systemVersion: description.systemVersion, doneBytes: 0, totalBytes } }),
    progress(name, doneBytes) {
      const { fetching } = known(name);
      if (fetching !== undefined) change(name, { fetching: { ...fetching, doneBytes } });
    },
    succeeded: (name, outcome, nowMs) =>
      void change(name, {
        ...{ isSyncing: false, fetching: undefined, failure: undefined, failures: 0 },
        ...{ outcome, timeSuccessMs: nowMs },
      }),
    failed(name, error, nowMs) {
      const failure = {
        code: errorCodeOf(error),
        message: messageChain(error),
        report: reportOf(error),
        isRefusal: findDepotError(error)?.retry === 'never',
        isOutage: isOfDatabase(error),
        retryAfterMs: retryAfterOf(error),
        timeMs: nowMs,
      };
      // An outage does not lengthen the back-off of the source.
      const failures = failure.isOutage ? 1 : known(name).failures + 1;
      change(name, { isSyncing: false, failure, failures });
    },
    reasons: () =>
      [...states.values()].flatMap(({ config, failure }) => {
        // An outage has its own reason.
        if (failure === undefined || failure.isOutage || config.periodMs === undefined) return [];
        const code = failure.isRefusal ? ('SOURCE_REFUSED' as const) : ('SOURCE_FAILED' as const);
        return [{ code, source: config.name, error: failure.message, sinceMs: failure.timeMs }];
      }),
  };
};

const retryAfterOf = (error: unknown): number | undefined => {
  const seconds = findDepotError(error)?.detail.retry_after_secs;
  return typeof seconds === 'number' ? seconds * 1000 : undefined;
};

const newState = (config: SourceConfig): SourceState => ({
  config,
  isSyncing: false,
  fetching: undefined,
  timeAttemptMs: undefined,
  timeSuccessMs: undefined,
  outcome: undefined,
  failure: undefined,
  failures: 0,
  isRequested: false,
});

const forgetOldest = (states: Map<string, SourceState>): void => {
  if (states.size < MAX_SOURCES) return;
  for (const [name, { config, isSyncing, isRequested }] of states) {
    if (config.periodMs !== undefined || isSyncing || isRequested) continue;
    states.delete(name);
    return;
  }
  throw new DepotError('TOO_MANY_UPLOADS', `${states.size} sources are followed, which is the limit`);
};
