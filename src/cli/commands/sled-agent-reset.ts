import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type ResetOptions = CommonOptions & { readonly config: string; readonly giveUp: readonly string[] };

export const addSledAgentReset = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('reset')
      .description(
        'on the machine of a sled, with its agent stopped: start over without a config. No file is deleted, and artifacts of the abandoned configs stay until a recovery has decided on them',
      )
      .requiredOption('--config <file>', 'sled-agent.toml')
      .option(
        '--give-up <point>',
        'GENERATION:DIGEST, or a prefix of it, of an abandoned config: artifacts that it alone lists may be deleted; may be repeated',
        (name: string, before: readonly string[]) => [...before, name],
        [],
      ),
    'tuf-depot sled-agent reset --config /etc/tuf-depot/sled-agent.toml',
  ).action(async (options: ResetOptions) => {
    const { keptPointText, resetSled } = await import('../../sled-agent/reset.ts');
    const configPath = resolve(session.directory, options.config);
    const outcome = await resetSled(configPath, { giveUp: options.giveUp });
    const { incarnationId, kept, givenUp } = outcome;
    present(session, options, outcome, () => [
      `The sled has a new incarnation, ${incarnationId}. No file was deleted. Start its agent again.`,
      ...(kept.length === 0
        ? []
        : [
            'The artifacts of these configs are kept until a recovery has decided on them:',
            ...kept.map(each => `  ${keptPointText(each)}`),
          ]),
      ...(givenUp.length === 0 ? [] : ['Given up:', ...givenUp.map(each => `  ${keptPointText(each)}`)]),
    ]);
  });
};
