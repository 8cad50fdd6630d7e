/** Deletions wait (T4): over a memory disk, with restarts, power cuts, damaged files and full datasets. */
import { expect, test } from 'vitest';
import { createTestClock } from '../../../lib/clock.fixture.ts';
import { type Operation, systemError } from '../../../lib/disk.fixture.ts';
import {
  copies,
  offer,
  put,
  reconcile,
  type TestArtifact,
  tellFloor,
  testArtifact,
} from '../artifact.fixture.ts';
import { writeAllowance } from '../files/deletions-file.ts';
import { createMachine, DIRECTORIES, type Machine } from '../memory-store.fixture.ts';
import type { ArtifactStore, StoreSettings } from '../store.ts';

const [a, b, c, d] = [1, 2, 3, 4].map(seed => testArtifact(seed, 1000)) as [
  TestArtifact,
  TestArtifact,
  TestArtifact,
  TestArtifact,
];
const [M0, M1] = DIRECTORIES;
const MINUTE_MS = 60_000;
const deletion: StoreSettings['deletion'] = {
  waitMs: 10 * MINUTE_MS,
  limitPercent: 50,
  limitWaitMs: 7 * 24 * 60 * MINUTE_MS,
};

type Start = NonNullable<Parameters<Machine['start']>[0]>;

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 200; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

/** A sled that holds these artifacts at generation 1. */
const holding = async (artifacts: readonly TestArtifact[], options: Start = {}) => {
  const machine = createMachine();
  const clock = createTestClock();
  const start = (more: Start = {}) => machine.start({ clock, deletion, ...options, ...more });
  const store = await start();
  await tellFloor(store, 1);
  await offer(store, 1, artifacts);
  for (const artifact of artifacts) await put(store, artifact);
  /** In steps, so that each alarm finds the one before it done. */
  const pass = async (ms: number) => {
    await settle();
    for (let left = ms; left > 0; left -= MINUTE_MS) {
      await clock.advance(Math.min(left, MINUTE_MS));
      await settle();
    }
  };
  return { machine, clock, store, start, pass };
};

const namesOn = (machine: Machine, directory: string): readonly string[] =>
  [...machine.memory.files().keys()]
    .filter(path => path.startsWith(`${directory}/`))
    .map(path => path.slice(directory.length + 1));
const has = (machine: Machine, { sha256 }: TestArtifact): boolean =>
  DIRECTORIES.some(directory => namesOn(machine, directory).includes(sha256));
const remaining = async (store: ArtifactStore): Promise<readonly number[]> =>
  (await store.list()).deletionsWaiting.first.map(({ remainingMs }) => Math.round(remainingMs / 1000));

test('an artifact that a config has dropped is listed, counts as room, and is deleted when its wait is over (T4)', async () => {
  const { machine, store, pass } = await holding([a, b]);
  await offer(store, 2, [a]);
  await settle();
  const listing = await store.list();
  expect(listing.deletionsWaiting).toMatchObject({
    artifacts: 1,
    sizeBytes: 1000,
    first: [{ sha256: b.sha256 }],
  });
  expect(listing.datasetHealth).toMatchObject([
    { reclaimableBytes: 1000, retainedBytes: 0 },
    { reclaimableBytes: 1000, retainedBytes: 0 },
  ]);
  await pass(10 * MINUTE_MS - 1000);
  expect(has(machine, b)).toBe(true);
  await pass(1000);
  expect(has(machine, b)).toBe(false);
  expect(await store.list()).toMatchObject({
    deletionsTotal: 1,
    deletionsWaiting: { artifacts: 0 },
    deletions: [{ sha256: b.sha256, reason: expect.stringContaining('has waited') }],
  });
});

test('a config that lists it again takes it back without a transfer, and a later wait begins at zero (T4)', async () => {
  const { machine, store, pass } = await holding([a, b]);
  await offer(store, 2, [a]);
  await pass(9 * MINUTE_MS);
  await offer(store, 3, [a, b]);
  expect(await copies(store, b)).toBe(2);
  await pass(30 * MINUTE_MS);
  expect(await copies(store, b)).toBe(2);
  await offer(store, 4, [a]);
  await pass(9 * MINUTE_MS);
  expect(has(machine, b)).toBe(true);
  await pass(MINUTE_MS);
  expect(has(machine, b)).toBe(false);
});

