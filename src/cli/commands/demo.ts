import type { Command } from 'commander';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import { DEFAULT_FLEET_SIZE, MAX_NEXUSES, MAX_SLEDS } from '../../local-fleet/fleet-size.ts';
import { parseAmount } from '../arguments/amount.ts';
import type { DemoOutcome } from '../demo/demo.ts';
import { createNarrator, type Narrator } from '../demo/narrator.ts';
import { formatBytes, formatDuration, formatPercent } from '../output/quantities.ts';
import { type CommonOptions, type Session, withCommonOptions } from '../session/session.ts';
import { aborted, fleetData } from './start.ts';

type DemoCommandOptions = CommonOptions & {
  readonly release?: string;
  readonly sleds?: string;
  readonly nexuses?: string;
  readonly keep?: true;
};

export const addDemo = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('demo')
      .description(
        'the life of a release on a local fleet of real processes; exits with 0 only if every step held',
      )
      .option(
        '--release <file>',
        "your own release archive instead of one made for the demo; trusts the archive's own root",
      )
      .option('--sleds <number>', `sled agents, with two datasets each (${DEFAULT_FLEET_SIZE.sleds})`)
      .option('--nexuses <number>', `Nexus instances (${DEFAULT_FLEET_SIZE.nexuses})`)
      .option('--keep', 'at the end, leave the fleet running until Ctrl-C'),
    'tuf-depot demo --sleds 6 --nexuses 2',
  ).action(async (options: DemoCommandOptions) => {
    const { DEMO_STEPS, runDemo } = await import('../demo/demo.ts');
    const { clock } = session;
    const startMs = clock.monotonicMs();
    const narrator = createNarrator(session, { json: options.json === true, steps: DEMO_STEPS });
    const demoOptions = {
      nexuses: parseAmount(options.nexuses, '--nexuses', MAX_NEXUSES) ?? DEFAULT_FLEET_SIZE.nexuses,
      sleds: parseAmount(options.sleds, '--sleds', MAX_SLEDS) ?? DEFAULT_FLEET_SIZE.sleds,
      userFile: options.release,
    };
    let told: DemoOutcome | undefined;
    await runDemo(session, narrator, demoOptions, async (outcome, running) => {
      told = outcome;
      if (options.keep === true) await keepRunning(running, narrator, outcome);
    }).catch((error: unknown) => {
      throw withoutLogFile(error);
    });
    if (told === undefined) return;
    const elapsedMs = Math.round(clock.monotonicMs() - startMs);
    if (options.json === true)
      session.terminal.print(JSON.stringify(outcomeData(told, narrator, elapsedMs), undefined, 2));
    else tellOutcome(told, narrator, elapsedMs);
  });
};

/** The demo's directory, and the log that the error names, are deleted; the end of the log is in the message. */
const withoutLogFile = (error: unknown): unknown =>
  errorCodeOf(error) === 'CHILD_FAILED'
    ? new DepotError('CHILD_FAILED', 'the demo failed', {
        cause: error,
        detail: { remedy: 'run a fleet that keeps its logs: tuf-depot start --data DIRECTORY' },
      })
    : error;

const keepRunning = async (session: Session, narrator: Narrator, { fleet }: DemoOutcome): Promise<void> => {
  narrator.say('');
  narrator.say(narrator.style.bold('The fleet keeps running until Ctrl-C. From this folder:'));
  narrator.say(`./tuf-depot status --data ${fleet.paths.root}`);
  narrator.say(`token  ${fleet.paths.tokenFile}`);
  for (const { name, operatorUrl } of fleet.nexuses) narrator.say(`${name}  ${operatorUrl}/`);
  for (const { datasets } of fleet.sleds) for (const dataset of datasets) narrator.say(dataset);
  await aborted(session.signal);
  // Ctrl-C is a normal end; a process that died is not.
  if (!(session.signal.reason instanceof Error) || session.signal.reason.name !== 'AbortError')
    session.signal.throwIfAborted();
};

const tellOutcome = (
  { transfers, removed, hashedBytes }: DemoOutcome,
  narrator: Narrator,
  elapsedMs: number,
): void => {
  const { style, say } = narrator;
  const total = transfers.byNexusBytes + transfers.byPeersBytes;
  say('');
  say(
    `${style.good(style.bold('All of it held.'))} ${formatPercent(transfers.byPeersBytes, total)} of the bytes came from other sleds,`,
  );
  say(`${formatBytes(hashedBytes)} were hashed on disk, ${removed} artifacts were removed.`);
  say(style.dim(`Everything is stopped and cleaned up after ${formatDuration(elapsedMs)}.`));
};

const outcomeData = (
  { fleet, releases, transfers, removed, hashedBytes }: DemoOutcome,
  narrator: Narrator,
  elapsedMs: number,
) => ({
  ok: true,
  elapsed_ms: elapsedMs,
  timings_ms: narrator.timings(),
  releases: Object.values(releases).map(({ version, sizeBytes, artifacts }) => ({
    system_version: version,
    size_bytes: sizeBytes,
    artifacts: [...artifacts.values()].map(artifact => ({
      sha256: artifact.sha256,
      size_bytes: artifact.sizeBytes,
      target_name: artifact.targetName,
    })),
  })),
  bytes_from_nexus: transfers.byNexusBytes,
  bytes_from_sleds: transfers.byPeersBytes,
  bytes_hashed: hashedBytes,
  artifacts_removed: removed,
  fleet: fleetData(fleet),
});
