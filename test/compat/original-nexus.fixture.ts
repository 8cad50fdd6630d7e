/**
 * A Nexus of the original as its published documents describe it: the internal API, and the task that replicates artifacts. It
 * knows nothing of this project's additions, and sends no header with its answer to a registration.
 *
 *     config to all sleds, and their lists ─▶ local repos that are replicated go ─▶ puts ─▶ copies ─▶ counters
 */
import { json } from 'node:stream/consumers';
import { answerJson, notFound, serveOriginal } from './original-server.fixture.ts';
import { shaOf } from './original-sled.fixture.ts';

type Info = { readonly sa_address: string; readonly repo_depot_port: number; readonly generation: number };
type Sled = Info & { readonly id: string };

/** Of one run, in the original's names. */
export type OriginalCounters = Record<`${'put_config' | 'list' | 'put' | 'copy'}_${'ok' | 'err'}`, number>;

export type OriginalNexus = AsyncDisposable & {
  readonly address: string;
  readonly baseUrl: string;
  readonly sledIds: () => readonly string[];
  readonly infoOf: (id: string) => Info | undefined;
  readonly refusedVersions: readonly string[];
  /** A release: its artifacts are wanted, at a new generation, and its archive is here. */
  readonly upload: (artifacts: readonly Buffer[]) => void;
  /** Deletes all but the latest release. */
  readonly prune: () => void;
  readonly wanted: () => string[];
  readonly localRepos: () => number;
  /** One run of the task. */
  readonly activate: () => Promise<OriginalCounters>;
};

/** An artifact is on each of the disks of a sled. */
const EXPECTED_COUNT = 2;

export const startOriginalNexus = async ({
  minSledReplication,
}: {
  readonly minSledReplication: number;
}): Promise<OriginalNexus> => {
  const sleds = new Map<string, Sled>();
  let generation = 1;
  let releases: ReadonlyMap<string, Buffer>[] = [];
  let local: ReadonlyMap<string, Buffer>[] = [];
  const server = await serveOriginal('1.0.0', {
    'GET /sled-agents/{id}'(_, response, { params: { id = '' } }) {
      const sled = sleds.get(id);
      if (sled === undefined) throw notFound(`not found: sled with id "${id}"`);
      answerJson(response, 200, sled);
    },
    async 'POST /sled-agents/{id}'(request, response, { params: { id = '' } }) {
      const info = (await json(request)) as Info;
      if (info.generation >= (sleds.get(id)?.generation ?? 0)) sleds.set(id, { ...info, id });
      response.writeHead(204).end();
    },
  });
  const wanted = () => [...new Set(releases.flatMap(release => [...release.keys()]))].sort();

  const activate = async (): Promise<OriginalCounters> => {
    const counters = newCounters();
    const count = counting(counters);
    const artifacts = wanted();
    const config = { generation, artifacts };
    const held = new Map<string, ReadonlyMap<string, number>>();
    for (const sled of sleds.values()) {
      const given = await count('put_config', () => putConfig(sled, config));
      const listed = given && (await count('list', () => list(sled)));
      held.set(sled.id, listed?.generation === generation ? listed.copies : new Map());
    }
    const holders = (sha256: string) => [...sleds.values()].filter(({ id }) => held.get(id)?.has(sha256));
    local = local.filter(repo =>
      [...repo.keys()].some(
        sha256 => artifacts.includes(sha256) && holders(sha256).length < minSledReplication,
      ),
    );
    const copies: (() => Promise<unknown>)[] = [];
    for (const sha256 of artifacts) {
      const present = holders(sha256);
      const missing = [...sleds.values()].filter(sled => !present.includes(sled));
      const bytes = local.find(repo => repo.has(sha256))?.get(sha256);
      const targets =
        bytes === undefined ? [] : missing.slice(0, Math.max(0, minSledReplication - present.length));
      for (const target of targets)
        await count('put', () => putArtifact(target, sha256, generation, bytes ?? Buffer.alloc(0)));
      const [source] = [...present, ...targets];
      const incomplete = present.filter(({ id }) => (held.get(id)?.get(sha256) ?? 0) < EXPECTED_COUNT);
      for (const target of [...missing.filter(sled => !targets.includes(sled)), ...incomplete])
        if (source !== undefined && source !== target)
          copies.push(() => count('copy', () => copyArtifact(target, sha256, generation, source)));
    }
    for (const copy of copies) await copy();
    return counters;
  };

  return {
    address: `127.0.0.1:${server.port}`,
    baseUrl: server.baseUrl,
    sledIds: () => [...sleds.keys()],
    infoOf: id => sleds.get(id),
    refusedVersions: server.refusedVersions,
    upload(artifacts) {
      const release = new Map(artifacts.map(bytes => [shaOf(bytes), bytes]));
      releases = [...releases, release];
      local = [...local, release];
      generation += 1;
    },
    prune() {
      releases = releases.slice(-1);
      generation += 1;
    },
    wanted,
    localRepos: () => local.length,
    activate,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};

const newCounters = (): OriginalCounters => ({
  put_config_ok: 0,
  put_config_err: 0,
  list_ok: 0,
  list_err: 0,
  put_ok: 0,
  put_err: 0,
  copy_ok: 0,
  copy_err: 0,
});

/** Undefined after a failure, which is counted and written to the output. */
const counting =
  (counters: OriginalCounters) =>
  async <T>(
    operation: 'put_config' | 'list' | 'put' | 'copy',
    work: () => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      const result = await work();
      counters[`${operation}_ok`] += 1;
      return result;
    } catch (error) {
      counters[`${operation}_err`] += 1;
      process.stderr.write(`${operation}: ${error}\n`);
      return undefined;
    }
  };

