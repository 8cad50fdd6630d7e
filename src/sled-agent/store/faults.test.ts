/** ST5: disks that are full, read-only or failing, one of them at a time and all together. */
import { cpSync, existsSync, renameSync } from 'node:fs';
import { mkdir, readdir, rename, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asGeneration } from '../../core/ids.ts';
import { seededRng } from '../../core/rng.ts';
import { interposed, type Operation, systemError } from '../../lib/disk.fixture.ts';
import { realDisk } from '../../lib/real-disk.ts';
import { bytesOf, copies, offer, put, reconcile, testArtifact } from './artifact.fixture.ts';
import { createTestStore, type TestStore, type TestStoreOptions } from './store.fixture.ts';
import type { ArtifactStore } from './store.ts';

const [a, b] = [testArtifact(1, 200_000), testArtifact(2, 50_000)];
const GENERATION_1 = asGeneration(1);

type Fault = (operation: Operation) => string | undefined;

/** A store over real directories whose disk fails as told. */
const faultyStore = async (
  options: TestStoreOptions = {},
): Promise<TestStore & { fail: (fault: Fault) => void }> => {
  let fault: Fault = () => undefined;
  const disk = interposed(realDisk, operation => {
    const code = fault(operation);
    if (code !== undefined) throw systemError(code);
  });
  const sled = await createTestStore({ ...options, dependencies: { disk } });
  await offer(sled.store(), 1, [a, b]);
  await reconcile(sled.store()); // the pass that a config begins must not be the first to meet the fault
  return Object.assign(sled, {
    fail: (next: Fault) => {
      fault = next;
    },
  });
};

const states = async (store: ArtifactStore) => (await store.list()).datasetHealth.map(({ state }) => state);

const unfinishedIn = async (directory: string) =>
  (await readdir(directory)).filter(name => name.startsWith('.tmp-'));

const WRITING: readonly string[] = [
  'createFile',
  'write',
  'sync',
  'rename',
  'unlink',
  'syncDirectory',
  'makeDirectory',
];

test('a disk that fills up in the middle of a write leaves the write, which goes on with the others (S16)', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  const [full] = sled.directories;
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  await writer.write(a.bytes.subarray(0, 1000));
  sled.fail(({ name, path }) => (name === 'write' && path.startsWith(full!) ? 'ENOSPC' : undefined));
  await writer.write(a.bytes.subarray(1000));
  expect(await writer.commit()).toEqual({ datasets: 2, successfulWrites: 1 });
  sled.fail(() => undefined);
  expect(await states(store), 'being full once is no fault of the disk').toEqual(['ok', 'ok']);
  expect(await copies(store, a)).toBe(1);
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 2 });
});

test('with every disk full the write is refused with NO_SPACE, and leaves nothing (S16)', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  sled.fail(({ name }) => (name === 'write' ? 'ENOSPC' : undefined));
  await expect(writer.write(a.bytes)).rejects.toMatchObject({ code: 'NO_SPACE', status: 507 });
  await expect(writer.commit()).rejects.toMatchObject({ code: 'NO_SPACE' });
  sled.fail(() => undefined);
  expect((await store.list()).artifacts.size).toBe(0);
  expect(await put(store, a)).toMatchObject({ successfulWrites: 2 });
});

test('a disk that is full after the rename of a ledger is not missing, and takes the config once there is space (S16)', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  sled.fail(({ name }) => (name === 'syncDirectory' ? 'ENOSPC' : undefined));
  await expect(offer(store, 2, [a])).rejects.toMatchObject({ code: 'NO_SPACE' });
  sled.fail(() => undefined);
  expect(await states(store)).toEqual(['ok', 'ok']);
  expect(await offer(store, 2, [a])).toBe('adopted');
});

test('a dataset that fails in the middle of a write is not listed until it was examined again', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  await put(store, b);
  const [bad] = sled.directories;
  sled.fail(({ name, path }) => (name === 'sync' && path.startsWith(bad!) ? 'EIO' : undefined));
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 1 });
  expect(await states(store)).toEqual(['failed', 'ok']);
  expect((await store.list()).artifacts).toEqual(
    new Map([
      [a.sha256, 1],
      [b.sha256, 1],
    ]),
  );
  expect(await bytesOf(await store.open(b.sha256))).toEqual(b.bytes);
  sled.fail(() => undefined);
  await reconcile(store);
  expect(await states(store)).toEqual(['ok', 'ok']);
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 2 });
});

