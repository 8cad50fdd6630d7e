/**
 * Nexus instances for tests: real sockets, real staging directories, a real database, in this process.
 *
 *     await using world = await createTestWorld();     // a database and a temporary directory
 *     const nexus = await world.startNexus();          // as many as the test needs
 *     await nexus.upload(await world.release());
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'smol-toml';
import type { Dispatcher } from 'undici';
import { internalApi } from '../../api/internal-api.ts';
import { operatorFleetApi } from '../../api/operator-fleet-api.ts';
import { operatorRecoveryApi } from '../../api/operator-recovery-api.ts';
import { operatorSourceApi } from '../../api/operator-source-api.ts';
import {
  operatorUpdateApi,
  type TufRepoUpload,
  type UpdatesTrustRoot,
} from '../../api/operator-update-api.ts';
import { operatorUploadApi } from '../../api/operator-upload-api.ts';
import { asGeneration, NexusId, RoundNonce } from '../../core/ids.ts';
import { seededRng } from '../../core/rng.ts';
import { type ApiClient, createApiClient } from '../../http/client.ts';
import { secureDispatcher } from '../../http/peers.ts';
import {
  type TestFleetIdentity,
  testFleetIdentity,
  writeCredentials,
} from '../../identity/identity.fixture.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { makeTestRelease, type TestRelease, type TestReleaseOptions } from '../../signing/release.fixture.ts';
import { keysForAllRoles, type RepositoryKeys } from '../../signing/sign-metadata.ts';
import { generateSigningKey } from '../../signing/signing-keys.ts';
import { createTestDatabase, type TestDatabase } from '../datastore/database.fixture.ts';
import type { PlannedSet } from '../datastore/ports/local-repo-port.ts';
import { createNexus, type Nexus, type NexusDeps } from './app.ts';
import { type NexusConfigFile, readNexusConfig } from './config.ts';
import type { Services } from './services.ts';

/** A stop cuts off requests soon. */
const DRAIN_TIMEOUT_MS = 200;

const { signal } = new AbortController();
const wait = { signal };

type UploadFlags = {
  readonly allow_expired?: 'true';
  readonly allow_rollback?: 'true';
  readonly allow_revoked_keys?: 'true';
};

export type TestNexus = Nexus & {
  readonly services: Services;
  readonly token: string;
  readonly stagingDirectory: string;
  readonly operator: ApiClient<typeof operatorUpdateApi>;
  readonly uploads: ApiClient<typeof operatorUploadApi>;
  readonly fleet: ApiClient<typeof operatorFleetApi>;
  readonly recovery: ApiClient<typeof operatorRecoveryApi>;
  readonly sources: ApiClient<typeof operatorSourceApi>;
  /** Each call as the sled that it names. */
  readonly internal: Omit<ApiClient<typeof internalApi>, typeof Symbol.asyncDispose>;
  readonly asSled: (id: string) => Dispatcher;
  readonly trust: (release: { readonly trustRoot: Uint8Array }) => Promise<UpdatesTrustRoot>;
  /** Uploads the archive at a path. */
  readonly upload: (release: { readonly path: string }, flags?: UploadFlags) => Promise<TufRepoUpload>;
  /** Files of uploads, whole or not. */
  readonly staged: () => Promise<readonly string[]>;
  /** The facts that a round of this Nexus would plan with: it writes a nonce into its row, then reads the wanted set. */
  readonly planned: () => Promise<PlannedSet>;
};

export type StartOptions = {
  /** One of its own for each name. */
  readonly id?: string;
  /** Nexus instances of one name have one staging directory. */
  readonly name?: string;
  readonly config?: Partial<NexusConfigFile>;
  readonly replace?: NexusDeps['replace'];
  readonly clock?: Clock;
  /** Resolves when the Nexus serves, not only listens. */
  readonly untilStarted?: boolean;
};

