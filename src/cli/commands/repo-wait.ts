import type { Command } from 'commander';
import type { ReleaseReplication } from '../../api/operator-fleet-api.ts';
import type { SystemVersion } from '../../core/ids.ts';
import { DepotError, errorCodeOf, isOfDatabase, messageChain } from '../../lib/errors.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection.ts';
import { type Depot, withDepot } from '../depot-client.ts';
import { exitCodes } from '../exit-code.ts';
import { usageError } from '../output/failure.ts';
import { createLiveRegion } from '../output/live-region.ts';
import { formatDuration } from '../output/quantities.ts';
import { reasonLines } from '../output/reasons.ts';
import { replicationLine, sledProgressLines } from '../output/replication.ts';
import { printable } from '../output/style.ts';
import { present, type Session } from '../session.ts';
import { parseVersion } from '../versions.ts';

export type WaitGoal = 'safe' | 'complete';

/** Between two looks at the release. */
const POLL_MS = 500;
/** Nexus may be restarting: a release is given up only when it has not answered for this long. */
const UNREACHABLE_GRACE_MS = 15_000;

type WaitOptions = RemoteOptions & { readonly for: string; readonly timeout?: string };

export const addRepoWait = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('wait')
      .description(
        'wait until a release is replicated; exits 0 when it is, 1 when it has failed, 3 when time is up',
      )
      .argument('<version>', 'system version of the release')
      .option(
        '--for <goal>',
        'safe: enough sleds hold all of it; complete: every in-service sled does',
        'complete',
      )
      .option('--timeout <seconds>', 'how long to wait at most'),
    'tuf-depot repo wait 1.2.0 --for safe --timeout 600',
  ).action(async (version: string, options: WaitOptions) => {
    const goal = parseGoal(options.for);
    const timeoutMs = options.timeout === undefined ? undefined : parseTimeout(options.timeout);
    const systemVersion = parseVersion(version);
    const outcome = await withDepot(session, options, depot =>
      waitForRelease(session, depot, { version: systemVersion, goal, timeoutMs }),
    );
    reportWait(session, options, outcome, goal);
  });
};

export type WaitOutcome = {
  readonly kind: 'reached' | 'failed' | 'timed_out';
  readonly release: ReleaseReplication;
  readonly elapsedMs: number;
};

/** Follows a release until the goal is reached, showing how far it is. */
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
            // Nexus is there, and goes on with its database.
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
            ...reasonLines(answer.reasons, terminal.noteStyle, clock.nowMs()),
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

/** Prints the outcome, with `more` in its JSON, and sets the exit code. */
export const reportWait = (
  session: Session,
  options: RemoteOptions,
  { kind, release, elapsedMs }: WaitOutcome,
  goal: WaitGoal,
  more: Readonly<Record<string, unknown>> = {},
): void => {
  const { terminal } = session;
  const data = { ...more, outcome: kind, elapsed_ms: Math.round(elapsedMs), replication: release };
  present(session, options, data, () => [
    kind === 'reached'
      ? `${release.system_version} is ${goal}: whole on ${release.sleds_holding_all} of ${release.sleds_in_service} sleds ` +
        `(${formatDuration(elapsedMs)})`
      : replicationLine(release),
  ]);
  if (kind === 'reached') return;
  terminal.note(
    kind === 'failed'
      ? `${terminal.noteStyle.bad('error:')} ${release.system_version} has failed: no copy of an artifact is left`
      : `${terminal.noteStyle.bad('error:')} ${release.system_version} is not ${goal} after ${formatDuration(elapsedMs)}`,
  );
  for (const line of reasonLines(release.reasons, terminal.noteStyle, session.clock.nowMs()))
    terminal.note(line);
  if (kind === 'failed') terminal.note(`${terminal.noteStyle.accent('fix:')} upload the same archive again`);
  session.exit(kind === 'failed' ? exitCodes.failed : exitCodes.timedOut);
};

const parseGoal = (text: string): WaitGoal => {
  if (text === 'safe' || text === 'complete') return text;
  throw usageError(`--for ${text} is not a goal`, 'use --for safe or --for complete');
};

const parseTimeout = (text: string): number => {
  const seconds = Number(text);
  if (text.trim() !== '' && Number.isFinite(seconds) && seconds >= 0) return seconds * 1000;
  throw usageError(`--timeout ${text} is not a number of seconds`);
};