const SLED_AGENT = { 'api-version': '48.0.0' };
const JSON_BODY = { ...SLED_AGENT, 'content-type': 'application/json' };

const ask = async (sled: Sled, path: string, init: RequestInit, expected: number): Promise<Response> => {
  const answer = await fetch(`http://${sled.sa_address}${path}`, init);
  if (answer.status !== expected) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
};

const putConfig = async (sled: Sled, config: object): Promise<true> => {
  await ask(
    sled,
    '/artifacts-config',
    { method: 'PUT', headers: JSON_BODY, body: JSON.stringify(config) },
    204,
  );
  return true;
};

const list = async (sled: Sled) => {
  const answer = await ask(sled, '/artifacts', { headers: SLED_AGENT }, 200);
  const { generation, list: counts } = (await answer.json()) as {
    generation: number;
    list: Record<string, number>;
  };
  return { generation, copies: new Map(Object.entries(counts).filter(([, copies]) => copies > 0)) };
};

/** Streamed without a length, as it comes from the archive. */
const putArtifact = async (sled: Sled, sha256: string, generation: number, bytes: Buffer): Promise<void> => {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  const headers = { ...SLED_AGENT, 'content-type': 'application/octet-stream' };
  const init = { method: 'PUT', headers, body, duplex: 'half' } as RequestInit;
  const answer = await ask(sled, `/artifacts/${sha256}?generation=${generation}`, init, 200);
  const { datasets, successful_writes } = (await answer.json()) as Record<string, number>;
  if (datasets !== successful_writes) throw new Error(`${successful_writes} of ${datasets} written`);
};

const copyArtifact = async (sled: Sled, sha256: string, generation: number, source: Sled): Promise<void> => {
  const [host] = source.sa_address.split(':');
  const body = JSON.stringify({ depot_base_url: `http://${host}:${source.repo_depot_port}` });
  const path = `/artifacts/${sha256}/copy-from-depot?generation=${generation}`;
  await ask(sled, path, { method: 'POST', headers: JSON_BODY, body }, 202);
};
