import type { Command } from 'commander';
import type { FleetStatus } from '../../api/operator-fleet-api.ts';
import { plural } from '../../core/facts/phrase.ts';
import { Verdict } from '../../core/facts/reason.ts';
import { newestFirst } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { formatAge, formatBytes, formatPercent } from '../output/quantities.ts';
import { reasonLines } from '../output/reasons.ts';
import { stateColumn, stateStyle } from '../output/state.ts';
import { factLines, tableLines } from '../output/table.ts';
import { type ExitCode, exitCodes } from '../session/exit-code.ts';
import { present, type Session } from '../session/session.ts';

/** So that a monitor needs no parsing. */
const verdictExitCodes: Record<Verdict, ExitCode> = {
  ok: exitCodes.ok,
  failed: exitCodes.failed,
  converging: exitCodes.converging,
  degraded: exitCodes.degraded,
};

/** A verdict that this version does not know is not taken for a good one. */
const exitCodeOf = (verdict: FleetStatus['verdict']): ExitCode => {
  const known = Verdict.safeParse(verdict).data;
  return known === undefined ? exitCodes.failed : verdictExitCodes[known];
};

export const addStatus = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('status')
      .description(
        'one verdict on the fleet, with a reason for everything that is wrong or unfinished; ' +
          'exits with 0 ok, 4 converging, 5 degraded, 1 failed or no answer',
      ),
    'tuf-depot status',
  ).action(async (options: RemoteOptions) => {
    const status = await withDepot(session, options, depot => depot.fleet.fleetStatus());
    present(session, options, status, () => statusLines(session, status));
    session.exit(exitCodeOf(status.verdict));
  });
};

/** A Nexus of an older version does not report the age of its facts: it reads the database for each answer. */
const hasRead = ({ database }: FleetStatus): boolean =>
  database === undefined || database.time_read !== undefined;

const databaseText = ({ database }: FleetStatus, nowMs: number): string | undefined => {
  if (database === undefined || database.state === 'answers') return undefined;
  const { time_unavailable_since: since, time_read: read } = database;
  const outage = since === undefined ? '' : `, first seen ${formatAge(Date.parse(since), nowMs)}`;
  const age = read === undefined ? 'never read' : `last read ${formatAge(Date.parse(read), nowMs)}`;
  return `unavailable${outage}; ${age}`;
};

const statusLines = ({ terminal, clock }: Session, status: FleetStatus): string[] => {
  const style = terminal.outStyle;
  const nowMs = clock.nowMs();
  const { sleds, nexuses } = status;
  const facts = factLines(
    [
      ['verdict', style.bold(stateStyle(style, status.verdict)(status.verdict))],
      [
        'sleds',
        `${sleds.answering} of ${sleds.in_service} in service answer` +
          (sleds.expunged === 0 ? '' : `, ${sleds.expunged} expunged`),
      ],
      [
        'nexuses',
        !hasRead(status)
          ? undefined
          : `${nexuses.alive} alive${nexuses.silent === 0 ? '' : `, ${nexuses.silent} silent`}`,
      ],
      ['database', databaseText(status, nowMs)],
      ['generation', hasRead(status) ? String(status.generation) : 'not read yet'],
      ['safe from', plural(status.min_sled_replication, 'sled')],
      [
        'local repos',
        `${status.local_repos}${status.local_repos_not_safe === 0 ? '' : `, ${status.local_repos_not_safe} not yet safe on sleds`}`,
      ],
      ['uploads', status.uploads_in_progress === 0 ? undefined : `${status.uploads_in_progress} in progress`],
      ['deferred', status.requests_deferred === 0 ? undefined : plural(status.requests_deferred, 'request')],
      [
        'observed',
        status.time_observed === undefined ? 'not yet' : formatAge(Date.parse(status.time_observed), nowMs),
      ],
    ],
    style,
  );
  const releases = tableLines(
    newestFirst(status.releases, release => release.system_version),
    [
      { title: 'RELEASE', cell: release => release.system_version, paint: style.bold },
      stateColumn(style, 'STATE', release => release.state),
      {
        title: 'WHOLE ON',
        cell: release => `${release.sleds_holding_all}/${release.sleds_in_service} sleds`,
      },
      { title: 'COPIES', cell: release => `${release.copies_held}/${release.copies_wanted}`, align: 'right' },
      {
        title: 'BYTES',
        cell: release =>
          `${formatBytes(release.bytes_held)} of ${formatBytes(release.bytes_wanted)} ` +
          `(${formatPercent(release.bytes_held, release.bytes_wanted)})`,
        align: 'right',
      },
    ],
    { style, width: terminal.outColumns() },
  );
  return [
    ...facts,
    ...reasonLines(status.reasons, style, nowMs, status.reason_totals),
    ...(status.releases.length === 0 ? ['', 'No releases.'] : ['', ...releases]),
  ];
};
