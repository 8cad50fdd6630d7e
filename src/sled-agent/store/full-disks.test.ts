/** A sled whose disks are full answers with their paths and numbers, whatever it cannot store (S16, ST5). */
import { expect, test } from 'vitest';
import { asGeneration, LeaseId } from '../../core/ids.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { interposed, type Operation, systemError } from '../../lib/disk.fixture.ts';
import { realDisk } from '../../lib/real-disk.ts';
import { copies, offer, put, reconcile, testArtifact } from './artifact.fixture.ts';
import { QUARANTINE_DIRECTORY } from './dataset/quarantine.ts';
import { createTestStore, type TestStore } from './store.fixture.ts';

const [a, b] = [testArtifact(1, 200_000), testArtifact(2, 50_000)];
const LEASE = {
  sha256: a.sha256,
  id: LeaseId.parse('00000000-0000-4000-8000-000000000001'),
  holder: 'installer',
  termMs: 60_000,
};

type Fault = (operation: Operation) => string | undefined;
type FaultyStore = TestStore & { readonly fail: (fault: Fault) => void };

/** A store at generation 1 with two artifacts, over real directories whose disk fails as told. */
const faultyStore = async (): Promise<FaultyStore> => {
  let fault: Fault = () => undefined;
  const disk = interposed(realDisk, operation => {
    const code = fault(operation);
    if (code !== undefined) throw systemError(code);
  });
  const sled = await createTestStore({ dependencies: { disk } });
  await offer(sled.store(), 1, [a, b]);
  for (const artifact of [a, b]) await put(sled.store(), artifact);
  await reconcile(sled.store());
  return Object.assign(sled, {
    fail: (next: Fault) => {
      fault = next;
    },
  });
};

/** What a sled stores, and how a test makes it store that. */
const KINDS: Record<string, (sled: FaultyStore) => Promise<unknown>> = {
  'a config': sled => offer(sled.store(), 2, [a]),
  'the hold of its deletions': sled => offer(sled.store(), 2, [a], 'unknown'),
  'a lease': sled => sled.store().takeLease(LEASE),
  'an artifact': sled => put(sled.store(), a),
};

test.each(Object.keys(KINDS))(
  '%s that no dataset takes, as all are full, is NO_SPACE with each directory and its free bytes',
  async kind => {
    await using sled = await faultyStore();
    sled.fail(({ name }) => (name === 'createFile' ? 'ENOSPC' : undefined));
    const refused = KINDS[kind]?.(sled);
    const numbers = sled.directories.map(
      path => `(?=.*the file system of ${path} is full: \\d+ bytes( and \\d+ inodes)? are free)`,
    );
    await expect(refused).rejects.toMatchObject({
      code: 'NO_SPACE',
      status: 507,
      message: expect.stringMatching(new RegExp(`^no dataset has space for ${numbers.join('')}`)),
    });
    const states = async () => (await sled.store().list()).datasetHealth.map(({ state }) => state);
    expect(await states()).toEqual(['full', 'full']);
    sled.fail(() => undefined);
    expect(await states()).toEqual(['ok', 'ok']);
  },
);

test.each(Object.keys(KINDS))(
  '%s that no dataset takes, as one is full and one fails, is NO_USABLE_DATASET and names both reasons',
  async kind => {
    await using sled = await faultyStore();
    const [full, broken] = sled.directories;
    sled.fail(({ name, path }) => {
      if (name !== 'createFile') return undefined;
      return path.startsWith(full!) ? 'ENOSPC' : 'EIO';
    });
    await expect(KINDS[kind]?.(sled)).rejects.toMatchObject({
      code: 'NO_USABLE_DATASET',
      status: 503,
      message: expect.stringMatching(
        new RegExp(
          `(?=.*the file system of ${full} is full: \\d+ bytes)(?=.*dataset ${broken} cannot be written: EIO)`,
        ),
      ),
    });
  },
);

test('a refusal names a dataset that was not tried, since it had failed before, beside the full one', async () => {
  await using sled = await faultyStore();
  const [full, broken] = sled.directories;
  sled.fail(({ name, path }) => (name === 'sync' && path.startsWith(broken!) ? 'EIO' : undefined));
  expect(await put(sled.store(), a)).toMatchObject({ successfulWrites: 1 });
  sled.fail(({ name }) => (name === 'createFile' ? 'ENOSPC' : undefined));
  for (const kind of ['a config', 'a lease', 'an artifact'])
    await expect(KINDS[kind]?.(sled), kind).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringMatching(
        new RegExp(`${full} is full: \\d+ bytes.*; dataset ${broken} is failed: cannot make .* durable: EIO`),
      ),
    });
});