test('a restart continues the wait, and a wall clock that jumps changes nothing (DK1)', async () => {
  const { machine, store, start, pass } = await holding([a, b]);
  await offer(store, 2, [a]);
  await pass(6 * MINUTE_MS);
  machine.kill();
  // Another process: its clocks begin elsewhere.
  const later = createTestClock(Date.parse('1970-01-01T00:00:00Z'));
  const after = await start({ clock: later });
  expect(await remaining(after)).toEqual([4 * 60]);
  await later.advance(3 * MINUTE_MS);
  await settle();
  expect(has(machine, b)).toBe(true);
  await later.advance(MINUTE_MS);
  await settle();
  expect(has(machine, b)).toBe(false);
});

test.each([[M0], [M1]])(
  'the newest file of deletions counts, when the one on %s was not written any more (DK1)',
  async stale => {
    let isFull = false;
    const { machine, store, start, pass } = await holding([a, b], {
      before: ({ name, path }) => {
        if (isFull && name === 'createFile' && path.startsWith(stale) && path.includes('deletions'))
          throw systemError('ENOSPC');
      },
    });
    await offer(store, 2, [a]);
    await pass(2 * MINUTE_MS);
    isFull = true;
    await pass(6 * MINUTE_MS);
    machine.kill();
    expect(await remaining(await start())).toEqual([2 * 60]);
  },
);

/** Holds every deletion pass at its beginning, until it is opened. */
const createGate = () => {
  let open = Promise.resolve();
  let release = (): void => undefined;
  return {
    close() {
      open = new Promise(resolve => {
        release = resolve;
      });
    },
    open: () => release(),
    before: ({ name, path }: Operation) =>
      name === 'openFile' && path.endsWith('allow-deletion.json') ? open : undefined,
  };
};

test('an artifact that was listed again for a moment waits anew, although no pass has seen it listed (DK2)', async () => {
  const gate = createGate();
  const { store, pass } = await holding([a, b, c], { before: gate.before });
  await offer(store, 2, [a, b]);
  await pass(6 * MINUTE_MS);
  gate.close();
  await offer(store, 3, [a, b, c]);
  await offer(store, 4, [a, b]);
  gate.open();
  await settle();
  expect(await remaining(store)).toEqual([10 * 60]);
});

test('a crash between two configs leaves no wait that began before an artifact was listed again (DK2)', async () => {
  let taken = 0;
  for (let cutAfter = 0; ; cutAfter += 1) {
    const gate = createGate();
    let operationsLeft = Number.POSITIVE_INFINITY;
    const dies = (operation: Operation) => {
      if (operationsLeft-- <= 0) throw new Error('the process is dead');
      return gate.before(operation);
    };
    const { machine, store, start, pass } = await holding([a, b, c], { before: dies });
    await offer(store, 2, [a, b]);
    await pass(6 * MINUTE_MS);
    operationsLeft = cutAfter;
    gate.close();
    const isAdopted = await offer(store, 3, [a, b, c]).then(
      () => true,
      () => false,
    );
    const isOver = isAdopted && operationsLeft > 0;
    machine.powerCut(cutAfter);
    operationsLeft = Number.POSITIVE_INFINITY;
    const after = await start();
    await tellFloor(after, 2);
    if (after.config()?.generation === 3) {
      taken += 1;
      await offer(after, 4, [a, b]);
      gate.open();
      await settle();
      expect(await remaining(after), `cut after ${cutAfter} operations`).toEqual([10 * 60]);
    }
    if (isOver) break;
  }
  expect(taken).toBeGreaterThan(0);
});

