/**
 * Waiting for a database at a start, of a Nexus or of a migration.
 *
 * WD1. A start waits for a database that does not answer, or of which only a standby answers; any other error ends the start
 *      (S14: another schema version).
 */
import type { Rng } from '../../core/rng.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { isOfDatabase, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';

/** Short, so that a whole fleet that starts is up as soon as its database is. */
const RETRY = { firstMs: 250, maxMs: 10_000 };

/**
 * Repeats `attempt` until the database answers (WD1).
 *
 * @param call.giveUpAfterMs when the last error is thrown after all; by default never
 */
export const waitForDatabase = async <T>(
  attempt: () => Promise<T>,
  { clock, rng, log, waitsFor }: { clock: Clock; rng: Rng; log: Logger; waitsFor: (reason: string) => void },
  { signal, giveUpAfterMs }: { signal: AbortSignal; giveUpAfterMs?: number },
): Promise<T> => {
  const startMs = clock.monotonicMs();
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || !isOfDatabase(error)) throw error;
      if (giveUpAfterMs !== undefined && clock.monotonicMs() - startMs >= giveUpAfterMs) throw error;
      waitsFor(messageChain(error));
      log.warn({ err: error, failures }, 'waiting for the database');
    }
    await clock.sleep(backoffMs(failures, RETRY, rng.next()), { signal });
  }
};
