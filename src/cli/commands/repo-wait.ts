import type { Command } from 'commander';
import { parseVersion } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { usageError } from '../output/failure.ts';
import { formatDuration } from '../output/quantities.ts';
import { reasonLines } from '../output/reasons.ts';
import { replicationLine } from '../output/replication.ts';
import { exitCodes } from '../session/exit-code.ts';
import { present, type Session } from '../session/session.ts';
import { type WaitGoal, type WaitOutcome, waitForRelease } from '../upload/wait-for-release.ts';

type WaitOptions = RemoteOptions & { readonly for: string; readonly timeout?: string };

export const addRepoWait = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('wait')
      .description(
        'wait until a release is replicated; exits with 0 when it is, 1 when it has failed, 3 on a timeout',
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
  for (const line of reasonLines(
    release.reasons,
    terminal.noteStyle,
    session.clock.nowMs(),
    release.reason_totals,
  ))
    terminal.note(line);
  session.exit(kind === 'failed' ? exitCodes.failed : exitCodes.timedOut);
};

const parseGoal = (text: string): WaitGoal => {
  if (text === 'safe' || text === 'complete') return text;
  throw usageError(`--for ${text} is not a goal`, 'use --for safe or --for complete');
};

const parseTimeout = (text: string): number => {
  const seconds = Number(text);
  if (text.trim() !== '' && Number.isFinite(seconds) && seconds >= 0) return seconds * 1000;
  throw usageError(`--timeout ${text} is not a number of seconds`, 'give a number such as 600');
};