test.each([[M0], [M1]])(
  'the newest file counts also when a hold has stopped the clock: %s has missed that an artifact was listed again (DK2, DK7)',
  async stale => {
    let isFull = false;
    const gate = createGate();
    const { machine, store, start, pass } = await holding([a, b], {
      before(operation) {
        const { name, path } = operation;
        if (isFull && name === 'createFile' && path.startsWith(stale) && path.includes('deletions'))
          throw systemError('ENOSPC');
        return gate.before(operation);
      },
    });
    await offer(store, 2, [a]);
    await pass(6 * MINUTE_MS);
    await expect(offer(store, 1, [a, b])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
    await pass(30 * MINUTE_MS);
    isFull = true;
    gate.close();
    expect(await offer(store, 3, [a, b])).toBe('adopted');
    await offer(store, 4, [a]);
    machine.kill();
    isFull = false;
    gate.open();
    const after = await start();
    await settle();
    expect(await remaining(after)).toEqual([10 * 60]);
  },
);

test('a config that is adopted between the decision to delete and the unlink keeps the file (P2, DE1)', async () => {
  let open = (): void => undefined;
  const opened = new Promise<void>(resolve => {
    open = resolve;
  });
  let filesLeft = Number.POSITIVE_INFINITY;
  const { machine, store, pass } = await holding([a, b], {
    before({ name, path }) {
      if (name !== 'createFile' || !path.includes('deletions.json')) return undefined;
      filesLeft -= 1;
      return filesLeft < 0 ? opened : undefined;
    },
  });
  await offer(store, 2, [a]);
  await pass(9 * MINUTE_MS);
  // When the artifact is due the clock is written to both datasets, and then that its bytes are counted.
  filesLeft = 2;
  await pass(MINUTE_MS);
  expect(filesLeft).toBe(-2);
  const adopting = offer(store, 3, [a, b]);
  await settle();
  open();
  await adopting;
  await settle();
  expect(has(machine, b)).toBe(true);
  expect((await store.list()).deletionsTotal).toBe(0);
});

test('a sled in doubt begins its waits anew: it may miss a config that listed the artifact again (DK3)', async () => {
  const { machine, store, start, pass } = await holding([a, b]);
  await offer(store, 2, [a]);
  await pass(6 * MINUTE_MS);
  machine.kill();
  const after = await start({ absent: [M1] });
  await tellFloor(after, 2);
  await reconcile(after);
  expect(await remaining(after)).toEqual([10 * 60]);
});

test('with one file of deletions damaged the other one counts, and with both the waits begin anew (DK5)', async () => {
  const { machine, store, start, pass } = await holding([a, b]);
  await offer(store, 2, [a]);
  await pass(6 * MINUTE_MS);
  const damage = async (directory: string) => {
    machine.kill();
    const path = `${directory}/deletions.json`;
    await machine.memory.disk.unlink(path);
    await (await machine.memory.disk.createFile(path)).write(new TextEncoder().encode('{'), 0);
  };
  await damage(M0);
  const second = await start();
  expect(await remaining(second)).toEqual([4 * 60]);
  await reconcile(second);
  await damage(M0);
  await damage(M1);
  const third = await start();
  await settle();
  expect(await remaining(third)).toEqual([10 * 60]);
});

test('a lease delays the wait, which begins when the last one has ended (DE4)', async () => {
  const { machine, store, pass } = await holding([a, b]);
  const id = '00000000-0000-4000-8000-000000000001';
  const lease = { sha256: b.sha256, id: id as never, holder: 'installer', termMs: 60 * MINUTE_MS };
  await store.takeLease(lease);
  await offer(store, 2, [a]);
  await pass(30 * MINUTE_MS);
  expect((await store.list()).datasetHealth).toMatchObject([
    { retainedBytes: 1000 },
    { retainedBytes: 1000 },
  ]);
  expect(await remaining(store)).toEqual([]);
  await store.returnLease(b.sha256, lease.id);
  await settle();
  expect(await remaining(store)).toEqual([10 * 60]);
  await pass(10 * MINUTE_MS);
  expect(has(machine, b)).toBe(false);
});

test('more than half of what a sled held is not deleted: it is listed, takes room, and goes after the long wait (T4)', async () => {
  const limitWaitMs = 3 * 60 * MINUTE_MS;
  const { machine, store, pass } = await holding([a, b, c], { deletion: { ...deletion, limitWaitMs } });
  await offer(store, 2, [a]);
  await pass(11 * MINUTE_MS);
  const listing = await store.list();
  expect(listing.deletionsLimited).toMatchObject({ artifacts: 2, sizeBytes: 2000 });
  expect(listing.deletionsWaiting).toMatchObject({ artifacts: 0 });
  expect(listing.datasetHealth).toMatchObject([{ reclaimableBytes: 0, retainedBytes: 2000 }, {}]);
  await pass(limitWaitMs - 12 * MINUTE_MS);
  expect([b, c].map(each => has(machine, each))).toEqual([true, true]);
  await pass(2 * MINUTE_MS);
  expect([a, b, c].map(each => has(machine, each))).toEqual([true, false, false]);
});

test('the limit remembers across a restart what was deleted before it (T4)', async () => {
  const { machine, store, start, pass } = await holding([a, b, c, d]);
  await offer(store, 2, [a, b]);
  await pass(11 * MINUTE_MS);
  expect([c, d].map(each => has(machine, each))).toEqual([false, false]);
  machine.powerCut(1);
  const after = await start();
  await offer(after, 3, [a]);
  await settle();
  expect((await after.list()).deletionsLimited).toMatchObject({
    artifacts: 1,
    first: [{ sha256: b.sha256 }],
  });
});

test('a power cut at any step of a deletion does not count its bytes twice (DK4)', async () => {
  for (let cutAfter = 0; ; cutAfter += 1) {
    let operationsLeft = Number.POSITIVE_INFINITY;
    const dies = () => {
      if (operationsLeft-- <= 0) throw new Error('the process is dead');
    };
    const { machine, store, start, pass } = await holding([a, b], { before: dies });
    await offer(store, 2, [a]);
    await pass(9 * MINUTE_MS);
    operationsLeft = cutAfter;
    await pass(MINUTE_MS);
    const isOver = operationsLeft > 0;
    machine.powerCut(cutAfter);
    const after = await start({ before: () => undefined });
    await pass(2 * MINUTE_MS);
    expect((await after.list()).deletionsLimited.artifacts, `cut after ${cutAfter} operations`).toBe(0);
    expect(has(machine, b)).toBe(false);
    if (isOver) break;
  }
});

test('what a person allows on the machine is deleted within a minute, and nothing else is allowed by that (T4)', async () => {
  const e = testArtifact(5, 1000);
  const { machine, store, pass } = await holding([a, b, c, d, e]);
  await offer(store, 2, [a]);
  await settle();
  const limited = (await store.list()).deletionsLimited.first;
  const allow = (directory: string, ...artifacts: readonly TestArtifact[]) => {
    const hashes = artifacts.map(({ sha256 }) => sha256);
    const waits = limited.filter(({ sha256 }) => hashes.includes(sha256));
    return writeAllowance(machine.memory.disk, directory, [...waits, { sha256: a.sha256, sinceMs: 0 }]);
  };
  await allow(M1, b);
  await pass(MINUTE_MS);
  expect(has(machine, b)).toBe(false);
  expect(namesOn(machine, M1)).not.toContain('allow-deletion.json');
  await pass(20 * MINUTE_MS);
  expect([c, d, e].map(each => has(machine, each))).toEqual([true, true, true]);
  expect((await store.list()).deletionsLimited).toMatchObject({ artifacts: 3 });
  await allow(M0, c);
  await pass(2 * MINUTE_MS);
  // Without this one the others are within the limit, and the one that is listed stays.
  expect([a, c, d, e].map(each => has(machine, each))).toEqual([true, false, false, false]);
});

test('past half of its wait an artifact makes room for a wanted one, the oldest first and no more than needed (WT4)', async () => {
  const { machine, store, pass } = await holding([a, b, c, d].slice(0, 3), { quotaBytes: 4000 });
  await offer(store, 2, [a, b]);
  await pass(2 * MINUTE_MS);
  const e = testArtifact(5, 2000);
  await offer(store, 3, [a, b, e]);
  await expect(put(store, e)).rejects.toMatchObject({ code: 'NO_SPACE' });
  expect((await store.list()).datasetHealth).toMatchObject([{ state: 'ok' }, { state: 'ok' }]);
  await pass(3 * MINUTE_MS);
  expect(await put(store, e)).toEqual({ datasets: 2, successfulWrites: 2 });
  expect(has(machine, c)).toBe(false);
  expect((await store.list()).deletions).toMatchObject([
    { reason: expect.stringContaining('space is needed') },
  ]);
});

test('only as many artifacts make room as are needed; the others wait on', async () => {
  const wanted = testArtifact(6, 4000);
  const { machine, store, pass } = await holding([wanted, a, b], { quotaBytes: 6500 });
  await offer(store, 2, [wanted]);
  await pass(5 * MINUTE_MS);
  await offer(store, 3, [wanted, d]);
  await put(store, d);
  expect([a, b].filter(each => has(machine, each))).toHaveLength(1);
  expect(await remaining(store)).toEqual([5 * 60]);
});

test('what has made room counts to the share of the day (WT2, WT4)', async () => {
  const { machine, store, pass } = await holding([a, b, c, d], { quotaBytes: 4500 });
  await offer(store, 2, [a, c, d]);
  await pass(5 * MINUTE_MS);
  const e = testArtifact(5, 1000);
  await offer(store, 3, [a, c, d, e]);
  await put(store, e);
  expect(has(machine, b)).toBe(false);
  // Alone these two are half of the most bytes; with the one before they are more.
  await offer(store, 4, [a, e]);
  await pass(20 * MINUTE_MS);
  expect([c, d].map(each => has(machine, each))).toEqual([true, true]);
  expect((await store.list()).deletionsLimited).toMatchObject({ artifacts: 2 });
});

test('a dataset that is full of what may make room is not full; before half of the wait it is', async () => {
  const { store, pass } = await holding([a, b], { quotaBytes: 2000 });
  await offer(store, 2, [a]);
  await settle();
  expect((await store.list()).datasetHealth).toMatchObject([{ state: 'full' }, { state: 'full' }]);
  await pass(5 * MINUTE_MS);
  expect((await store.list()).datasetHealth).toMatchObject([{ state: 'ok' }, { state: 'ok' }]);
});

test('beyond the limit nothing makes room', async () => {
  const { store, pass } = await holding([a, b, c], { quotaBytes: 3500 });
  await offer(store, 2, [a]);
  await pass(60 * MINUTE_MS);
  await offer(store, 3, [a, d]);
  await expect(put(store, d)).rejects.toMatchObject({ code: 'NO_SPACE' });
});

test('a disk without space for the file of deletions does not keep them (DK4)', async () => {
  let isFull = false;
  const { machine, store, pass } = await holding([a, b], {
    before: ({ name, path }) => {
      if (isFull && name === 'createFile' && path.includes('deletions')) throw systemError('ENOSPC');
    },
  });
  await offer(store, 2, [a]);
  await settle();
  isFull = true;
  await pass(10 * MINUTE_MS);
  expect(has(machine, b)).toBe(false);
  expect((await store.list()).datasetHealth).toMatchObject([{ state: 'ok' }, { state: 'ok' }]);
});

test('what no dataset took is written again, also while the clock stands still and nothing changes (DK8)', async () => {
  let isFull = true;
  const { machine, store, clock } = await holding([a, b], {
    before: ({ name, path }) => {
      if (isFull && name === 'createFile' && path.includes('deletions')) throw systemError('ENOSPC');
    },
  });
  await offer(store, 2, [a]);
  await settle();
  const hasFile = () => namesOn(machine, M0).includes('deletions.json');
  expect(hasFile()).toBe(false);
  isFull = false;
  const before = clock.monotonicMs();
  await reconcile(store);
  await settle();
  expect(hasFile()).toBe(true);
  expect(clock.monotonicMs(), 'without a tick').toBe(before);
});

test('without a wait and without a limit no file is written', async () => {
  const { machine, store } = await holding([a, b], {
    deletion: { waitMs: 0, limitPercent: 100, limitWaitMs: 0 },
  });
  await offer(store, 2, []);
  await settle();
  expect([a, b].map(each => has(machine, each))).toEqual([false, false]);
  expect(namesOn(machine, M0)).not.toContain('deletions.json');
});

/** A sled whose `b` has waited for six minutes, and which holds its deletions for half an hour then. */
const holdingBack = async () => {
  const held = await holding([a, b]);
  const { store, pass } = held;
  await offer(store, 2, [a]);
  await pass(6 * MINUTE_MS);
  await expect(offer(store, 1, [a, b])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  await pass(30 * MINUTE_MS);
  return held;
};

test('a hold does not use a wait up: after it a config can still take back what waited (P13, T4)', async () => {
  const { machine, store, pass } = await holdingBack();
  expect(await offer(store, 2, [a])).toBe('same');
  expect(await remaining(store)).toEqual([4 * 60]);
  await pass(3 * MINUTE_MS);
  expect(await offer(store, 3, [a, b])).toBe('adopted');
  expect(await copies(store, b)).toBe(2);
  await offer(store, 4, [a]);
  await pass(10 * MINUTE_MS);
  expect(has(machine, b)).toBe(false);
});

test('a wait goes on after a hold, also over a restart in between (DK6, G3)', async () => {
  const { machine, start } = await holdingBack();
  machine.kill();
  const later = createTestClock(Date.parse('1970-01-01T00:00:00Z'));
  const after = await start({ clock: later });
  await later.advance(20 * MINUTE_MS);
  await settle();
  await offer(after, 2, [a]);
  expect(await remaining(after)).toEqual([4 * 60]);
  await later.advance(3 * MINUTE_MS);
  await settle();
  expect(has(machine, b)).toBe(true);
  await later.advance(MINUTE_MS);
  await settle();
  expect(has(machine, b)).toBe(false);
});
