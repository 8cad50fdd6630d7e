/** A whole sled agent over two temporary datasets, registered with a Nexus that only knows the floor (S19). */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GENERATION_FLOOR_HEADER, internalApi, type SledAgentInfo } from '../api/internal-api.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import { ArtifactHash, asGeneration, type Generation } from '../core/ids.ts';
import { seededRng } from '../core/rng.ts';
import { type ApiClient, createApiClient } from '../http/client.ts';
import { bindApi } from '../http/handlers.ts';
import { type ApiServer, serveApi } from '../http/server.ts';
import { systemClock } from '../lib/clock.ts';
import { endpointUrl, splitAddress } from '../lib/endpoint.ts';
import { DepotError } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import { type SledAgent, startSledAgent } from './app.ts';
import { resolveConfig, SledAgentFile } from './config.ts';

export const hashOf = (bytes: Uint8Array | string): ArtifactHash =>
  ArtifactHash.parse(createHash('sha256').update(bytes).digest('hex'));

export type TestNexus = AsyncDisposable & {
  readonly address: string;
  readonly seen: readonly SledAgentInfo[];
};

/** Accepts every registration and answers with the floor 1. */
export const startTestNexus = async (): Promise<TestNexus> => {
  const seen: SledAgentInfo[] = [];
  const server: ApiServer = await serveApi({
    apis: [
      bindApi(internalApi, {
        async sledAgentGet() {
          throw new DepotError('NOT_FOUND', 'this Nexus forgets at once');
        },
        async sledAgentPut({ body, setHeader }) {
          seen.push(body);
          setHeader(GENERATION_FLOOR_HEADER, '1');
        },
      }),
    ],
    listen: { host: '127.0.0.1', port: 0 },
    log: silentLogger,
  });
  return { address: server.address, seen, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

export type TestSled = AsyncDisposable & {
  readonly agent: SledAgent;
  readonly nexus: TestNexus;
  readonly client: ApiClient<typeof sledAgentApi>;
  readonly depotUrl: string;
  readonly datasets: readonly string[];
  /** Puts a config that lists the artifacts, one generation up. */
  readonly want: (...artifacts: readonly (Uint8Array | string)[]) => Promise<Generation>;
  readonly put: (bytes: Uint8Array | string, generation: Generation) => Promise<unknown>;
  readonly copy: (sha256: ArtifactHash, depotUrl: string) => Promise<unknown>;
};

export const neverAborts = (): AbortSignal => new AbortController().signal;

/**
 * @param options.floor whether to wait for its floor
 * @param options.nexusHost how the configuration names the host of its Nexus
 */
export const startTestSled = async (
  file: Partial<typeof SledAgentFile._zod.input> = {},
  {
    log = silentLogger,
    floor = true,
    nexusHost = '127.0.0.1',
  }: { log?: Logger; floor?: boolean; nexusHost?: string } = {},
): Promise<TestSled> => {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'test-sled-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const datasets = [join(folder, 'm2-a'), join(folder, 'm2-b')];
  for (const dataset of datasets) await mkdir(dataset);
  const nexus = stack.use(await startTestNexus());
  const config = resolveConfig(
    SledAgentFile.parse({
      serial: 'test',
      listen: '127.0.0.1:0',
      depot_listen: '127.0.0.1:0',
      nexus: [nexus.address.replace('127.0.0.1', nexusHost)],
      datasets,
      transport: 'plain',
      ...file,
      limits: { min_free_bytes: 0, deletion_percent: 100, ...file.limits },
      intervals: { deletion_wait_s: 0, ...file.intervals },
    }),
    join(folder, 'sled.toml'),
  );
  const agent = stack.use(await startSledAgent(config, { clock: systemClock, rng: seededRng(1), log }));
  const client = stack.use(
    createApiClient(sledAgentApi, {
      baseUrl: endpointUrl({ scheme: 'http', ...splitAddress(agent.agentAddress) }),
    }),
  );
  const signal = neverAborts();
  while (floor && agent.store.state().kind === 'awaiting_floor') await systemClock.sleep(5, { signal });
  const generationNow = (): Generation => agent.store.config()?.generation ?? asGeneration(1);
  const owned = stack.move();
  return {
    agent,
    nexus,
    client,
    datasets,
    depotUrl: endpointUrl({ scheme: 'http', ...splitAddress(agent.depotAddress) }),
    async want(...artifacts) {
      const generation = asGeneration(generationNow() + 1);
      const sizes = Object.fromEntries(
        artifacts.map(bytes => [hashOf(bytes), Buffer.from(bytes).byteLength]),
      );
      const body = { generation, artifacts: Object.keys(sizes), sizes };
      await client.artifactConfigPut({ body }, { signal });
      return generation;
    },
    put(bytes, generation) {
      const chunks = (async function* () {
        yield Buffer.from(bytes);
      })();
      const body = { sizeBytes: Buffer.from(bytes).byteLength, chunks };
      return client.artifactPut(
        { params: { sha256: hashOf(bytes) }, query: { generation }, body },
        { signal },
      );
    },
    copy: (sha256, depotUrl) =>
      client.artifactCopyFromDepot(
        { params: { sha256 }, query: { generation: generationNow() }, body: { depot_base_url: depotUrl } },
        { signal },
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};
