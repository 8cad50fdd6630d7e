/**
 * A sled of the original as its published documents describe it: a sled agent, and a Repo Depot that sends chunks without a length
 * and ignores ranges. It knows nothing of this project's additions.
 *
 * It keeps artifacts in memory, as if on two datasets.
 */
import { createHash } from 'node:crypto';
import { buffer, json } from 'node:stream/consumers';
import { approvePlain, type TestNexus } from '../fleet-members.fixture.ts';
import {
  answerJson,
  notFound,
  OriginalError,
  type OriginalRoute,
  serveOriginal,
} from './original-server.fixture.ts';

type Config = { readonly generation: number; readonly artifacts: readonly string[] };

export type OriginalSled = AsyncDisposable & {
  readonly id: string;
  readonly serial: string;
  /** As it registers. */
  readonly info: Readonly<Record<string, unknown>>;
  readonly agentUrl: string;
  readonly depotUrl: string;
  readonly config: () => Config | undefined;
  /** The artifacts that it holds. */
  readonly held: () => string[];
  readonly put: (bytes: Uint8Array) => string;
  /** As a disk that was replaced. */
  readonly lose: (sha256: string) => void;
  /** Requests of either server that named no version, or one that it does not know. */
  readonly refusedVersions: () => readonly string[];
  /** Of either server, in their order. */
  readonly asked: () => readonly string[];
  /** Reports to a Nexus, as it does when it starts. */
  readonly register: (internalUrl: string) => Promise<void>;
};

const DATASETS = 2;
const CHUNK_BYTES = 8 * 1024;
export const shaOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const startOriginalSled = async (serial: string): Promise<OriginalSled> => {
  await using stack = new AsyncDisposableStack();
  const id = crypto.randomUUID();
  const files = new Map<string, Buffer>();
  let config: Config | undefined;
  let generation = 0;

  const depot = stack.use(await serveOriginal('1.0.0', depotRoutes(files)));
  const requireWanted = (sha256: string, asked: string | null): void => {
    if (config === undefined) throw new OriginalError(400, undefined, 'No artifact configuration present');
    if (Number(asked) !== config.generation)
      throw new OriginalError(409, undefined, `Attempt to modify config to generation ${asked}`);
    if (!config.artifacts.includes(sha256))
      throw new OriginalError(400, undefined, `${sha256} not in config`);
  };
  const store = (sha256: string, bytes: Buffer): void => {
    if (shaOf(bytes) !== sha256)
      throw new OriginalError(400, undefined, `Digest mismatch: expected ${sha256}`);
    if (config?.artifacts.includes(sha256) === true) files.set(sha256, bytes);
  };
  const agent = stack.use(
    await serveOriginal('48.0.0', {
      'GET /artifacts-config'(_, response) {
        if (config === undefined) throw notFound('No artifact configuration present');
        answerJson(response, 200, config);
      },
      async 'PUT /artifacts-config'(request, response) {
        const { generation: offered, artifacts } = (await json(request)) as Config;
        const next = { generation: offered, artifacts: artifacts.toSorted() };
        const isSame = JSON.stringify(next) === JSON.stringify(config);
        if (config !== undefined && next.generation <= config.generation && !isSame)
          throw new OriginalError(409, 'CONFIG_GENERATION', `sled has generation ${config.generation}`);
        config = next;
        for (const sha256 of files.keys()) if (!artifacts.includes(sha256)) files.delete(sha256);
        response.writeHead(204).end();
      },
      'GET /artifacts'(_, response) {
        if (config === undefined)
          throw new OriginalError(400, undefined, 'No artifact configuration present');
        const list = Object.fromEntries([...files.keys()].map(sha256 => [sha256, DATASETS]));
        answerJson(response, 200, { generation: config.generation, list });
      },
      async 'PUT /artifacts/{sha256}'(request, response, { params: { sha256 = '' }, query }) {
        requireWanted(sha256, query.get('generation'));
        store(sha256, await buffer(request));
        answerJson(response, 200, { datasets: DATASETS, successful_writes: DATASETS });
      },
      async 'POST /artifacts/{sha256}/copy-from-depot'(
        request,
        response,
        { params: { sha256 = '' }, query },
      ) {
        const { depot_base_url } = (await json(request)) as { depot_base_url: string };
        requireWanted(sha256, query.get('generation'));
        const source = await fetch(`${depot_base_url}/artifact/sha256/${sha256}`, {
          headers: { 'api-version': '1.0.0' },
        }).catch((error: unknown) => {
          throw new OriginalError(500, 'Internal', `failed to fetch from ${depot_base_url}: ${error}`);
        });
        if (source.status !== 200)
          throw new OriginalError(
            500,
            'Internal',
            `failed to fetch: ${source.status} ${await source.text()}`,
          );
        answerJson(response, 202, {});
        // In a task of its own: a failure reaches its log alone.
        source.arrayBuffer().then(
          bytes => store(sha256, Buffer.from(bytes)),
          () => undefined,
        );
      },
    }),
  );
  const info = () => ({
    sa_address: `127.0.0.1:${agent.port}`,
    repo_depot_port: depot.port,
    role: 'gimlet',
    baseboard: { serial, part: '913-0000019', revision: 6 },
    usable_hardware_threads: 128,
    usable_physical_ram: 2 ** 40,
    reservoir_size: 2 ** 39,
    cpu_family: 'amd_milan',
    generation,
    decommissioned: false,
  });
  const owned = stack.move();
  return {
    id,
    serial,
    get info() {
      return info();
    },
    agentUrl: agent.baseUrl,
    depotUrl: depot.baseUrl,
    config: () => config,
    held: () => [...files.keys()].sort(),
    put(bytes) {
      const sha256 = shaOf(bytes);
      files.set(sha256, Buffer.from(bytes));
      return sha256;
    },
    lose: sha256 => void files.delete(sha256),
    refusedVersions: () => [...agent.refusedVersions, ...depot.refusedVersions],
    asked: () => [...agent.asked, ...depot.asked],
    async register(internalUrl) {
      generation += 1;
      const answer = await fetch(`${internalUrl}/sled-agents/${id}`, {
        method: 'POST',
        headers: { 'api-version': '1.0.0', 'content-type': 'application/json' },
        body: JSON.stringify(info()),
      });
      if (answer.status !== 204) throw new Error(`registration: ${answer.status} ${await answer.text()}`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

const depotRoutes = (files: ReadonlyMap<string, Buffer>): Record<string, OriginalRoute> => ({
  'GET /artifact/sha256/{sha256}'(_, response, { params: { sha256 = '' } }) {
    const bytes = files.get(sha256);
    if (bytes === undefined) throw notFound(`Artifact not found: ${sha256}`);
    response.writeHead(200, { 'content-type': 'application/octet-stream' }); // no length: chunks
    for (let from = 0; from < bytes.length; from += CHUNK_BYTES)
      response.write(bytes.subarray(from, from + CHUNK_BYTES));
    response.end();
  },
});

/** As an admin and the sled do: it is approved to speak plain HTTP, and registers. */
export const joinOriginal = async (nexus: TestNexus, sled: OriginalSled): Promise<void> => {
  await approvePlain(nexus, sled.id);
  await sled.register(`http://${nexus.plainAddress()}`);
};