test('a copy whose directory could not be synced does not count (G4)', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  const [bad] = sled.directories;
  sled.fail(({ name, path }) => (name === 'syncDirectory' && path.startsWith(bad!) ? 'EIO' : undefined));
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 1 });
  expect(await copies(store, a)).toBe(1);
});

test('a write that began before its dataset failed and returned does not complete on it', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  const [bad] = sled.directories;
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  await writer.write(a.bytes);
  sled.fail(({ name, path }) => (name === 'readDirectory' && path.startsWith(bad!) ? 'EIO' : undefined));
  await store.list();
  sled.fail(() => undefined);
  await reconcile(store);
  expect(await writer.commit()).toEqual({ datasets: 2, successfulWrites: 1 });
  expect(await states(store)).toEqual(['ok', 'ok']);
});

test('a read-only dataset serves what it has, and writes and deletions go to the other one', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  await put(store, b);
  const [readOnly] = sled.directories;
  sled.fail(({ name, path }) => (WRITING.includes(name) && path.startsWith(readOnly!) ? 'EROFS' : undefined));
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 1 });
  expect(await put(store, a)).toEqual({ datasets: 1, successfulWrites: 1 });
  const listing = await store.list();
  expect(listing.datasets).toBe(1);
  expect(listing.datasetHealth[0]).toMatchObject({ state: 'read_only' });
  expect(listing.artifacts.get(b.sha256)).toBe(2);
  expect(await offer(store, 2, [a])).toBe('adopted');
  await reconcile(store);
  expect((await store.list()).artifacts).toEqual(new Map([[a.sha256, 1]]));
  sled.fail(() => undefined);
  await reconcile(store);
  expect(await states(store)).toEqual(['ok', 'ok']);
  expect((await store.list()).deletionsTotal, 'one on each dataset, when it could be').toBe(2);
});

test('a store can start on a read-only dataset, which no process can lock', async () => {
  await using sled = await faultyStore();
  await put(sled.store(), a);
  const [readOnly] = sled.directories;
  const disk = interposed(realDisk, ({ name, path }) => {
    if (WRITING.includes(name) && path.startsWith(readOnly!)) throw systemError('EROFS');
  });
  const lockDirectory = async (path: string) => {
    if (path === readOnly) throw systemError('EROFS');
    return { [Symbol.asyncDispose]: async () => undefined };
  };
  const store = await sled.reopen({ disk, lockDirectory });
  expect(store.state()).toEqual({ kind: 'ready' });
  expect(await states(store)).toEqual(['read_only', 'ok']);
  expect((await store.list()).datasetHealth[0]?.message).toMatch(/EROFS/);
  expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
  expect(await put(store, b)).toEqual({ datasets: 1, successfulWrites: 1 });
});

test('with no usable dataset a write is refused with NO_USABLE_DATASET', async () => {
  await using sled = await faultyStore();
  sled.fail(({ name }) => (name === 'createFile' ? 'EIO' : undefined));
  await expect(put(sled.store(), a)).rejects.toMatchObject({ code: 'NO_USABLE_DATASET', status: 503 });
  await expect(put(sled.store(), a)).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
});

test('the quota counts what is stored, what is in flight and what is quarantined (S16)', async () => {
  await using sled = await faultyStore({ settings: { quotaBytes: 260_000 } });
  const store = sled.store();
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  await using other = await store.beginWrite(b.sha256, GENERATION_1);
  await expect(store.beginWrite(b.sha256, GENERATION_1)).rejects.toMatchObject({
    code: 'NO_SPACE',
    message: expect.stringContaining('10000 of its quota of 260000 are left'),
  });
  await other.abort();
  await writer.write(a.bytes);
  await writer.commit();
  expect(await put(store, b)).toMatchObject({ successfulWrites: 2 });
  await expect(put(store, b)).rejects.toMatchObject({ code: 'NO_SPACE' });
  const [{ id } = { id: undefined }] = (await store.list()).datasetHealth;
  await store.quarantine(b.sha256, id!, 'test');
  expect((await store.list()).datasetHealth.map(({ usedBytes }) => usedBytes)).toEqual([250_000, 250_000]);
});