export type TestWorld = AsyncDisposable & {
  readonly directory: string;
  readonly database: TestDatabase;
  /** Signed by one set of keys, unless the options say otherwise. */
  readonly release: (options?: TestReleaseOptions) => Promise<TestRelease>;
  readonly writeConfig: (options?: StartOptions) => Promise<string>;
  /** Stopped with the world at the latest. */
  readonly startNexus: (options?: StartOptions) => Promise<TestNexus>;
  /** Makes an expunged sled so old that no certificate of it can be valid. */
  readonly expireSled: (id: string) => Promise<void>;
  /** All rows of releases; equal if nothing was recorded in between. */
  readonly recorded: () => Promise<unknown>;
};

export const createTestWorld = async (): Promise<TestWorld> => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'nexus-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const database = stack.use(await createTestDatabase());
  const keys: RepositoryKeys = keysForAllRoles([generateSigningKey()]);
  const identity = testFleetIdentity();
  const ids = new Map<string, string>();
  /** Of a name, for all its starts. */
  const idOf = (name: string): string => {
    const id = ids.get(name) ?? randomUUID();
    ids.set(name, id);
    return id;
  };
  let releases = 0;

  const writeConfig = async ({ name = 'nexus', id = idOf(name), config = {} }: StartOptions = {}) => {
    const path = join(directory, `${name}.toml`);
    const { certificateFile, keyFile, authoritiesFile } = await writeCredentials(
      join(directory, `${name}-identity`),
      identity.issue('nexus', { id }),
    );
    const file: NexusConfigFile = {
      staging_directory: `${name}-staging`,
      identity: { certificate_file: certificateFile, key_file: keyFile, ca_file: authoritiesFile },
      operator_transport: 'plain',
      token_file: `${name}-token`,
      operator_listen: '127.0.0.1:0',
      internal_listen: '127.0.0.1:0',
      database: { url: database.connection },
      ...config,
      tuf_artifact_replication: { disable: true, ...config.tuf_artifact_replication },
    };
    await writeFile(path, stringify(file));
    return path;
  };
  const owned = stack.move();
  return {
    directory,
    database,
    writeConfig,
    async release(options = {}) {
      releases += 1;
      const folder = join(directory, `release-${releases}`);
      await mkdir(folder);
      return makeTestRelease(folder, { keys, ...options });
    },
    async startNexus(options = {}) {
      const config = await readNexusConfig(await writeConfig(options));
      const nexus = owned.use(
        await createNexus(config, {
          clock: options.clock ?? systemClock,
          rng: seededRng(1),
          log: silentLogger,
          drainTimeoutMs: DRAIN_TIMEOUT_MS,
          ...(options.replace !== undefined && { replace: options.replace }),
        }),
      );
      return testNexus(nexus, config, { database, identity }, options.untilStarted ?? true);
    },
    async expireSled(id) {
      await database.query(
        "UPDATE sled SET time_expunged = now() - interval '1 year', time_last_registered = now() - interval '1 year' WHERE id = $1",
        [id],
      );
    },
    async recorded() {
      const [row] = await database.query(RECORDED);
      return row;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

const RECORDED = `SELECT
  (SELECT json_agg(r ORDER BY r.id) FROM tuf_repo r) AS repos,
  (SELECT json_agg(a ORDER BY a.id) FROM tuf_artifact a) AS artifacts,
  (SELECT json_agg(f ORDER BY f.sha256) FROM tuf_artifact_file f) AS files,
  (SELECT json_agg(l ORDER BY l.upload_id) FROM local_repo l) AS local_repos,
  (SELECT json_agg(o ORDER BY o.upload_id, o.position) FROM override_audit o) AS overrides,
  (SELECT json_agg(t ORDER BY t.id) FROM tuf_trust_root t) AS trust_roots,
  (SELECT json_agg(g) FROM tuf_current_point g) AS current,
  (SELECT json_agg(p ORDER BY p.generation, p.digest) FROM tuf_point p) AS points`;

const testNexus = async (
  nexus: Nexus,
  config: Awaited<ReturnType<typeof readNexusConfig>>,
  { database, identity }: { readonly database: TestDatabase; readonly identity: TestFleetIdentity },
  untilStarted: boolean,
): Promise<TestNexus> => {
  const token = (await readFile(config.tokenFile, 'utf8')).trim();
  const baseUrl = `http://${nexus.operatorAddress}`;
  const operator = createApiClient(operatorUpdateApi, { baseUrl, token });
  const uploads = createApiClient(operatorUploadApi, { baseUrl, token });
  const fleet = createApiClient(operatorFleetApi, { baseUrl, token });
  const recovery = createApiClient(operatorRecoveryApi, { baseUrl, token });
  const sources = createApiClient(operatorSourceApi, { baseUrl, token });
  const sleds = createSledDispatchers(identity);
  const internal = internalClient(`https://${nexus.internalAddress}`, sleds.of);
  const services = untilStarted ? await nexus.started : (undefined as never);
  return {
    ...nexus,
    services,
    token,
    stagingDirectory: config.stagingDirectory,
    operator,
    uploads,
    fleet,
    recovery,
    sources,
    internal,
    asSled: sleds.of,
    trust: release =>
      operator.trustRootCreate({ body: JSON.parse(Buffer.from(release.trustRoot).toString()) }, wait),
    async upload({ path }, flags = {}) {
      const bytes = await readFile(path);
      const body = { sizeBytes: bytes.length, chunks: chunksOf(bytes) };
      const query = { file_name: 'release.zip', ...flags };
      const answer = await operator.repositoryUpload({ query, body }, wait);
      assert(answer.roots === undefined, 'the archive holds a release');
      return answer;
    },
    async planned() {
      // An upload starts a round, which writes its own nonce.
      await services.driver.idle();
      return plannedBy(database, config.stagingDirectory);
    },
    async staged() {
      return (await readdir(config.stagingDirectory)).filter(name => name !== 'lock' && name !== 'nexus-id');
    },
    async [Symbol.asyncDispose]() {
      // The server stops first, because a client waits for its requests.
      await nexus[Symbol.asyncDispose]();
      for (const client of [operator, uploads, fleet, recovery, sources, sleds])
        await client[Symbol.asyncDispose]();
    },
  };
};

/** Connections of the sled with an id to a Nexus. */
const createSledDispatchers = (identity: TestFleetIdentity) => {
  const dispatchers = new Map<string, Dispatcher>();
  return {
    of(id: string): Dispatcher {
      const known = dispatchers.get(id);
      if (known !== undefined) return known;
      const sled = identity.issue('sled', { id });
      const made = secureDispatcher(() => sled, { fleet: identity.fleet, kind: 'nexus' });
      dispatchers.set(id, made);
      return made;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...dispatchers.values()].map(dispatcher => dispatcher.close()));
    },
  };
};

const internalClient = (
  baseUrl: string,
  asSled: (id: string) => Dispatcher,
): Omit<ApiClient<typeof internalApi>, typeof Symbol.asyncDispose> => {
  const as = (id: string) => createApiClient(internalApi, { baseUrl, dispatcher: asSled(id) });
  return {
    sledAgentGet: (input, options) => as(input.params.sled_id).sledAgentGet(input, options),
    sledAgentPut: (input, options) => as(input.params.sled_id).sledAgentPut(input, options),
  };
};

const plannedBy = async (database: TestDatabase, stagingDirectory: string): Promise<PlannedSet> => {
  const id = NexusId.parse((await readFile(join(stagingDirectory, 'nexus-id'), 'utf8')).trim());
  const nonce = RoundNonce.parse(randomUUID());
  await database.query('UPDATE nexus SET round_nonce = $1 WHERE id = $2', [nonce, id]);
  const [current] = await database.query<{ generation: number; digest: string }>(
    'SELECT generation::int, digest FROM tuf_current_point',
  );
  const { generation, digest } = current!;
  return { generation: asGeneration(generation), digest, nonce };
};

const CHUNK_BYTES = 8 * 1024;

export async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES)
    yield bytes.subarray(start, start + CHUNK_BYTES);
}
