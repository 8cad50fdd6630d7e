/** The Nexus instances and sled agents of a test's fleet, each a real process with its clients. */
import assert from 'node:assert/strict';
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { debugApi } from '../src/api/debug-api.ts';
import { operatorAuditApi } from '../src/api/operator-audit-api.ts';
import { operatorFleetApi } from '../src/api/operator-fleet-api.ts';
import { operatorHistoryApi } from '../src/api/operator-history-api.ts';
import { operatorRecoveryApi } from '../src/api/operator-recovery-api.ts';
import { operatorStatementApi } from '../src/api/operator-statement-api.ts';
import { operatorUpdateApi, type TufRepoUpload } from '../src/api/operator-update-api.ts';
import { sledAgentApi } from '../src/api/sled-agent-api.ts';
import { type ClientOptions, createApiClient, createDispatcher } from '../src/http/client.ts';
import { secureDispatcher } from '../src/http/peers.ts';
import { derivedSledId, GENERIC_PART } from '../src/identity/derived-sled-id.ts';
import type { TestFleetIdentity } from '../src/identity/identity.fixture.ts';
import type { PeerKind } from '../src/identity/peer-identity.ts';
import type { TestRelease } from '../src/signing/release.fixture.ts';
import { makeProcess, type TestProcess, type Toml, wait } from './fleet-process.fixture.ts';