test('a dataset that evidence alone fills is not full: the next write takes the space (S16)', async () => {
  await using sled = await faultyStore({ settings: { quotaBytes: 250_000 } });
  const store = sled.store();
  for (const artifact of [a, b]) await put(store, artifact);
  expect(await states(store)).toEqual(['full', 'full']);
  const [{ id } = { id: undefined }] = (await store.list()).datasetHealth;
  await store.quarantine(b.sha256, id!, 'test');
  expect(await states(store)).toEqual(['ok', 'full']);
  expect(await put(store, b)).toMatchObject({ datasets: 2, successfulWrites: 1 });
  expect((await store.list()).quarantined).toEqual([]);
  expect(await copies(store, b)).toBe(2);
});

test('an unfinished file that cannot be removed is removed when its disk takes writes again, without a restart (G3)', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  const [first] = sled.directories;
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  await writer.write(a.bytes.subarray(0, 1000));
  sled.fail(({ name, path }) => (name === 'unlink' && path.startsWith(first!) ? 'EROFS' : undefined));
  await writer.abort();
  expect(await unfinishedIn(first!)).toHaveLength(1);
  sled.fail(() => undefined);
  await reconcile(store);
  expect(await unfinishedIn(first!)).toEqual([]);
  expect(await states(store)).toEqual(['ok', 'ok']);
});

test('an unfinished ledger on a full disk that became read-only is removed when the disk takes writes again (G3)', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  const [first] = sled.directories;
  sled.fail(({ name, path }) => {
    if (!path.startsWith(`${first!}/.tmp-`)) return undefined;
    return { write: 'ENOSPC', unlink: 'EROFS' }[name as string];
  });
  await offer(store, 2, [a]);
  expect(await unfinishedIn(first!)).toHaveLength(1);
  expect(await states(store), 'failing to delete the file is not a full disk').toEqual(['read_only', 'ok']);
  expect((await store.list()).datasetHealth[0]?.message).toMatch(/EROFS.*ENOSPC/);
  sled.fail(() => undefined);
  await reconcile(store);
  expect(await unfinishedIn(first!)).toEqual([]);
  expect(await states(store)).toEqual(['ok', 'ok']);
});

test('an unfinished file that the clean-up of a returning disk missed is removed by the next examination (G3)', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  const [first] = sled.directories;
  await writeFile(join(first!, '.tmp-left'), 'half of an artifact');
  sled.fail(({ path }) => (path === join(first!, a.sha256) ? 'EIO' : undefined));
  await put(store, a);
  expect((await states(store))[0]).toBe('failed');
  // As in the mount point of a disk that is back a moment later: the name is not there, and the file stays.
  sled.fail(({ name, path }) => (name === 'unlink' && path.endsWith('.tmp-left') ? 'ENOENT' : undefined));
  await reconcile(store);
  expect((await store.list()).datasetHealth[0]).toMatchObject({
    state: 'missing',
    message: expect.stringContaining('still has .tmp-left'),
  });
  sled.fail(() => undefined);
  await reconcile(store);
  expect(await states(store)).toEqual(['ok', 'ok']);
  expect(await unfinishedIn(first!)).toEqual([]);
});

test('one full dataset does not make a write fail, and does not count as one with space (S16)', async () => {
  const disk = { ...realDisk, freeBytes: async (path: string) => (path.endsWith('m2-0') ? 0 : 2 ** 40) };
  await using sled = await createTestStore({ dependencies: { disk } });
  const store = sled.store();
  await offer(store, 1, [a]);
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 1 });
  const listing = await store.list();
  expect(listing.datasets).toBe(1);
  expect(listing.datasetHealth[0]).toMatchObject({ state: 'full', freeBytes: 0 });
});

