import { resolve } from 'node:path';
import type { Command } from 'commander';
import { plural } from '../../core/facts/phrase.ts';
import { DEFAULT_DATA_DIRECTORY } from '../../local-fleet/fleet-record.ts';
import { MAX_NEXUSES, MAX_SLEDS } from '../../local-fleet/fleet-size.ts';
import type { Fleet } from '../../local-fleet/launcher.ts';
import { parseAmount } from '../arguments/amount.ts';
import { formatDuration } from '../output/quantities.ts';
import { factLines } from '../output/table.ts';
import { programCommand } from '../program-path.ts';
import { Interruption } from '../session/exit-code.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type StartOptions = CommonOptions & {
  readonly data: string;
  readonly nexuses?: string;
  readonly sleds?: string;
  readonly acceptRsaPkcs1v15?: true;
};

export const addStart = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('start')
      .description('run a local fleet until Ctrl-C, and keep its data: the next start continues it')
      .option('--data <directory>', 'where it keeps its data', DEFAULT_DATA_DIRECTORY)
      .option('--sleds <number>', 'sled agents, with two datasets each (4, or as many as there were)')
      .option('--nexuses <number>', 'Nexus instances (1, or as many as there were)')
      .option(
        '--accept-rsa-pkcs1v15',
        'count RSA signatures of the scheme PKCS#1 v1.5 in every process of the fleet, until the next start',
      ),
    'tuf-depot start --sleds 6',
  ).action(async (options: StartOptions) => {
    const { startFleet } = await import('../../local-fleet/launcher.ts');
    const { terminal, clock, signal } = session;
    const startMs = clock.monotonicMs();
    try {
      await using fleet = await startFleet({
        directory: resolve(session.directory, options.data),
        nexuses: parseAmount(options.nexuses, '--nexuses', MAX_NEXUSES),
        sleds: parseAmount(options.sleds, '--sleds', MAX_SLEDS),
        program: programCommand(),
        stablePorts: true,
        acceptsRsaPkcs1v15: options.acceptRsaPkcs1v15 === true,
        onStep: step => terminal.note(terminal.noteStyle.dim(`${step} …`)),
        signal,
      });
      present(session, options, fleetData(fleet), () => [
        ...fleetLines(fleet, session, options.data),
        '',
        `Running (after ${formatDuration(clock.monotonicMs() - startMs)}) until Ctrl-C.`,
      ]);
      await Promise.race([fleet.failed, aborted(signal)]);
      terminal.note(terminal.noteStyle.dim('stopping …'));
    } catch (error) {
      // Ctrl-C is how a fleet is stopped.
      if (!(signal.reason instanceof Interruption) || error !== signal.reason) throw error;
    }
    terminal.note('stopped');
  });
};

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

export const fleetData = (fleet: Fleet) => ({
  data_directory: fleet.paths.root,
  token_file: fleet.paths.tokenFile,
  ca_file: fleet.authoritiesFile,
  min_sled_replication: fleet.minSledReplication,
  nexuses: fleet.nexuses.map(nexus => ({
    name: nexus.name,
    pid: nexus.pid,
    operator_url: nexus.operatorUrl,
    internal_address: nexus.internalAddress,
  })),
  sleds: fleet.sleds.map(sled => ({
    name: sled.name,
    id: sled.id,
    pid: sled.pid,
    depot_url: sled.depotUrl,
    datasets: sled.datasets,
  })),
});

const fleetLines = (fleet: Fleet, { terminal }: Session, data: string): string[] => {
  const style = terminal.outStyle;
  const option = data === DEFAULT_DATA_DIRECTORY ? '' : ` --data ${data}`;
  return [
    ...factLines(
      [
        ...fleet.nexuses.map(nexus => [nexus.name, `${style.bold(nexus.operatorUrl)}/`] as const),
        ['sleds', `${fleet.sleds.length}, with two datasets each`],
        ['token', fleet.paths.tokenFile],
        ['authority', fleet.authoritiesFile],
        ['data', fleet.paths.root],
        ['logs', fleet.paths.logs],
        ['safe from', `${plural(fleet.minSledReplication, 'sled')} (the smaller of 3 and the sleds started)`],
      ],
      style,
    ),
    '',
    'In another terminal, from this folder:',
    '  ./tuf-depot repo assemble --release 1.0.0 --key me.pem --out release.zip FILE…',
    `  ./tuf-depot trust-root add release.zip${option}`,
    `  ./tuf-depot repo upload release.zip --wait${option}`,
    `  ./tuf-depot status${option}`,
  ];
};