export type TestNexus = TestProcess & {
  readonly stagingDirectory: string;
  readonly operatorAddress: () => string;
  /** By which the command line reaches it, with a token. */
  readonly environment: () => Record<string, string>;
  /** Where sleds register: those of this fleet, with an identity or without. */
  readonly internalAddress: () => string;
  /** Where those without an identity register, if its configuration says so. */
  readonly plainAddress: () => string;
  /** Where those with an identity register. */
  readonly tlsInternalAddress: () => string;
  readonly update: ReturnType<typeof updateClient>;
  readonly fleet: ReturnType<typeof fleetClient>;
  readonly recovery: ReturnType<typeof recoveryClient>;
  readonly history: ReturnType<typeof historyClient>;
  readonly debug: ReturnType<typeof debugClient>;
  readonly audit: ReturnType<typeof auditClient>;
  readonly statements: ReturnType<typeof statementClient>;
  readonly upload: (
    release: Pick<TestRelease, 'systemVersion' | 'path' | 'sizeBytes'>,
  ) => Promise<TufRepoUpload>;
  readonly trust: (release: Pick<TestRelease, 'trustRoot'>) => Promise<void>;
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
type SledOptions = {
  /** A command that runs the agent's own, such as `ip netns exec NAME`. */
  readonly within?: readonly string[];
  /** Existing directories; by default two below the fleet's. */
  readonly datasets?: readonly string[];
  /** Keys of its configuration. */
  readonly config?: Toml;
  /** From which it registers, where it has no identity. */
  readonly address?: string;
};

export const TOKEN = 'test-token-of-an-operator-0123456789';
const updateClient = (at: ClientOptions) => createApiClient(operatorUpdateApi, at);
const fleetClient = (at: ClientOptions) => createApiClient(operatorFleetApi, at);
const recoveryClient = (at: ClientOptions) => createApiClient(operatorRecoveryApi, at);
const historyClient = (at: ClientOptions) => createApiClient(operatorHistoryApi, at);
const auditClient = (at: ClientOptions) => createApiClient(operatorAuditApi, at);
const statementClient = (at: ClientOptions) => createApiClient(operatorStatementApi, at);
const debugClient = (at: ClientOptions) => createApiClient(debugApi, at);

/** Of a fleet, for each of its processes. */
export type MemberOptions = {
  readonly minSledReplication: number;
  readonly nexusConfig?: Toml;
  /** Of `tuf_artifact_replication`. */
  readonly replication?: Toml;
  /** Of each sled agent's `limits`. */
  readonly sledLimits?: Toml;
  /** By number, from 1 on. */
  readonly sled?: (n: number) => SledOptions;
  /** For Node, before the program: of each process by its name, `nexus-1` or `sled-1`. */
  readonly nodeArguments?: (name: string) => readonly string[];
  /** A sled without one speaks plain HTTP. */
  readonly identity?: TestFleetIdentity | undefined;
  /** `plain`: the sleds have no identities, and operators connect without TLS. */
  readonly transport?: 'plain' | undefined;
};

export const makeNexus = (
  directory: string,
  n: number,
  databaseUrl: string,
  options: MemberOptions,
): TestNexus => {
  const stagingDirectory = join(directory, `nexus-${n}`, 'staging');
  const home = join(directory, `nexus-${n}`);
  const identity = writtenIdentity(options.identity, 'nexus', home);
  // The port of the first start is kept: sled agents know it.
  let addresses = { operator: '127.0.0.1:0', internal: '127.0.0.1:0', plain: '127.0.0.1:0' };
  const isPlain = options.transport === 'plain';
  const config = () => ({
    staging_directory: stagingDirectory,
    operator_listen: addresses.operator,
    internal_listen: addresses.internal,
    token_file: join(directory, 'token'),
    database: { url: databaseUrl },
    ...identity,
    ...(isPlain && { operator_transport: 'plain', plain_listen: addresses.plain }),
    ...options.nexusConfig,
    tuf_artifact_replication: { min_sled_replication: options.minSledReplication, ...options.replication },
  });
  const nexus = makeProcess(
    directory,
    `nexus-${n}`,
    ['nexus'],
    config,
    ready => {
      const { operator_address, internal_address, plain_address } = JSON.parse(ready);
      addresses = { operator: operator_address, internal: internal_address, plain: plain_address };
    },
    { nodeArguments: options.nodeArguments?.(`nexus-${n}`) },
  );
  const start = async () => {
    await mkdir(stagingDirectory, { recursive: true });
    await nexus.start();
  };
  // All calls share it: with a connection each, a count of the server's handles would mostly count these connections.
  const dispatcher = operatorDispatcher(isPlain ? undefined : options.identity);
  const scheme = isPlain ? 'http' : 'https';
  const at = () => ({ baseUrl: `${scheme}://${addresses.operator}`, token: TOKEN, dispatcher });
  return {
    ...nexus,
    start,
    stagingDirectory,
    operatorAddress: () => addresses.operator,
    environment: () => ({
      TUF_DEPOT_URL: `${scheme}://${addresses.operator}`,
      TUF_DEPOT_TOKEN_FILE: join(directory, 'token'),
      ...(!isPlain && { TUF_DEPOT_CA_FILE: join(home, 'ca.pem') }),
    }),
    plainAddress: () => addresses.plain,
    tlsInternalAddress: () => addresses.internal,
    internalAddress: () => (isPlain ? addresses.plain : addresses.internal),
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
    get statements() {
      return statementClient(at());
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
      assert(answer.roots === undefined, 'the archive holds a release');
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
  options: Pick<MemberOptions, 'sledLimits' | 'sled' | 'nodeArguments' | 'identity' | 'transport'> = {},
): TestSled => {
  const own = options.sled?.(n) ?? {};
  const serial = `sled-${n}`;
  const datasets = own.datasets ?? ['m2-a', 'm2-b'].map(name => join(directory, serial, name));
  const { identity: fleet, transport = fleet === undefined ? 'plain' : 'tls' } = options;
  const ownFleet = transport === 'plain' ? undefined : fleet;
  const identity = writtenIdentity(ownFleet, 'sled', join(directory, serial));
  const config = () => ({
    serial,
    listen: '127.0.0.1:0',
    depot_listen: '127.0.0.1:0',
    nexus: [...nexus],
    datasets: [...datasets],
    // A test that writes the section of an identity itself has none of the fleet's.
    ...(transport === 'plain' && own.config?.identity === undefined && { transport }),
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
    agent: () => agentClient(addresses.agent_address, ownFleet),
    depotAddress: () => addresses.depot_address,
  };
};

/** As an admin does, for a sled that may not have registered. */
export const approvePlain = (nexus: Pick<TestNexus, 'fleet'>, sledId: string, address = '127.0.0.1') =>
  nexus.fleet.sledSetTransport({ params: { sled_id: sledId }, body: { transport: 'plain', address } }, wait);

/** As {@link approvePlain}, of a sled of {@link makeSled}. */
export const approveSled = (nexus: Pick<TestNexus, 'fleet'>, n: number, address?: string) =>
  approvePlain(nexus, derivedSledId(GENERIC_PART, `sled-${n}`), address);

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
      ...(kind === 'nexus' && fleet.adminKeyFile !== undefined && { admin_key_file: fleet.adminKeyFile }),
    },
  };
};
