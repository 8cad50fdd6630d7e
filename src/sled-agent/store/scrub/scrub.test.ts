/** The scrub: bad copies are found within a cycle, quarantined and reported; what is good stays (G5, B11). */
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import type { ArtifactHash } from '../../../core/ids.ts';
import { createTestClock, type TestClock } from '../../../lib/clock.fixture.ts';
import { type Operation, systemError } from '../../../lib/disk.fixture.ts';
import {
  bytesOf,
  copies,
  neverAborted,
  offer,
  put,
  type TestArtifact,
  tellFloor,
  testArtifact,
} from '../artifact.fixture.ts';
import { positionOf } from '../files/scrub-progress.ts';
import { createMachine, DIRECTORIES, type Machine } from '../memory-store.fixture.ts';
import type { ArtifactStore } from '../store.ts';

const ARTIFACTS = [1, 2, 3, 4, 5, 6].map(seed => testArtifact(seed, 2_000));
const a = ARTIFACTS[0]!;
const [M0, M1] = DIRECTORIES;

type Options = {
  readonly before?: (operation: Operation) => void | Promise<void>;
  readonly clock?: TestClock;
  readonly artifacts?: readonly TestArtifact[];
  readonly scrub?: { readonly periodMs: number; readonly bytesPerSecond: number };
};

/** A sled that holds the artifacts at generation 1. */
const settled = async ({ before, clock = createTestClock(), artifacts = ARTIFACTS, scrub }: Options = {}) => {
  const machine = createMachine();
  const start = () => machine.start({ clock, ...(before && { before }), ...(scrub && { scrub }) });
  const store = await start();
  await tellFloor(store, 1);
  await offer(store, 1, artifacts);
  for (const artifact of artifacts) await put(store, artifact);
  return { machine, clock, store, start };
};

const cycle = (store: ArtifactStore) => store.scrub.cycle({ signal: neverAborted });

const rot = async (
  machine: Machine,
  directory: string,
  { sha256 }: TestArtifact,
  at = 100,
): Promise<void> => {
  const file = await machine.memory.disk.openFile(`${directory}/${sha256}`);
  const byte = new Uint8Array(1);
  await file.read(byte, at);
  await file.write(Uint8Array.of(byte[0]! ^ 1), at);
  await file.sync();
};

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 200; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

test('a flipped bit is found within a cycle, the copy quarantined, not counted or served, and reported (G5, B11)', async () => {
  const { machine, store } = await settled();
  let told = 0;
  using _watch = store.onCondemned(() => {
    told += 1;
  });
  await rot(machine, M0, a);
  await cycle(store);
  expect(told).toBe(1);
  expect(await copies(store, a)).toBe(1);
  expect(await bytesOf(await store.open(a.sha256)), 'from the other dataset').toEqual(a.bytes);
  const { quarantined, datasetHealth, scrub } = await store.list();
  expect(quarantined).toMatchObject([{ sha256: a.sha256, reason: expect.stringContaining('have the hash') }]);
  expect(datasetHealth.map(each => each.quarantined)).toEqual([1, undefined]);
  expect(scrub).toMatchObject({
    cyclesCompleted: 1,
    filesDone: 12,
    filesTotal: 12,
    bytesDone: 11 * 2_000,
    lastBad: { sha256: a.sha256 },
  });
  const evidence = [...machine.memory.files().keys()].filter(path => path.startsWith(`${M0}/quarantine/`));
  expect(evidence.map(path => basename(path).split('~')[0])).toEqual([a.sha256]);
  for (const other of ARTIFACTS.slice(1)) expect(await copies(store, other)).toBe(2);
  expect(await put(store, a), 'and it is replaced').toMatchObject({ successfulWrites: 2 });
  await cycle(store);
  expect(await copies(store, a)).toBe(2);
});

