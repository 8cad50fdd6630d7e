/** Follows a release until enough sleds hold it, as `repo wait`, `repo upload --wait` and the demo do. */
import type { ReleaseReplication } from '../../api/operator-fleet-api.ts';
import type { SystemVersion } from '../../core/ids.ts';
import { DepotError, errorCodeOf, isOfDatabase, messageChain } from '../../lib/errors.ts';
import type { Depot } from '../connection/depot-client.ts';
import { createLiveRegion } from '../output/live-region.ts';
import { formatDuration } from '../output/quantities.ts';
import { reasonLines } from '../output/reasons.ts';
import { replicationLine, sledProgressLines } from '../output/replication.ts';
import { printable } from '../output/style.ts';
import type { Session } from '../session/session.ts';

export type WaitGoal = 'safe' | 'complete';

/** Between two polls of the release. */
const POLL_MS = 500;
/** Nexus may be restarting: the wait is given up only when it has not answered for this long. */
const UNREACHABLE_GRACE_MS = 15_000;

export type WaitOutcome = {
  readonly kind: 'reached' | 'failed' | 'timed_out';
  readonly release: ReleaseReplication;
  readonly elapsedMs: number;
};

/** Follows a release until the goal is reached, and shows its progress. */
export const waitForRelease = async (
  session: Session,
  depot: Depot,
  { version, goal, timeoutMs }: { version: SystemVersion; goal: WaitGoal; timeoutMs: number | undefined },
): Promise<WaitOutcome> => {
  const { clock, terminal } = session;
  const startMs = clock.monotonicMs();
  const region = createLiveRegion(terminal, clock);
  let answeredAtMs = startMs;
  let release: ReleaseReplication | undefined;
  try {
    for (;;) {
      const answer = await depot.fleet
        .releaseReplication({ params: { system_version: version } })
        .catch((error: unknown) => {
          if (isOfDatabase(error)) {
            // Nexus is alive, and continues with its database.
            answeredAtMs = clock.monotonicMs();
            region.show(
              () => [printable(messageChain(error))],
              () => printable(messageChain(error)),
            );
            return undefined;
          }
          if (errorCodeOf(error) !== 'PEER_UNREACHABLE') throw error;
          if (clock.monotonicMs() - answeredAtMs > UNREACHABLE_GRACE_MS) throw error;
          return undefined;
        });
      const elapsedMs = clock.monotonicMs() - startMs;
      if (answer !== undefined) {
        release = answer;
        answeredAtMs = clock.monotonicMs();
        if (goal === 'safe' ? answer.safe : answer.complete)
          return { kind: 'reached', release: answer, elapsedMs };
        if (answer.state === 'failed') return { kind: 'failed', release: answer, elapsedMs };
        region.show(
          () => [
            ...sledProgressLines(answer.sleds, terminal.noteStyle),
            ...reasonLines(answer.reasons, terminal.noteStyle, clock.nowMs(), answer.reason_totals),
          ],
          () => replicationLine(answer),
        );
      }
      if (timeoutMs !== undefined && elapsedMs >= timeoutMs) {
        if (release !== undefined) return { kind: 'timed_out', release, elapsedMs };
        throw new DepotError('PEER_UNREACHABLE', `Nexus did not answer within ${formatDuration(timeoutMs)}`);
      }
      await clock.sleep(Math.min(POLL_MS, Math.max(1, (timeoutMs ?? POLL_MS) - elapsedMs)), {
        signal: session.signal,
      });
    }
  } finally {
    region.close();
  }
};
