/**
 * A local fleet, for trials and development: real processes, real disks, loopback.
 *
 *     lock ─▶ PostgreSQL ─▶ migrate ─▶ Nexuses ─▶ sled agents ─▶ fleet.json ─▶ … ─▶ Nexuses ─▶ sled agents ─▶ PostgreSQL
 *
 * FL1. One launcher per data directory (P12).
 * FL2. Processes end in order: a Nexus before the sleds it talks to, PostgreSQL last. On a failed or interrupted
 *      start everything that was started is gone before the error is thrown.
 * FL3. A process that ends by itself is an error that names it and quotes the end of its log.
 * FL4. A later start on the same directory continues the fleet: same ids, same data, and the same ports if they are free.
 */
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileDurably } from '../lib/durable-file.ts';
import { endpointUrl, splitAddress } from '../lib/endpoint.ts';
import { DepotError, messageChain } from '../lib/errors.ts';
import { acquireExclusiveLock } from '../lib/exclusive-lock.ts';
import { createLogger } from '../lib/log.ts';
import { makeOperatorToken } from '../lib/operator-token.ts';
import { makeDirectories } from '../lib/real-disk.ts';
import { type Child, exitError, runChild, startChild } from './child-process.ts';
import { type FleetPaths, fleetPaths, fleetSizeOf, type SledPaths } from './data-directory.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres/embedded-postgres.ts';
import { type FleetIdentity, openFleetIdentity } from './fleet-identity.ts';
import { removeFleetRecord, writeFleetRecord } from './fleet-record.ts';
import { DEFAULT_FLEET_SIZE, minSledReplication } from './fleet-size.ts';
import { freeAddress, type RememberedPorts, readPorts, writePorts } from './ports.ts';
import { type Addresses, writeNexusConfig, writeSledConfig } from './process-config.ts';

const DEFAULT_NEXUS_PORTS: Addresses = ['127.0.0.1:12220', '127.0.0.1:12221'];

export type FleetOptions = {
  /** Absolute; made if absent. */
  readonly directory: string;
  /** Undefined: as many as the directory has had, or the default. */
  readonly nexuses: number | undefined;
  readonly sleds: number | undefined;
  /** How to call this program: the interpreter and the script. */
  readonly program: readonly [command: string, ...args: string[]];
  /** Whether to use the usual ports, and those of the last run, if they are free. */
  readonly stablePorts: boolean;
  /** Whether RSA signatures of PKCS#1 v1.5 count in every process of it; asked at each start. */
  readonly acceptsRsaPkcs1v15?: boolean;
  /** Receives each step, as a short phrase. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
};

type RunningNexus = {
  readonly name: string;
  readonly operatorUrl: string;
  readonly internalAddress: string;
  readonly pid: number;
};

type RunningSled = {
  readonly id: string;
  /** Its serial number. */
  readonly name: string;
  /** Directories. */
  readonly datasets: readonly string[];
  readonly depotUrl: string;
  readonly pid: number;
};