test('a file that was cut short, and one that grew, are treated the same (G5)', async () => {
  const { machine, store } = await settled();
  for (const [directory, sizeBytes] of [
    [M0, 10],
    [M1, 3_000],
  ] as const) {
    const file = await machine.memory.disk.openFile(`${directory}/${a.sha256}`);
    await file.truncate(sizeBytes);
  }
  await cycle(store);
  expect((await store.list()).quarantined).toHaveLength(2);
  await expect(store.open(a.sha256)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
});

test('an unreadable sector condemns its file alone (G5)', async () => {
  const { store } = await settled({
    before({ name, path }) {
      if (name === 'read' && path === `${M0}/${a.sha256}`) throw systemError('EIO');
    },
  });
  await cycle(store);
  const { quarantined, datasets } = await store.list();
  expect(quarantined).toMatchObject([
    { sha256: a.sha256, reason: expect.stringContaining('cannot be read') },
  ]);
  expect(datasets, 'the dataset goes on').toBe(2);
});

test('an error that says nothing about the file condemns nothing (G5)', async () => {
  const { store } = await settled({
    before({ name, path }) {
      if (name === 'openFile' && path === `${M0}/${a.sha256}`) throw systemError('EMFILE');
    },
  });
  await cycle(store);
  expect(await copies(store, a)).toBe(2);
  expect((await store.list()).quarantined).toEqual([]);
});

test.each([
  ['is read-only', 'EROFS', ['read_only', 'ok']],
  ['fails', 'EIO', ['failed', 'ok']],
])(
  'a bad copy that cannot be quarantined since its dataset %s is not used, and the dataset is reported (G5)',
  async (_, code, states) => {
    const { machine, store } = await settled({
      before({ name, path }) {
        if (name === 'rename' && path.startsWith(`${M0}/quarantine`)) throw systemError(code);
      },
    });
    await rot(machine, M0, a);
    await cycle(store);
    expect(await copies(store, a)).toBe(1);
    expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
    expect((await store.list()).datasetHealth.map(({ state }) => state)).toEqual(states);
  },
);

test('a bad copy that could not be quarantined is quarantined as soon as its dataset can be written again (EX4)', async () => {
  let isBroken = true;
  const { machine, store } = await settled({
    before({ name, path }) {
      if (isBroken && name === 'rename' && path.startsWith(`${M0}/quarantine`)) throw systemError('EROFS');
    },
  });
  await rot(machine, M0, a);
  await cycle(store);
  await store.reconcile('test', { signal: neverAborted });
  expect(await copies(store, a), 'found bad').toBe(1);
  expect(machine.memory.files().has(`${M0}/${a.sha256}`), 'and in place').toBe(true);
  isBroken = false;
  await store.reconcile('test', { signal: neverAborted });
  await expect.poll(() => machine.memory.files().has(`${M0}/${a.sha256}`)).toBe(false);
  expect((await store.list()).quarantined).toHaveLength(1);
  await put(store, a);
  expect(await copies(store, a)).toBe(2);
});

test('a copy that was condemned for the failure of its whole disk counts again once the disk is back (EX4)', async () => {
  let isBroken = false;
  const { store } = await settled({
    before({ path }) {
      if (isBroken && path.startsWith(M0)) throw systemError('EIO');
    },
  });
  const id = (await store.list()).datasetHealth[0]!.id!;
  isBroken = true;
  store.suspect(a.sha256, id, 'a test');
  await expect.poll(async () => (await store.list()).datasetHealth[0]!.state).toBe('failed');
  isBroken = false;
  await store.reconcile('test', { signal: neverAborted });
  await expect.poll(() => copies(store, a)).toBe(2);
  expect((await store.list()).quarantined).toEqual([]);
});

test('an artifact that is written anew while a stale read condemns it is hashed again, and stays (P2)', async () => {
  const read = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let isArmed = false;
  const { machine, store } = await settled({
    async before({ name, path }) {
      if (!isArmed || name !== 'read' || path !== `${M0}/${a.sha256}`) return;
      isArmed = false;
      read.resolve();
      await goOn.promise; // the scrub has the rotten file open
    },
  });
  await rot(machine, M0, a);
  isArmed = true;
  const scrubbed = cycle(store);
  await read.promise;
  await put(store, a);
  goOn.resolve();
  await scrubbed;
  expect(await copies(store, a)).toBe(2);
  expect((await store.list()).quarantined).toEqual([]);
});

test('the rate is bounded: so many bytes take so long, whatever their number (G5)', async () => {
  const { clock, store } = await settled({ scrub: { periodMs: 1e9, bytesPerSecond: 1_000 } });
  const beganMs = clock.monotonicMs();
  let isOver = false;
  const scrubbed = cycle(store).then(() => {
    isOver = true;
  });
  for (let second = 0; !isOver && second < 100; second += 1) {
    const { bytesDone } = (await store.list()).scrub!;
    expect(bytesDone).toBeLessThanOrEqual(clock.monotonicMs() - beganMs + 2_000);
    await clock.advance(1_000);
  }
  await scrubbed;
  expect(clock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(12 * 2_000);
});

/** The artifacts in the order in which they are read on one dataset. */
const recorder = () => {
  const seen: ArtifactHash[] = [];
  let isOn = false;
  return {
    take: (): ArtifactHash[] => seen.splice(0),
    arm: () => {
      isOn = true;
    },
    before({ name, path }: Operation) {
      if (isOn && name === 'openFile' && path.startsWith(M0) && /[0-9a-f]{64}$/.test(path))
        seen.push(basename(path) as ArtifactHash);
    },
  };
};

test('the order differs in each cycle, and every file has its turn (G5)', async () => {
  const record = recorder();
  const { store } = await settled({ before: record.before });
  record.arm();
  const orders: string[] = [];
  for (let turn = 0; turn < 4; turn += 1) {
    await cycle(store);
    const seen = record.take();
    expect([...seen].sort()).toEqual(ARTIFACTS.map(({ sha256 }) => sha256).sort());
    orders.push(seen.join());
  }
  expect(new Set(orders).size).toBeGreaterThan(1);
  expect(positionOf(a.sha256, 1)).not.toBe(positionOf(a.sha256, 2));
});

/** Lets time pass until so many files are done. */
const filesDone = async (store: ArtifactStore, clock: TestClock, files: number): Promise<void> => {
  for (let turn = 0; ((await store.list()).scrub?.filesDone ?? 0) < files; turn += 1) {
    expect(turn, 'the scrub gets on').toBeLessThan(1_000);
    await clock.advance(1_000);
  }
};

test.each(['close', 'kill'])(
  'after a %s the next start goes on with the cycle, and looks at nothing twice that was saved (G5)',
  async how => {
    const record = recorder();
    const scrub = { periodMs: 1e9, bytesPerSecond: 40 }; // 50 s a file, saved each minute
    const { machine, clock, store, start } = await settled({ before: record.before, scrub });
    const stop = new AbortController();
    const running = store.scrub.run({ signal: stop.signal });
    await filesDone(store, clock, 6);
    const { cycleStartedMs } = (await store.list()).scrub!;
    if (how === 'kill') machine.kill();
    stop.abort();
    await running;
    const again = await start();
    record.arm();
    const stopAgain = new AbortController();
    const resumed = again.scrub.run({ signal: stopAgain.signal });
    await filesDone(again, clock, 12);
    expect((await again.list()).scrub).toMatchObject({ cycleStartedMs, filesDone: 12, filesTotal: 12 });
    expect(record.take().length, 'of six on this dataset').toBeLessThanOrEqual(how === 'kill' ? 4 : 3);
    stopAgain.abort();
    await resumed;
  },
);

test('cycles begin half a period apart, over restarts too, so that no file waits longer than the period (G5)', async () => {
  const scrub = { periodMs: 20_000, bytesPerSecond: 2 ** 30 };
  const { clock, store, start } = await settled({ scrub });
  const stop = new AbortController();
  let running = store.scrub.run({ signal: stop.signal });
  const completed = async (of: ArtifactStore) => (await of.list()).scrub?.cyclesCompleted;
  await expect.poll(() => completed(store)).toBe(1);
  await clock.advance(9_999);
  expect(await completed(store)).toBe(1);
  await clock.advance(1);
  await expect.poll(() => completed(store)).toBe(2);
  stop.abort();
  await running;
  await store[Symbol.asyncDispose]();
  await clock.advance(4_000);
  const again = await start();
  const stopAgain = new AbortController();
  running = again.scrub.run({ signal: stopAgain.signal });
  await settle();
  expect(await completed(again), 'it is on disk').toBe(2);
  await clock.advance(5_999);
  expect(await completed(again)).toBe(2);
  await clock.advance(1);
  await expect.poll(() => completed(again)).toBe(3);
  stopAgain.abort();
  await running;
});

test.each(['{', '', '{"version":99,"checksum":"","body":{}}'])(
  'a progress file that cannot be read (%j) means a new cycle (G5)',
  async text => {
    const { machine, store, start } = await settled();
    await cycle(store);
    await store[Symbol.asyncDispose]();
    for (const directory of DIRECTORIES) {
      const path = `${directory}/scrub.json`;
      await machine.memory.disk.unlink(path);
      await (await machine.memory.disk.createFile(path)).write(new TextEncoder().encode(text), 0);
    }
    const again = await start();
    const stop = new AbortController();
    const running = again.scrub.run({ signal: stop.signal });
    await expect.poll(async () => (await again.list()).scrub?.cyclesCompleted).toBe(1);
    stop.abort();
    await running;
  },
);

test('a suspected copy is hashed at once: a good one stays, a bad one is quarantined (G5)', async () => {
  const { machine, store } = await settled();
  const id = (await store.list()).datasetHealth[0]!.id!;
  store.suspect(a.sha256, id, 'a test');
  await settle();
  expect(await copies(store, a)).toBe(2);
  await rot(machine, M0, a);
  store.suspect(a.sha256, id, 'a test');
  await expect.poll(() => copies(store, a)).toBe(1);
});

test('a store that is closed during a cycle ends it, and leaves no temporary file (S15)', async () => {
  const { machine, clock, store } = await settled({ scrub: { periodMs: 1e9, bytesPerSecond: 1 } });
  const stop = new AbortController();
  const running = store.scrub.run({ signal: stop.signal });
  await clock.advance(10_000);
  stop.abort();
  await running;
  await store[Symbol.asyncDispose]();
  expect([...machine.memory.files().keys()].filter(path => basename(path).startsWith('.tmp-'))).toEqual([]);
});