test('a dataset without space for an artifact reports the numbers until there is space (S16)', async () => {
  let freeBytes = 1;
  const disk = {
    ...realDisk,
    freeBytes: async (path: string) => (path.endsWith('m2-0') ? freeBytes : 2 ** 40),
  };
  await using sled = await createTestStore({ dependencies: { disk } });
  const store = sled.store();
  await offer(store, 1, [a]);
  const messages = async () => (await store.list()).datasetHealth.map(({ message }) => message);
  expect(await messages()).toEqual([undefined, undefined]);
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 1 });
  expect(await states(store), 'another artifact may fit').toEqual(['ok', 'ok']);
  const numbers = `has no space for ${a.bytes.length} more bytes: 1 are left on the file system`;
  expect(await messages()).toEqual([expect.stringContaining(numbers), undefined]);
  freeBytes = 2 ** 40;
  expect(await messages()).toEqual([undefined, undefined]);
});

test('space stays free on the file system, also under writes of unknown length (S16)', async () => {
  let freeBytes = 1_000_000;
  const disk = { ...realDisk, freeBytes: async () => freeBytes };
  await using sled = await createTestStore({ dependencies: { disk }, settings: { minFreeBytes: 900_000 } });
  const store = sled.store();
  const artifacts = new Map([[a.sha256, undefined]]);
  await store.offerConfig({ generation: GENERATION_1, artifacts }, { signal: new AbortController().signal });
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  await expect(writer.write(a.bytes)).rejects.toMatchObject({ code: 'NO_SPACE' });
  await writer.abort();
  freeBytes = 2 ** 40;
  expect(await put(store, a), 'nothing stays reserved').toMatchObject({ successfulWrites: 2 });
});

test('nothing is written into the mount point of a disk that is gone, before anybody has looked (DS3)', async () => {
  await using sled = await createTestStore();
  const store = sled.store();
  await offer(store, 1, [a]);
  await reconcile(store); // the pass that a config begins looks at the disks too
  const [mountPoint] = sled.directories;
  const disk = `${mountPoint}-disk`;
  await rename(mountPoint!, disk);
  await mkdir(mountPoint!);
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 1 });
  expect(await readdir(mountPoint!)).toEqual([]);
  expect(await states(store)).toEqual(['missing', 'ok']);

  await rmdir(mountPoint!);
  await rename(disk, mountPoint!);
  await reconcile(store);
  await rename(mountPoint!, disk);
  await mkdir(mountPoint!);
  await offer(store, 2, [a, b]);
  expect(await readdir(mountPoint!), 'nor a ledger').toEqual([]);
  expect(await states(store)).toEqual(['missing', 'ok']);
});

test('a deletion decided for one disk spares another one that is mounted in its place (DS3)', async () => {
  await using other = await createTestStore({ datasets: 1 });
  await offer(other.store(), 1, [a]);
  await put(other.store(), a);
  const [otherDisk] = other.directories;
  await using sled = await faultyStore();
  const store = sled.store();
  await put(store, a);
  const [mountPoint] = sled.directories;
  // Right before the pass reads its directory: the ledger that does not list it was written to the first disk.
  sled.fail(({ name, path }) => {
    if (name !== 'readDirectory' || path !== mountPoint || existsSync(`${mountPoint}-disk`)) return undefined;
    renameSync(mountPoint, `${mountPoint}-disk`);
    cpSync(otherDisk!, mountPoint, { recursive: true });
    return undefined;
  });
  await offer(store, 2, [b]);
  await reconcile(store).catch(() => undefined);
  expect(await readdir(mountPoint!)).toContain(a.sha256);
  expect(await states(store)).toEqual(['missing', 'ok']);
});

test('whatever fails at random, a name stands for the right bytes, and success for at least one copy (ST1, ST2)', async () => {
  await using sled = await faultyStore();
  const store = sled.store();
  for (let seed = 0; seed < 60; seed += 1) {
    const rng = seededRng(seed);
    const [target] = sled.directories;
    sled.fail(({ name, path }) =>
      path.startsWith(target!) && WRITING.includes(name) && rng.below(6) === 0
        ? ['ENOSPC', 'EIO', 'EROFS'][rng.below(3)]
        : undefined,
    );
    const outcome = await put(store, a);
    expect(outcome.successfulWrites, `seed ${seed}`).toBeGreaterThan(0);
    expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
    sled.fail(() => undefined);
    await reconcile(store);
    expect(await states(store)).toEqual(['ok', 'ok']);
  }
});
