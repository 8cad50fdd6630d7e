import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { AllowedDeletions } from '../../sled-agent/allow-deletion.ts';
import { formatBytes, formatDuration } from '../output/quantities.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type AllowOptions = CommonOptions & { readonly config: string; readonly apply?: true };

const MAX_SHOWN = 10;

export const addSledAgentAllowDeletion = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('allow-deletion')
      .description(
        'on the machine of a sled, while its agent runs or not: show the deletions that its limit holds up, and with --apply allow them; the agent then deletes them within a minute',
      )
      .requiredOption('--config <file>', 'sled-agent.toml')
      .option('--apply', 'allow them; without it nothing changes'),
    'tuf-depot sled-agent allow-deletion --config /etc/tuf-depot/sled-agent.toml',
  ).action(async (options: AllowOptions) => {
    const { allowDeletions } = await import('../../sled-agent/allow-deletion.ts');
    const configPath = resolve(session.directory, options.config);
    const outcome = await allowDeletions(configPath, { apply: options.apply === true });
    present(session, options, outcome, () => allowedLines(outcome));
  });
};

const allowedLines = ({ artifacts, isAllowed }: AllowedDeletions): string[] => {
  if (artifacts.length === 0)
    return ['No deletion is held up by the limit of this sled. Nothing was changed.'];
  const bytes = artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const more = artifacts.length - MAX_SHOWN;
  return [
    `The limit of this sled holds up the deletion of ${artifacts.length} artifact${artifacts.length === 1 ? '' : 's'}, ${formatBytes(bytes)}:`,
    ...artifacts
      .slice(0, MAX_SHOWN)
      .map(
        ({ sha256, sizeBytes, remainingMs }) =>
          `  ${sha256.slice(0, 16)} ${formatBytes(sizeBytes)}, deleted by itself in ${formatDuration(remainingMs)}`,
      ),
    ...(more > 0 ? [`  and ${more} more`] : []),
    isAllowed
      ? 'They are allowed. The agent deletes them within a minute while it runs, unless a release lists them again.'
      : 'Nothing was changed. Run it again with --apply to allow them.',
  ];
};
