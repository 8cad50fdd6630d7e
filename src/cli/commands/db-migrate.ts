import { resolve } from 'node:path';
import type { Command } from 'commander';
import { createLogger } from '../../lib/log.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type MigrateOptions = CommonOptions & { readonly config: string };

export const addDbMigrate = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('migrate')
      .description('migrate the database to the schema version of this tuf-depot; safe to repeat')
      .requiredOption('--config <file>', 'nexus.toml, for its database'),
    'tuf-depot db migrate --config /etc/tuf-depot/nexus.toml',
  ).action(async (options: MigrateOptions) => {
    const { readNexusSettings } = await import('../../nexus/process/config.ts');
    const { migrateWhenAvailable } = await import('../../nexus/datastore/migrate.ts');
    const config = await readNexusSettings(resolve(session.directory, options.config));
    const outcome = await migrateWhenAvailable({
      connection: config.databaseUrl,
      log: createLogger({ name: 'migrate', level: config.logLevel }),
      signal: session.signal,
      clock: session.clock,
      waitsFor: reason => session.terminal.note(`Waiting for the database: ${reason}`),
    });
    present(session, options, outcome, () => [
      outcome.from === outcome.to
        ? `The database has schema version ${outcome.to}; there is nothing to do.`
        : `The database went from schema version ${outcome.from} to ${outcome.to}.`,
    ]);
  });
};