test('a dataset without free inodes is full and says why, and takes artifacts again once there are some (S16)', async () => {
  let freeInodes = 0;
  const disk = {
    ...realDisk,
    freeInodes: async (path: string) => (path.endsWith('m2-0') ? freeInodes : undefined),
  };
  await using sled = await createTestStore({ dependencies: { disk } });
  const store = sled.store();
  await offer(store, 1, [a]);
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 1 });
  expect((await store.list()).datasetHealth).toMatchObject([
    {
      state: 'full',
      message: expect.stringMatching(/m2-0 has no space for another file: no inodes are free/),
    },
    { state: 'ok' },
  ]);
  freeInodes = 1;
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 2 });
  expect((await store.list()).datasetHealth[0]?.state).toBe('ok');
});

test('evidence of bad copies gives way to an artifact when it has the last inodes (S16)', async () => {
  let freeInodes = 5;
  const disk = {
    ...realDisk,
    freeInodes: async () => freeInodes,
    unlink: async (path: string) => {
      await realDisk.unlink(path);
      if (path.includes(QUARANTINE_DIRECTORY)) freeInodes += 1;
    },
  };
  await using sled = await createTestStore({ datasets: 1, dependencies: { disk } });
  const store = sled.store();
  await offer(store, 1, [a, b]);
  await put(store, b);
  const [health] = (await store.list()).datasetHealth;
  await store.quarantine(b.sha256, health!.id!, 'test');
  freeInodes = 0;
  expect((await store.list()).datasetHealth[0]?.state, 'it has space for a copy').toBe('ok');
  expect(await put(store, a)).toMatchObject({ successfulWrites: 1 });
  expect(await copies(store, a)).toBe(1);
});

test('what waits for its deletion gives way to an artifact when it has the last inodes (S16, T4)', async () => {
  let freeInodes = 5;
  const disk = {
    ...realDisk,
    freeInodes: async () => freeInodes,
    unlink: async (path: string) => {
      await realDisk.unlink(path);
      if (path.endsWith(b.sha256)) freeInodes += 1;
    },
  };
  const clock = createTestClock();
  const waitMs = 600_000;
  await using sled = await createTestStore({
    datasets: 1,
    settings: { deletion: { waitMs, limitPercent: 100, limitWaitMs: waitMs } },
    dependencies: { disk, clock },
  });
  const store = sled.store();
  await offer(store, 1, [b]);
  await put(store, b);
  await offer(store, 2, [a]);
  await reconcile(store);
  freeInodes = 0;
  expect((await store.list()).datasetHealth[0]?.state, 'before half of the wait').toBe('full');
  await expect(put(store, a)).rejects.toMatchObject({ code: 'NO_SPACE' });
  await clock.advance(waitMs / 2);
  expect((await store.list()).datasetHealth[0]?.state, 'it has space for a copy').toBe('ok');
  expect(await put(store, a)).toMatchObject({ successfulWrites: 1 });
  expect((await store.list()).deletions).toMatchObject([{ sha256: b.sha256 }]);
});

test('a disk that is too full to be made a dataset says so', async () => {
  const disk = interposed(realDisk, ({ name, path }) => {
    if (name === 'createFile' && path.includes('m2-0')) throw systemError('ENOSPC');
  });
  await using sled = await createTestStore({ dependencies: { disk } });
  const [health] = (await sled.store().list()).datasetHealth;
  expect(health).toMatchObject({
    state: 'full',
    message: expect.stringMatching(/^cannot open it: the file system of .*m2-0 is full: \d+ bytes/),
  });
});

test('a disk that refuses a file although it has free bytes is full with that reason, until it takes one (DS5)', async () => {
  let refuses = false;
  const disk = interposed({ ...realDisk, freeInodes: async () => undefined }, ({ name, path }) => {
    if (refuses && name === 'createFile' && path.includes('m2-0') && path.includes('.tmp-'))
      throw systemError('ENOSPC');
  });
  await using sled = await createTestStore({ dependencies: { disk } });
  const store = sled.store();
  const state = async () => (await store.list()).datasetHealth[0];
  await offer(store, 1, [a]);
  refuses = true;
  expect(await put(store, a)).toMatchObject({ successfulWrites: 1 });
  expect(await state()).toMatchObject({
    state: 'full',
    message: expect.stringMatching(/the file system of .*m2-0 is full: \d+ bytes are free: ENOSPC/),
  });
  refuses = false;
  expect((await state())?.state).toBe('ok');
});

test('a file system that cannot make names durable is no dataset, and says so at once', async () => {
  const disk = interposed(realDisk, ({ name, path }) => {
    if (name === 'syncDirectory' && path.includes('m2-0')) throw systemError('EINVAL');
  });
  await using sled = await createTestStore({ dependencies: { disk } });
  const store = sled.store();
  await offer(store, 1, [a]);
  expect(await put(store, a)).toEqual({ datasets: 1, successfulWrites: 1 });
  const [health] = (await store.list()).datasetHealth;
  expect(health).toMatchObject({
    state: 'failed',
    message: expect.stringMatching(/the file system of .*m2-0 does not support fsync of a directory/),
  });
  expect(store.config()?.generation).toBe(asGeneration(1));
});
