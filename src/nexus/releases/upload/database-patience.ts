/**
 * How an upload waits for the database, so that an outage does not discard received bytes.
 *
 *     attempt ─┬─ answered, or a verdict ─▶ out
 *              └─ no answer ─▶ waiting, with its reason ─▶ back-off, or the database's next answer ─▶ attempt
 *
 * DP1. An attempt is repeated only while the database is away; its verdict ends the upload at once.
 * DP2. The waits of one upload together are limited to {@link PatienceLimits.waitMs}: then it fails with the last error of
 *      the database.
 * DP3. After an uncertain COMMIT there is no such limit, and only a verdict ends the wait: the database may list the archive,
 *      so the archive stays until the outcome is certain (P4).
 */
import type { Rng } from '../../../core/rng.ts';
import { backoffMs } from '../../../lib/backoff.ts';
import type { Clock } from '../../../lib/clock.ts';
import { DepotError, errorCodeOf, findDepotError, isOfDatabase, messageChain } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { DatabaseWatch } from '../../datastore/database-watch.ts';

/** Short at first, as a failover takes seconds; an answer to any other call ends a wait early. */
const RETRY = { firstMs: 500, maxMs: 15_000 };
/** Before the next answer ends a wait: a database that answers others but not this upload is not asked in a loop. */
const LEAST_WAIT_MS = 250;

export type PatienceLimits = {
  /** For all the waits of one upload together. */
  readonly waitMs: number;
};

export type DatabaseWait = {
  readonly sinceMs: number;
  /** Undefined while a commit is uncertain (DP3). */
  readonly untilMs: number | undefined;
  /** The last error of the database. */
  readonly message: string;
};

export type Patience = {
  readonly run: <T>(attempt: () => Promise<T>, options: { signal: AbortSignal }) => Promise<T>;
  /** A COMMIT was sent, and no verdict has come since (DP3). */
  readonly isUncertain: () => boolean;
  /** For how long the upload has waited. */
  readonly waitedMs: () => number;
};

type Deps = {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly watch: Pick<DatabaseWatch, 'waitForAnswer'>;
  readonly log: Logger;
};

/** @param onWait called for each wait, and with undefined when one is over */
export const createPatience = (
  deps: Deps,
  { waitMs }: PatienceLimits,
  onWait: (wait: DatabaseWait | undefined) => void,
): Patience => {
  const { clock, rng, watch, log } = deps;
  let isUncertain = false;
  let waitedMs = 0;

  /** Waits after the n-th failure in a row; throws a failure that must not be repeated. */
  const waitAfter = async (error: unknown, failures: number, sinceMs: number, signal: AbortSignal) => {
    if (errorCodeOf(error) === 'COMMIT_UNCERTAIN') isUncertain = true;
    if (isUncertain && isVerdict(error)) isUncertain = false;
    if (signal.aborted || !(isUncertain || isOfDatabase(error))) throw error;
    if (!isUncertain && waitedMs >= waitMs) throw gaveUp(waitMs, error);
    const untilMs = isUncertain ? undefined : clock.nowMs() + waitMs - waitedMs;
    onWait({ sinceMs, untilMs, message: messageChain(error) });
    if (failures === 1) log.warn({ err: error }, 'upload waits for the database');
    const beganMs = clock.monotonicMs();
    await clock.sleep(LEAST_WAIT_MS, { signal });
    await watch.waitForAnswer(backoffMs(failures, RETRY, rng.next()) - LEAST_WAIT_MS, { signal });
    waitedMs += clock.monotonicMs() - beganMs;
  };

  return {
    async run(attempt, { signal }) {
      const sinceMs = clock.nowMs();
      for (let failures = 1; ; failures += 1) {
        try {
          const answer = await attempt();
          isUncertain = false;
          if (failures > 1) onWait(undefined);
          return answer;
        } catch (error) {
          await waitAfter(error, failures, sinceMs, signal);
        }
      }
    },
    isUncertain: () => isUncertain,
    waitedMs: () => waitedMs,
  };
};

/** The database has decided; a bug of this program or a refused statement proves nothing about a commit. */
const isVerdict = (error: unknown): boolean => {
  const known = findDepotError(error);
  return (
    known !== undefined && known.code !== 'INTERNAL' && known.code !== 'SHUTTING_DOWN' && !isOfDatabase(error)
  );
};

const gaveUp = (waitMs: number, cause: unknown): DepotError =>
  new DepotError(
    'DATABASE_UNAVAILABLE',
    `the upload has waited ${Math.round(waitMs / 60_000)} min for the database, which is the limit; send the archive again`,
    { cause },
  );
