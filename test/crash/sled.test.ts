/**
 * A real sled agent, killed before every step of a start, a put, a copy, and a config with its ledger and deletions.
 *
 * After each kill the disks are read by this test alone, then the process is started as it was, and what it was
 * trusted with must be there.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { GENERATION_FLOOR_HEADER, internalApi } from '../../src/api/internal-api.ts';
import { sledAgentApi } from '../../src/api/sled-agent-api.ts';
import { ArtifactHash, asGeneration } from '../../src/core/ids.ts';
import { createApiClient } from '../../src/http/client.ts';
import { bindApi } from '../../src/http/handlers.ts';
import { type ApiServer, serveApi } from '../../src/http/server.ts';
import { DepotError } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { makeSled, type TestSled } from '../fleet-members.fixture.ts';
import { until, wait } from '../fleet-process.fixture.ts';
import { artifactsOnDisk } from '../fleet-state.fixture.ts';
import { actUntilKilled, choosePoints, createKillSwitch, type KillSwitch, report } from './crash-points.ts';

type Artifact = { readonly sha256: ArtifactHash; readonly bytes: Uint8Array };
const artifact = (): Artifact => {
  const bytes = randomBytes(3_000);
  return { bytes, sha256: ArtifactHash.parse(createHash('sha256').update(bytes).digest('hex')) };
};

/** Knows nothing but the floor, which a sled waits for before its first config (P5). */
const startRegistrar = (): Promise<ApiServer> =>
  serveApi({
    apis: [
      bindApi(internalApi, {
        async sledAgentGet() {
          throw new DepotError('NOT_FOUND', 'nothing is on record here');
        },
        async sledAgentPut({ setHeader }) {
          setHeader(GENERATION_FLOOR_HEADER, '1');
        },
      }),
    ],
    listen: { host: '127.0.0.1', port: 0 },
    log: silentLogger,
  });

let directory: string;
let registrar: ApiServer;
let sled: TestSled;
let source: TestSled;
let killer: KillSwitch;
/** What the sled under test was told and answered for. */
let generation = 1;
let wanted: Artifact[] = [];
const held = new Set<ArtifactHash>();

const client = (of: TestSled) => createApiClient(sledAgentApi, { baseUrl: `http://${of.agentAddress()}` });

const offer = (of: TestSled, at: number, artifacts: readonly Artifact[]) => {
  const sizes = Object.fromEntries(artifacts.map(({ sha256, bytes }) => [sha256, bytes.length]));
  const body = { generation: asGeneration(at), artifacts: artifacts.map(({ sha256 }) => sha256), sizes };
  return client(of).artifactConfigPut({ body }, wait);
};
const put = (of: TestSled, { sha256, bytes }: Artifact, at: number) => {
  const chunks = (async function* () {
    yield bytes.subarray(0, 1_000);
    yield bytes.subarray(1_000);
  })();
  return client(of).artifactPut(
    {
      params: { sha256 },
      query: { generation: asGeneration(at) },
      body: { sizeBytes: bytes.length, chunks },
    },
    wait,
  );
};
const copiesOf = async ({ sha256 }: Artifact) =>
  (await client(sled).artifactList({}, wait)).list[sha256] ?? 0;

/** Takes configs: a sled that was never told a floor refuses them until its registration. */
const want = async (...artifacts: Artifact[]) => {
  await until(async () => {
    await offer(sled, generation + 1, artifacts);
    return true;
  }, 'a config is taken');
  generation += 1;
  wanted = artifacts;
};

const leftovers = async (): Promise<string[]> => {
  const names = await Promise.all(sled.datasets.map(dataset => readdir(dataset).catch(() => [])));
  return names.flat().filter(name => name.startsWith('.tmp-'));
};

/** G5, D1: whatever happened, a file under the name of a hash has that hash. */
const checkDisks = async () => {
  for (const dataset of sled.datasets) await artifactsOnDisk(dataset).catch(ifMade);
};
const ifMade = (error: NodeJS.ErrnoException) => {
  if (error.code !== 'ENOENT') throw error;
  return [];
};

