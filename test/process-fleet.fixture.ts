/**
 * A fleet of real processes for the end-to-end tests: Nexus instances and sled agents on one test database.
 *
 * The tests see what an operator sees: the APIs, and the files on the sleds' disks.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'smol-toml';
import { debugApi } from '../src/api/debug-api.ts';
import { operatorAuditApi } from '../src/api/operator-audit-api.ts';
import { operatorFleetApi } from '../src/api/operator-fleet-api.ts';
import { operatorHistoryApi } from '../src/api/operator-history-api.ts';
import { operatorRecoveryApi } from '../src/api/operator-recovery-api.ts';
import { isReleaseUpload, operatorUpdateApi, type TufRepoUpload } from '../src/api/operator-update-api.ts';
import { sledAgentApi } from '../src/api/sled-agent-api.ts';
import { type ClientOptions, createApiClient, createDispatcher } from '../src/http/client.ts';
import { secureDispatcher } from '../src/http/peers.ts';
import { type TestFleetIdentity, testFleetIdentity } from '../src/identity/identity.fixture.ts';
import type { PeerKind } from '../src/identity/peer-identity.ts';
import { type Child, type Exit, startChild } from '../src/local-fleet/child-process.ts';
import type { TestDatabase } from '../src/nexus/datastore/database.fixture.ts';
import type { TestRelease } from '../src/signing/release.fixture.ts';

const PROGRAM = join(import.meta.dirname, '../src/cli/main.ts');
/** Far longer than any wait here takes; a test that waits longer fails. */
const PATIENCE_MS = 90_000;
/** A soak may take a night. */
const signal = AbortSignal.timeout(24 * 60 * 60_000);
export const wait = { signal };

type Toml = Record<string, unknown>;

export type TestProcess = {
  /** Starts or restarts it with the same directories. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** Sends SIGKILL and waits for the end; does nothing if it has ended. */
  readonly kill: () => Promise<void>;
  /** Resolves when it ends, for whatever reason. */
  readonly isRunning: () => boolean;
  /** Of a running one. */
  readonly pid: () => number;
  /** Resolves when a process that ends by itself has ended. */
  readonly ended: () => Promise<Exit>;
  readonly log: () => Promise<string>;
};

export type TestNexus = TestProcess & {
  readonly stagingDirectory: string;
  readonly operatorAddress: () => string;
  /** By which the command line reaches it, with a token. */
  readonly environment: () => Record<string, string>;
  /** Where sleds register. */
  readonly internalAddress: () => string;
  readonly update: ReturnType<typeof updateClient>;
  readonly fleet: ReturnType<typeof fleetClient>;
  readonly recovery: ReturnType<typeof recoveryClient>;
  readonly history: ReturnType<typeof historyClient>;
  readonly debug: ReturnType<typeof debugClient>;
  readonly audit: ReturnType<typeof auditClient>;
  readonly upload: (release: TestRelease) => Promise<TufRepoUpload>;
  readonly trust: (release: TestRelease) => Promise<void>;
};

export type TestSled = TestProcess & {
  readonly serial: string;
  readonly datasets: readonly string[];
  readonly agentAddress: () => string;
  /** As a Nexus of the fleet. */
  readonly agent: () => ReturnType<typeof agentClient>;
  readonly depotAddress: () => string;
};

/** The options of one sled. */
export type SledOptions = {
  /** A command that runs the agent's own, such as `ip netns exec NAME`. */
  readonly within?: readonly string[];
  /** Existing directories; by default two below the fleet's. */
  readonly datasets?: readonly string[];
  /** Keys of its configuration. */
  readonly config?: Toml;
};

