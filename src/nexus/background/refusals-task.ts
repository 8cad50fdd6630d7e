/**
 * Requests that were refused for their caller, on their way to the audit log (ADR 0015).
 *
 *     servers ─ note() ─▶ tally (refusal-tally.ts) ─▶ each minute, within an allowance: one entry for all of it ─▶ audit log
 *
 * RFW1. No request waits for its entry: {@link Refusals.note} only counts. Memory is bounded while the database is away (RFT1).
 * RFW2. Strangers add few entries, however many requests they send: a burst, and then one entry an hour for each Nexus. What is
 *      refused meanwhile is in the next one.
 * RFW3. An entry whose commit is uncertain is written again under its id, and is there once.
 * RFW4. A stop writes what was counted. Only a process that ends otherwise loses it, of a minute or, after a burst, of an hour.
 */
import type { AuditOrigin } from '../../core/facts/audit.ts';
import type { RefusedRequest } from '../../core/facts/refusal.ts';
import { createRefusalTally, type RefusalBatch } from '../../core/refusal-tally.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf, isOfDatabase } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';
import { createAllowance } from '../history/sled-allowance.ts';
import type { BackgroundTask } from './task.ts';

export const REFUSALS_PERIOD_MS = 60_000;
/** A person who tries tokens is recorded within a minute; a flood adds 24 entries a day, of 12 KB at most. */
export const REFUSAL_ENTRIES = { burst: 12, everyMs: 3_600_000 };
/** What a stop waits for the database at most. */
const STOP_TIMEOUT_MS = 5_000;

/** What the servers of this process refused, until it is written. */
export type Refusals = {
  readonly note: (refused: RefusedRequest) => void;
  readonly take: () => RefusalBatch | undefined;
  readonly isEmpty: () => boolean;
};

export const createRefusals = ({ nowMs }: Pick<Clock, 'nowMs'>): Refusals => {
  const tally = createRefusalTally();
  return { note: refused => tally.note(refused, nowMs()), take: tally.take, isEmpty: tally.isEmpty };
};

type Deps = {
  readonly refusals: Pick<Refusals, 'take' | 'isEmpty'>;
  readonly datastore: Pick<AuditPort, 'auditAppend'>;
  readonly newOrigin: () => AuditOrigin;
  readonly clock: Pick<Clock, 'monotonicMs' | 'timeout'>;
};

type Wait = { readonly log: Logger; readonly signal: AbortSignal };

export type RefusalWriter = {
  readonly task: BackgroundTask;
  /** RFW4. Never rejects. */
  readonly writeRest: (log: Logger) => Promise<void>;
};

export const createRefusalWriter = ({ refusals, datastore, newOrigin, clock }: Deps): RefusalWriter => {
  const isAllowed = createAllowance(REFUSAL_ENTRIES, clock);
  let pending: { readonly origin: AuditOrigin; readonly batch: RefusalBatch } | undefined;
  const totals = { entries: 0, requests: 0, lost: 0 };

  const take = (): void => {
    const batch = refusals.take();
    if (batch !== undefined) pending = { origin: newOrigin(), batch };
  };
  const writePending = async ({ log, signal }: Wait): Promise<void> => {
    if (pending === undefined) return;
    const { origin, batch } = pending;
    try {
      await datastore.auditAppend(origin, { kind: 'requests_refused', ...batch }, { signal });
      totals.entries += 1;
      totals.requests += batch.total;
    } catch (error) {
      signal.throwIfAborted();
      if (isOfDatabase(error) || errorCodeOf(error) === 'SHUTTING_DOWN') throw error;
      totals.lost += batch.total;
      log.error({ err: error, requests: batch.total }, 'refused requests not recorded');
    }
    pending = undefined;
  };
  return {
    task: {
      name: 'refused_requests',
      description: 'record in the audit log which requests were refused for their callers',
      periodMs: REFUSALS_PERIOD_MS,
      async activate(wait) {
        await writePending(wait);
        if (!refusals.isEmpty() && isAllowed()) take();
        await writePending(wait);
        const { entries, requests, lost } = totals;
        return {
          summary: {
            entries_total: entries,
            requests_total: requests,
            lost_total: lost,
            waiting: !refusals.isEmpty(),
          },
        };
      },
    },
    async writeRest(log) {
      try {
        const signal = clock.timeout(STOP_TIMEOUT_MS);
        await writePending({ log, signal });
        take();
        await writePending({ log, signal });
      } catch (err) {
        log.warn({ err }, 'the last refused requests are not recorded');
      }
    },
  };
};