/** After a start without a kill: no leftovers, and everything that the sled answered for. */
const checkStarted = async () => {
  await until(
    async () => (await client(sled).artifactList({}, wait)).generation >= generation,
    'a generation',
  );
  // What a scrub writes at this moment is not left over.
  await until(async () => (await leftovers()).length === 0, 'no unfinished files are left');
  const { list } = await client(sled).artifactList({}, wait);
  const onDisk = (await Promise.all(sled.datasets.map(artifactsOnDisk))).flat();
  for (const [sha256, copies] of Object.entries(list))
    expect(copies, 'what it says is what is there').toBe(onDisk.filter(each => each === sha256).length);
  const { artifacts } = await client(sled).artifactConfigGet({ query: {} }, wait);
  for (const sha256 of artifacts)
    if (held.has(sha256)) expect(list[sha256], 'what was acknowledged is there').toBe(2);
};

/** One act, killed at each of its steps; `prepare` makes what it acts on, new for each time. */
const killAtEachStep = async <T>(
  name: string,
  options: {
    match: RegExp;
    most: number;
    prepare: () => Promise<T>;
    act: (on: T) => Promise<void>;
    /** After the restart, knowing whether the act was answered. */
    check: (on: T, answered: boolean) => Promise<void>;
  },
) => {
  const { match, prepare, act, check } = options;
  const counted = await prepare();
  await killer.arm(sled, { match, at: null });
  await act(counted);
  const steps = await killer.steps();
  await check(counted, true);
  const points = choosePoints(steps.length, options.most);
  for (const at of points) {
    const on = await prepare();
    const answered = await actUntilKilled(
      sled,
      () => killer.arm(sled, { match, at }),
      () => act(on),
    );
    await checkDisks();
    await killer.disarm();
    await sled.start();
    await checkStarted();
    await check(on, answered);
  }
  report(name, steps, points);
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-crash-'));
  registrar = await startRegistrar();
  killer = createKillSwitch(directory, 'sled-1', () => [join(directory, 'sled-1')]);
  const options = { sledLimits: { min_free_bytes: 0 }, nodeArguments: () => killer.nodeArguments };
  sled = makeSled(directory, 1, [registrar.address], options);
  source = makeSled(directory, 2, [registrar.address], { sledLimits: { min_free_bytes: 0 } });
  await source.start();
});
// Each test begins with a sled that runs, whatever became of the one before.
beforeEach(async () => {
  await killer.disarm();
  if (!sled.isRunning()) await sled.start();
});
afterAll(async () => {
  await sled?.stop();
  await source?.stop();
  await registrar?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

test('a first start, killed at each step: the next start makes a sled that takes a config and an artifact', async () => {
  const home = join(directory, 'sled-1');
  // Up to the ready file: when that is there the start is over.
  const match = /^(?!answer|request|sync sled-1$)(?!.*ready)/;
  await sled.kill();
  await rm(home, { recursive: true });
  await killer.armStart({ match, at: null });
  await sled.start();
  const steps = await killer.steps();
  expect(steps).toContain('rename sled-1/m2-a/dataset.json');
  const points = choosePoints(steps.length, 7);
  for (const at of points) {
    await killer.disarm();
    await sled.kill();
    await rm(home, { recursive: true });
    await killer.armStart({ match, at });
    await expect(sled.start()).rejects.toMatchObject({ code: 'CHILD_FAILED', message: /SIGKILL/ });
    await killer.disarm();
    await sled.start();
    expect(await leftovers()).toEqual([]);
    generation = 1;
    const one = artifact();
    await want(one);
    expect(await put(sled, one, generation)).toEqual({ datasets: 2, successful_writes: 2 });
    for (const dataset of sled.datasets) expect(await artifactsOnDisk(dataset)).toEqual([one.sha256]);
  }
  held.clear();
  report('a first start of a sled agent', steps, points);
}, 600_000);

test('a put, killed at each step: acknowledged is kept, no wrong bytes, nothing left over, and it works again (G5, P2)', async () => {
  await killAtEachStep('a put', {
    match: /./,
    most: 8,
    async prepare() {
      const one = artifact();
      await want(...wanted, one);
      return one;
    },
    async act(one) {
      expect(await put(sled, one, generation)).toEqual({ datasets: 2, successful_writes: 2 });
      held.add(one.sha256);
    },
    async check(one, answered) {
      if (answered) expect(await copiesOf(one)).toBe(2);
      await put(sled, one, generation);
      held.add(one.sha256);
      expect(await copiesOf(one)).toBe(2);
    },
  });
}, 600_000);

test('a copy from another sled, killed at each step: listed artifacts are kept, and it works again (G5, B7)', async () => {
  const copy = async ({ sha256 }: Artifact) => {
    const body = { depot_base_url: `http://${source.depotAddress()}` };
    const query = { generation: asGeneration(generation) };
    await client(sled).artifactCopyFromDepot({ params: { sha256 }, query, body }, wait);
  };
  let sourceGeneration = 1;
  await killAtEachStep('a copy', {
    // The list is asked until the copy is there: those answers are as many as the machine is slow.
    match: /^(?!answer 200)/,
    most: 8,
    async prepare() {
      const one = artifact();
      sourceGeneration += 1;
      await until(async () => {
        await offer(source, sourceGeneration, [one]);
        return true;
      }, 'the source takes a config');
      await put(source, one, sourceGeneration);
      await want(...wanted, one);
      return one;
    },
    async act(one) {
      await copy(one);
      while ((await copiesOf(one)) < 2);
      held.add(one.sha256);
    },
    async check(one, answered) {
      if (answered) expect(await copiesOf(one)).toBe(2);
      await copy(one);
      await until(async () => {
        const { list, copies_in_flight } = await client(sled).artifactList({}, wait);
        return list[one.sha256] === 2 && copies_in_flight!.length === 0;
      }, 'the copy is there');
      held.add(one.sha256);
    },
  });
}, 600_000);

test('a config, its ledgers and its deletions, killed at each step: the generation stays, the rest goes (G2, G3, G6)', async () => {
  await killAtEachStep('a config with its ledgers and a deletion', {
    match: /^(?!answer 200)/,
    most: 9,
    async prepare() {
      const [kept, gone] = [artifact(), artifact()];
      await want(kept, gone);
      for (const each of [kept, gone]) {
        await put(sled, each, generation);
        held.add(each.sha256);
      }
      return { kept, gone, before: generation };
    },
    async act({ kept, gone }) {
      await offer(sled, generation + 1, [kept]);
      generation += 1;
      wanted = [kept];
      await isDeleted(gone);
    },
    async check({ kept, gone, before }) {
      const config = await client(sled).artifactConfigGet({ query: {} }, wait);
      // Answered or not it is one of the two, whole; answered it is the new one.
      const isNew = generation > before || config.generation > before;
      expect(config.generation).toBe(isNew ? before + 1 : before);
      expect(config.artifacts.toSorted()).toEqual(
        (isNew ? [kept] : [kept, gone]).map(each => each.sha256).toSorted(),
      );
      await until(async () => {
        await offer(sled, config.generation + 1, [kept]);
        return true;
      }, 'the next config');
      generation = config.generation + 1;
      wanted = [kept];
      await isDeleted(gone);
      await expect(offer(sled, generation - 1, [kept, gone])).rejects.toMatchObject({
        code: 'CONFIG_GENERATION',
      });
    },
  });
}, 600_000);

/** From the disks alone; gives up when the process is gone. */
const isDeleted = async ({ sha256 }: Artifact) => {
  const onDisk = async () => (await Promise.all(sled.datasets.map(artifactsOnDisk))).flat();
  while ((await onDisk()).includes(sha256)) await client(sled).artifactConfigGet({ query: {} }, wait);
};