export type TestFleet = {
  readonly directory: string;
  readonly database: Pick<TestDatabase, 'query'>;
  readonly nexuses: readonly TestNexus[];
  readonly sleds: readonly TestSled[];
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

const TOKEN = 'test-token-of-an-operator-0123456789';
const updateClient = (at: ClientOptions) => createApiClient(operatorUpdateApi, at);
const fleetClient = (at: ClientOptions) => createApiClient(operatorFleetApi, at);
const recoveryClient = (at: ClientOptions) => createApiClient(operatorRecoveryApi, at);
const historyClient = (at: ClientOptions) => createApiClient(operatorHistoryApi, at);
const auditClient = (at: ClientOptions) => createApiClient(operatorAuditApi, at);
const debugClient = (at: ClientOptions) => createApiClient(debugApi, at);

type ResolvedOptions = Omit<FleetOptions, 'identity'> & { readonly identity?: TestFleetIdentity | undefined };

type FleetOptions = {
  readonly nexuses?: number;
  readonly sleds: number;
  readonly minSledReplication: number;
  readonly nexusConfig?: Toml;
  /** Of `tuf_artifact_replication`. */
  readonly replication?: Toml;
  /** Of each sled agent's `limits`. */
  readonly sledLimits?: Toml;
  /** By number, from 1 on. */
  readonly sled?: (n: number) => SledOptions;
  /** By default one of its own, in the run's server. */
  readonly database?: Pick<TestDatabase, 'connection' | 'query'>;
  /** For Node, before the program: of each process by its name, `nexus-1` or `sled-1`. */
  readonly nodeArguments?: (name: string) => readonly string[];
  /** Of all processes; by default one of its own. `plain`: they speak plain HTTP, without identities. */
  readonly identity?: TestFleetIdentity | 'plain';
};

export const startTestFleet = async (given: FleetOptions): Promise<TestFleet> => {
  const identity = given.identity === 'plain' ? undefined : (given.identity ?? testFleetIdentity());
  const options = { ...given, identity };
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-e2e-'));
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  const database = options.database ?? undo.use(await createDatabase());
  await writeFile(join(directory, 'token'), `${TOKEN}\n`, { mode: 0o600 });

  const nexuses: ReturnType<typeof makeNexus>[] = [];
  for (let n = 1; n <= (options.nexuses ?? 1); n += 1) {
    const nexus = makeNexus(directory, n, database.connection, options);
    undo.defer(nexus.stop);
    await nexus.start();
    nexuses.push(nexus);
  }
  const internal = nexuses.map(nexus => nexus.internalAddress());
  const sleds = Array.from({ length: options.sleds }, (_, n) =>
    makeSled(directory, n + 1, internal, options),
  );
  for (const sled of sleds) undo.defer(sled.stop);
  await Promise.all(sleds.map(sled => sled.start()));
  const owned = undo.move();
  const fleet = { directory, database, nexuses, sleds, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  await until(
    async () => (await nexuses[0]!.fleet.sledList({ query: {} }, wait)).items.length === sleds.length,
  );
  return fleet;
};

/** Loaded only when needed: it belongs to vitest, and the soak runs without vitest. */
const createDatabase = async () =>
  (await import('../src/nexus/datastore/database.fixture.ts')).createTestDatabase();

const makeProcess = (
  directory: string,
  name: string,
  args: readonly string[],
  config: () => Toml,
  onReady: (ready: string) => void,
  how: Pick<SledOptions, 'within'> & { readonly nodeArguments?: readonly string[] | undefined } = {},
): TestProcess => {
  let child: Child | undefined;
  const home = join(directory, name);
  const logFile = join(home, 'log');
  const readyFile = join(home, 'ready.json');
  return {
    async start() {
      await mkdir(home, { recursive: true });
      await writeFile(join(home, 'config.toml'), stringify({ ...config(), ready_file: readyFile }));
      const program = [PROGRAM, ...args, '--config', join(home, 'config.toml'), '--stop-with-stdin'];
      const node = [process.execPath, ...(how.nodeArguments ?? []), ...program];
      const [command, ...rest] = [...(how.within ?? []), ...node];
      const started = await startChild({ name, command: command!, args: rest, logFile, readyFile }, wait);
      child = started;
      void started.exited.then(() => {
        if (child === started) child = undefined;
      });
      onReady(started.ready);
    },
    async stop() {
      await child?.stop();
      child = undefined;
    },
    async kill() {
      if (child === undefined) return;
      const { pid, exited } = child;
      process.kill(pid, 'SIGKILL');
      await exited;
    },
    isRunning: () => child !== undefined,
    pid: () => child!.pid,
    ended: () => child!.exited,
    log: () => readFile(logFile, 'utf8'),
  };
};

const makeNexus = (
  directory: string,
  n: number,
  databaseUrl: string,
  options: ResolvedOptions,
): TestNexus => {
  const stagingDirectory = join(directory, `nexus-${n}`, 'staging');
  const home = join(directory, `nexus-${n}`);
  const identity = writtenIdentity(options.identity, 'nexus', home);
  // The port of the first start is kept: sled agents know it.
  let addresses = { operator: '127.0.0.1:0', internal: '127.0.0.1:0' };
  const config = () => ({
    staging_directory: stagingDirectory,
    operator_listen: addresses.operator,
    internal_listen: addresses.internal,
    token_file: join(directory, 'token'),
    database: { url: databaseUrl },
    ...identity,
    ...options.nexusConfig,
    tuf_artifact_replication: { min_sled_replication: options.minSledReplication, ...options.replication },
  });
  const nexus = makeProcess(
    directory,
    `nexus-${n}`,
    ['nexus'],
    config,
    ready => {
      const { operator_address, internal_address } = JSON.parse(ready);
      addresses = { operator: operator_address, internal: internal_address };
    },
    { nodeArguments: options.nodeArguments?.(`nexus-${n}`) },
  );
  const start = async () => {
    await mkdir(stagingDirectory, { recursive: true });
    await nexus.start();
  };
  // All calls share it: with a connection each, a count of the server's handles would mostly count these connections.
  const dispatcher = operatorDispatcher(options.identity);
  const scheme = options.identity === undefined ? 'http' : 'https';
  const at = () => ({ baseUrl: `${scheme}://${addresses.operator}`, token: TOKEN, dispatcher });
  return {
    ...nexus,
    start,
    stagingDirectory,
    operatorAddress: () => addresses.operator,
    environment: () => ({
      TUF_DEPOT_URL: `${scheme}://${addresses.operator}`,
      TUF_DEPOT_TOKEN_FILE: join(directory, 'token'),
      ...(options.identity !== undefined && { TUF_DEPOT_CA_FILE: join(home, 'ca.pem') }),
    }),
    internalAddress: () => addresses.internal,
    get update() {
      return updateClient(at());
    },
    get fleet() {
      return fleetClient(at());
    },
    get recovery() {
      return recoveryClient(at());
    },
    get history() {
      return historyClient(at());
    },
    get debug() {
      return debugClient(at());
    },
    get audit() {
      return auditClient(at());
    },
    async upload(release) {
      const answer = await updateClient(at()).repositoryUpload(
        {
          query: { file_name: `${release.systemVersion}.zip` },
          body: { sizeBytes: release.sizeBytes, chunks: createReadStream(release.path) },
        },
        wait,
      );
      assert(isReleaseUpload(answer), 'the archive holds a release');
      return answer;
    },
    async trust(release) {
      await updateClient(at()).trustRootCreate(
        { body: JSON.parse(Buffer.from(release.trustRoot).toString()) },
        wait,
      );
    },
  };
};

const tableOf = (value: unknown): Toml => (typeof value === 'object' && value !== null ? { ...value } : {});

export const makeSled = (
  directory: string,
  n: number,
  nexus: readonly string[],
  options: Pick<ResolvedOptions, 'sledLimits' | 'sled' | 'nodeArguments' | 'identity'> = {},
): TestSled => {
  const own = options.sled?.(n) ?? {};
  const serial = `sled-${n}`;
  const datasets = own.datasets ?? ['m2-a', 'm2-b'].map(name => join(directory, serial, name));
  const identity = writtenIdentity(options.identity, 'sled', join(directory, serial));
  const config = () => ({
    serial,
    listen: '127.0.0.1:0',
    depot_listen: '127.0.0.1:0',
    nexus: [...nexus],
    datasets: [...datasets],
    ...identity,
    ...own.config,
    // Deletions go at once, but for tests of their waits.
    limits: { deletion_percent: 100, ...options.sledLimits, ...tableOf(own.config?.limits) },
    intervals: { registration_s: 1, deletion_wait_s: 0, ...tableOf(own.config?.intervals) },
  });
  let addresses = { agent_address: '', depot_address: '' };
  const sled = makeProcess(
    directory,
    serial,
    ['sled-agent'],
    config,
    ready => {
      addresses = JSON.parse(ready);
    },
    { ...own, nodeArguments: options.nodeArguments?.(serial) },
  );
  const start = async () => {
    for (const dataset of datasets) await mkdir(dataset, { recursive: true });
    await sled.start();
  };
  return {
    ...sled,
    start,
    serial,
    datasets,
    agentAddress: () => addresses.agent_address,
    agent: () => agentClient(addresses.agent_address, options.identity),
    depotAddress: () => addresses.depot_address,
  };
};

const agentClient = (address: string, identity: TestFleetIdentity | undefined) => {
  if (identity === undefined) return createApiClient(sledAgentApi, { baseUrl: `http://${address}` });
  const nexus = identity.issue('nexus');
  const dispatcher = secureDispatcher(() => nexus, { fleet: identity.fleet, kind: 'sled' });
  const client = createApiClient(sledAgentApi, { baseUrl: `https://${address}`, dispatcher });
  return { ...client, [Symbol.asyncDispose]: () => dispatcher.close() };
};

const operatorDispatcher = (identity: TestFleetIdentity | undefined) => {
  if (identity === undefined) return createDispatcher();
  const authoritiesPem = identity.authority.certificate.toString();
  return secureDispatcher(() => ({ authoritiesPem }), { fleet: identity.fleet, kind: 'nexus' });
};

/** The section of a configuration; a process has one certificate for all its starts. */
const writtenIdentity = (fleet: TestFleetIdentity | undefined, kind: PeerKind, home: string): Toml => {
  if (fleet === undefined) return {};
  const { certificatePem, keyPem, authoritiesPem } = fleet.issue(kind);
  mkdirSync(home, { recursive: true });
  const file = (name: string, pem: string): string => {
    writeFileSync(join(home, name), pem);
    return join(home, name);
  };
  return {
    identity: {
      certificate_file: file('certificate.pem', certificatePem),
      key_file: file('key.pem', keyPem),
      ca_file: file('ca.pem', authoritiesPem),
      ...(kind === 'nexus' &&
        fleet.authorityDirectory !== undefined && { authority_directory: fleet.authorityDirectory }),
    },
  };
};

/** Polls until something holds; fails with the last error and the description of the wait. */
export const until = async (
  condition: () => Promise<boolean>,
  what = condition.toString(),
): Promise<void> => {
  const deadline = Date.now() + PATIENCE_MS;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      if (await condition()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await delay(100);
  }
  throw new Error(`did not happen in time: ${what}`, { cause: last });
};

export type ReplicationCounters = Record<string, number>;

/** The task's details from the debug API. */
export const replicationDetails = async (nexus: TestNexus) => {
  const task = await nexus.debug.bgtaskView({ params: { bgtask_name: 'tuf_artifact_replication' } }, wait);
  if (task.last.last_result !== 'completed') throw new Error('replication has not run yet');
  return task.last.details.details as {
    generation: number;
    last_run_counters: ReplicationCounters;
    lifetime_counters: ReplicationCounters;
    local_repos: number;
    requests_deferred: number;
    again_in_ms: number | null;
    error?: string;
  };
};

/** Activates replication once and waits for an activation that began after this call. */
export const activateReplication = async (nexus: Pick<TestNexus, 'debug'>): Promise<void> => {
  const name = 'tuf_artifact_replication';
  const view = () => nexus.debug.bgtaskView({ params: { bgtask_name: name } }, wait);
  const iteration = (task: Awaited<ReturnType<typeof view>>) =>
    task.current.current_status === 'running'
      ? task.current.details.iteration
      : task.last.last_result === 'completed'
        ? task.last.details.iteration
        : 0;
  const before = iteration(await view());
  await nexus.debug.bgtaskActivate({ body: { bgtask_names: [name] } }, wait);
  await until(async () => {
    const task = await view();
    return task.last.last_result === 'completed' && task.last.details.iteration > before;
  }, 'an activation of replication');
};

export const waitComplete = (nexus: TestNexus, version: string): Promise<void> =>
  until(async () => {
    const release = await nexus.fleet.releaseReplication({ params: { system_version: version } }, wait);
    if (!release.complete)
      throw new Error(`${release.state}: ${release.reasons.map(r => r.message).join('; ')}`);
    return true;
  }, `release ${version} complete`);

const HASH = /^[0-9a-f]{64}$/;

/**
 * The artifacts in a dataset, by the hash of their bytes; a file whose name is not its hash fails the test. A file that is
 * deleted during the read is left out.
 */
export const artifactsOnDisk = async (dataset: string): Promise<string[]> => {
  const names = (await readdir(dataset)).filter(name => HASH.test(name)).sort();
  const found: string[] = [];
  for (const name of names) {
    const actual = await hashOfFile(join(dataset, name));
    if (actual === undefined) continue;
    if (actual !== name) throw new Error(`${join(dataset, name)} hashes to ${actual}`);
    found.push(name);
  }
  return found;
};

/** Undefined when there is no such file. */
export const hashOfFile = async (path: string): Promise<string | undefined> => {
  const digest = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) digest.update(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return digest.digest('hex');
};

export const hashesOf = (...releases: readonly TestRelease[]): string[] =>
  [...new Set(releases.flatMap(release => release.artifacts.map(artifact => artifact.sha256)))].sort();