export type Fleet = {
  readonly paths: FleetPaths;
  /** The authority of its certificates, in PEM. */
  readonly authoritiesFile: string;
  readonly minSledReplication: number;
  readonly nexuses: readonly RunningNexus[];
  readonly sleds: readonly RunningSled[];
  /** Rejects with `CHILD_FAILED` when a process exits by itself; never resolves. */
  readonly failed: Promise<never>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** @throws `IN_USE_BY_PROCESS`, `EMBEDDED_POSTGRES`, `CHILD_FAILED`; the signal's reason */
export const startFleet = async (options: FleetOptions): Promise<Fleet> => {
  const { directory, onStep, signal } = options;
  const paths = fleetPaths(directory);
  await makeDirectories(paths.logs, { mode: 0o700 });
  await using undo = new AsyncDisposableStack();
  undo.use(await acquireExclusiveLock(directory));
  const size = await chooseSize(options);
  const minimum = minSledReplication(size.sleds);

  onStep('starting PostgreSQL');
  const postgres = undo.use(
    await startEmbeddedPostgres({
      dataDirectory: paths.postgres,
      log: createLogger({ name: 'launcher', level: 'silent' }),
      signal,
    }),
  );
  await ensureToken(paths.tokenFile);
  const identity = undo.use(
    await openFleetIdentity(paths, error =>
      onStep(`certificates were not renewed; the next day repeats it: ${messageChain(error)}`),
    ),
  );
  const ports = options.stablePorts ? await readPorts(paths.ports) : {};
  const children = undo.adopt([] as Child[], stopAll);
  const startOptions = { ...options, paths, identity, ports, children };

  onStep('starting Nexus');
  const nexuses = await startNexuses(size.nexuses, startOptions, {
    databaseUrl: postgres.connection,
    minSledReplication: minimum,
  });
  onStep('starting sled agents');
  const sleds = await startSleds(size.sleds, startOptions, nexuses);
  await writePorts(paths.ports, ports);
  await writeFleetRecord(directory, {
    pid: process.pid,
    operatorUrls: nexuses.map(nexus => nexus.operatorUrl),
    tokenFile: paths.tokenFile,
    authoritiesFile: identity.authoritiesFile,
    minSledReplication: minimum,
  });
  undo.defer(() => removeFleetRecord(directory));

  const owned = undo.move();
  const watch = watchProcesses(children, postgres);
  return {
    paths,
    authoritiesFile: identity.authoritiesFile,
    minSledReplication: minimum,
    nexuses,
    sleds,
    failed: watch.failed,
    async [Symbol.asyncDispose]() {
      watch.stopping();
      await owned.disposeAsync();
    },
  };
};

const chooseSize = async ({
  directory,
  nexuses,
  sleds,
}: FleetOptions): Promise<{ nexuses: number; sleds: number }> => {
  const seen = await fleetSizeOf(directory);
  const choose = (asked: number | undefined, had: number, fallback: number, what: string): number => {
    if (asked !== undefined && asked < had) {
      throw new DepotError('USAGE', `the fleet in ${directory} has ${had} ${what}, not ${asked}`, {
        detail: { remedy: `start it with at least ${had}, or use another data directory` },
      });
    }
    return asked ?? (had > 0 ? had : fallback);
  };
  return {
    nexuses: choose(nexuses, seen.nexuses, DEFAULT_FLEET_SIZE.nexuses, 'Nexuses'),
    sleds: choose(sleds, seen.sleds, DEFAULT_FLEET_SIZE.sleds, 'sleds'),
  };
};

/** Made here rather than by a Nexus, since several share it. */
const ensureToken = async (path: string): Promise<void> => {
  if ((await stat(path).catch(() => undefined)) !== undefined) return;
  await writeFileDurably(path, `${makeOperatorToken()}\n`, { mode: 0o600 });
};

type StartOptions = FleetOptions & {
  readonly paths: FleetPaths;
  readonly identity: FleetIdentity;
  /** Filled with the bound addresses. */
  readonly ports: RememberedPorts;
  readonly children: Child[];
};

const NexusReady = z.object({ operator_address: z.string(), internal_address: z.string() });
const SledReady = z.object({ sled_id: z.string(), agent_address: z.string(), depot_address: z.string() });

const startNexuses = async (
  amount: number,
  options: StartOptions,
  config: { databaseUrl: string; minSledReplication: number },
): Promise<RunningNexus[]> => {
  const { paths, identity, ports, children, signal } = options;
  const started: RunningNexus[] = [];
  for (let number = 1; number <= amount; number += 1) {
    const nexus = paths.nexus(number);
    await makeDirectories(nexus.staging, { mode: 0o700 });
    const usual = options.stablePorts && number === 1 ? DEFAULT_NEXUS_PORTS : undefined;
    const wanted = ports[nexus.name] ?? usual;
    const listen: Addresses = [await freeAddress(wanted?.[0]), await freeAddress(wanted?.[1])];
    await writeNexusConfig(nexus, paths, {
      ...{ ...config, listen, adminKeyFile: identity.adminKeyFile },
      acceptsRsaPkcs1v15: options.acceptsRsaPkcs1v15 === true,
      identity: await identity.nexus(nexus),
    });
    if (number === 1) await migrate(nexus.config, options);
    const child = await startChild(
      {
        ...processSpec(options, ['nexus', '--config', nexus.config]),
        name: nexus.name,
        logFile: nexus.log,
        readyFile: nexus.readyFile,
      },
      { signal },
    );
    children.push(child);
    const ready = NexusReady.parse(JSON.parse(child.ready));
    ports[nexus.name] = [ready.operator_address, ready.internal_address];
    started.push({
      name: nexus.name,
      operatorUrl: endpointUrl({ scheme: 'https', ...splitAddress(ready.operator_address) }),
      internalAddress: ready.internal_address,
      pid: child.pid,
    });
  }
  return started;
};

const migrate = (config: string, options: StartOptions): Promise<void> =>
  runChild(
    {
      name: 'the database migration',
      logFile: options.paths.migrationLog,
      ...processSpec(options, ['db', 'migrate', '--config', config]),
    },
    options,
  );

const startSleds = async (
  amount: number,
  options: StartOptions,
  nexuses: readonly RunningNexus[],
): Promise<RunningSled[]> => {
  const nexusAddresses = nexuses.map(nexus => nexus.internalAddress);
  const numbers = Array.from({ length: amount }, (_, index) => index + 1);
  // All have started or failed before the first failure is thrown: none is left behind (FL2).
  const outcomes = await Promise.allSettled(
    numbers.map(number => startSled(options.paths.sled(number), options, nexusAddresses)),
  );
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
};

const startSled = async (
  sled: SledPaths,
  options: StartOptions,
  nexusAddresses: readonly string[],
): Promise<RunningSled> => {
  const { identity, ports, children, signal } = options;
  for (const dataset of sled.datasets) await makeDirectories(dataset, { mode: 0o700 });
  const wanted = ports[sled.name];
  const listen: Addresses = [await freeAddress(wanted?.[0]), await freeAddress(wanted?.[1])];
  await writeSledConfig(sled, {
    ...{ adminKeyFile: identity.adminKeyFile, listen },
    acceptsRsaPkcs1v15: options.acceptsRsaPkcs1v15 === true,
    identity: await identity.sled(sled),
    nexusAddresses,
  });
  const child = await startChild(
    {
      ...processSpec(options, ['sled-agent', '--config', sled.config]),
      name: sled.name,
      logFile: sled.log,
      readyFile: sled.readyFile,
    },
    { signal },
  );
  children.push(child);
  const ready = SledReady.parse(JSON.parse(child.ready));
  ports[sled.name] = [ready.agent_address, ready.depot_address];
  return {
    id: ready.sled_id,
    name: sled.name,
    datasets: sled.datasets,
    depotUrl: endpointUrl({ scheme: 'https', ...splitAddress(ready.depot_address) }),
    pid: child.pid,
  };
};

/** A server stops when its standard input ends, so that it never outlives this process (CH2). */
const processSpec = (
  { program }: FleetOptions,
  args: readonly string[],
): { command: string; args: string[] } => {
  const [command, ...script] = program;
  const isServer = args[0] !== 'db';
  return { command, args: [...script, ...args, ...(isServer ? ['--stop-with-stdin'] : [])] };
};

/** In the order of starting, Nexuses first; each kind in parallel (FL2). */
const stopAll = async (children: readonly Child[]): Promise<void> => {
  const isNexus = (child: Child) => child.name.startsWith('nexus');
  await Promise.all(children.filter(isNexus).map(child => child.stop()));
  await Promise.all(children.filter(child => !isNexus(child)).map(child => child.stop()));
};

const watchProcesses = (
  children: readonly Child[],
  postgres: EmbeddedPostgres,
): { readonly failed: Promise<never>; readonly stopping: () => void } => {
  const expected = new AbortController();
  const failed = new Promise<never>((_, reject) => {
    for (const child of children) {
      void child.exited.then(async exit => {
        if (!expected.signal.aborted) reject(await exitError(child, exit));
      });
    }
    postgres.gone(expected).then(
      async () => reject(await exitError({ name: 'PostgreSQL', ...postgres }, { code: null, signal: null })),
      () => undefined,
    );
  });
  // A caller that does not wait for it sees the next failure instead.
  failed.catch(() => undefined);
  return {
    failed,
    stopping: () => expected.abort(),
  };
};
