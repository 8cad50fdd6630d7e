import type { Command } from 'commander';
import type { ReleaseReplication } from '../../api/operator-fleet-api.ts';
import type { ReleaseArtifactView, TufRepo } from '../../api/operator-update-api.ts';
import { shortHash } from '../../core/facts/phrase.ts';
import { parseVersion } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { textOf } from '../output/newer-words.ts';
import { formatAge, formatBytes } from '../output/quantities.ts';
import { reasonLines } from '../output/reasons.ts';
import { arrivalText, sledProgressLines } from '../output/replication.ts';
import { stateStyle } from '../output/state.ts';
import { printable } from '../output/style.ts';
import { factLines, tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

export const addRepoShow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('show')
      .description('one release: its artifacts, and the progress of each sled')
      .argument('<version>', 'system version of the release'),
    'tuf-depot repo show 1.2.0',
  ).action(async (version: string, options: RemoteOptions) => {
    const params = { system_version: parseVersion(version) };
    const view = await withDepot(session, options, async depot => ({
      repo: await depot.updates.repositoryView({ params }),
      replication: await depot.fleet.releaseReplication({ params }),
      artifacts: await depot.releaseArtifacts(params.system_version),
    }));
    present(session, options, view, () => releaseLines(session, view));
  });
};

const releaseLines = (
  { terminal, clock }: Session,
  view: {
    repo: TufRepo;
    replication: ReleaseReplication;
    artifacts: readonly ReleaseArtifactView[];
  },
): string[] => {
  const { repo, replication, artifacts } = view;
  const style = terminal.outStyle;
  const nowMs = clock.nowMs();
  const facts = factLines(
    [
      ['release', style.bold(repo.system_version)],
      ['file', printable(repo.file_name)],
      [`${repo.hash_kind ?? 'archive'} SHA-256`, repo.hash],
      ['uploaded', `${repo.time_created} (${formatAge(Date.parse(repo.time_created), nowMs)})`],
      ['size', repo.total_size_bytes === undefined ? undefined : formatBytes(repo.total_size_bytes)],
      [
        'state',
        `${stateStyle(style, replication.state)(replication.state)}; whole on ${replication.sleds_holding_all} of ` +
          `${replication.sleds_in_service} sleds, safe from ${replication.min_sled_replication}`,
      ],
      ['arriving', arrivalText(replication)],
      ['bundle', replication.bundle && bundleText(replication.bundle)],
      ...(repo.left_out ?? []).map(({ message }) => ['left out', printable(message)] as const),
    ],
    style,
  );
  const table = tableLines(
    artifacts,
    [
      { title: 'ARTIFACT', cell: artifact => artifact.target_name, paint: style.bold },
      { title: 'VERSION', cell: artifact => artifact.version },
      { title: 'SIZE', cell: artifact => formatBytes(artifact.size_bytes), align: 'right' },
      { title: 'SHA-256', cell: artifact => shortHash(artifact.sha256), paint: style.dim },
      { title: 'TAGS', cell: artifact => tagText(artifact.tags) },
    ],
    { style, width: terminal.outColumns() },
  );
  return [
    ...facts,
    ...reasonLines(replication.reasons, style, nowMs, replication.reason_totals),
    '',
    ...sledProgressLines(replication.sleds, style),
    '',
    ...table,
  ];
};

const COVERAGE = {
  signed: 'signatures cover every artifact',
  partly: 'signatures cover some of its artifacts',
  unsigned: 'no signature covers its artifacts',
} as const;

const bundleText = ({ sha256, kind, exempted }: NonNullable<ReleaseReplication['bundle']>): string =>
  `${sha256}: ${textOf(COVERAGE, kind)}${exempted ? '; exempted by an admin' : ''}`;

const tagText = (tags: Readonly<Record<string, string>>): string =>
  Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
