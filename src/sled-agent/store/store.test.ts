/** The store over real directories: puts, reads, listings, deletions, owners. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asGeneration } from '../../core/ids.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import {
  bytesOf,
  copies,
  DELETION_AT_ONCE,
  hashOf,
  neverAborted,
  offer,
  put,
  reconcile,
  tellFloor,
  testArtifact,
} from './artifact.fixture.ts';
import { openStore } from './open-store.ts';
import { createTestStore } from './store.fixture.ts';
import { MAX_EVENTS } from './store.ts';

const [a, b] = [testArtifact(1, 300_000), testArtifact(2, 100)];
const SETTINGS = {
  quotaBytes: 1e9,
  minFreeBytes: 0,
  maxArtifactBytes: 1e9,
  deletion: DELETION_AT_ONCE,
  scrub: { periodMs: 1e9, bytesPerSecond: 1e9 },
};
const GENERATION_1 = asGeneration(1);

const temporaryFiles = async (directories: readonly string[]): Promise<string[]> =>
  (await Promise.all(directories.map(directory => readdir(directory))))
    .flat()
    .filter(name => name.startsWith('.tmp-'));

test('an artifact that was put is on every dataset, is listed with its copies, and is read back whole and by range', async () => {
  await using sled = await createTestStore();
  const store = sled.store();
  await offer(store, 1, [a, b]);
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 2 });
  for (const directory of sled.directories)
    expect(hashOf(await readFile(join(directory, a.sha256)))).toBe(a.sha256);
  const listing = await store.list();
  expect(listing.artifacts).toEqual(new Map([[a.sha256, 2]]));
  expect(listing).toMatchObject({ generation: 1, datasets: 2, deletionsTotal: 0, quarantined: [] });
  expect(listing.configDigest).toBe(
    hashOf(
      new TextEncoder().encode(
        [a, b]
          .map(each => `${each.sha256}\n`)
          .sort()
          .join(''),
      ),
    ),
  );
  expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
  await using stored = await store.open(a.sha256);
  const tail = new Uint8Array(100);
  expect(await stored.read(tail, a.bytes.length - 40)).toBe(40);
  expect(tail.subarray(0, 40)).toEqual(a.bytes.subarray(-40));
  expect(await temporaryFiles(sled.directories)).toEqual([]);
});

test('an empty artifact is an artifact', async () => {
  await using sled = await createTestStore();
  const empty = testArtifact(0, 0);
  await offer(sled.store(), 1, [empty]);
  expect(await put(sled.store(), empty)).toEqual({ datasets: 2, successfulWrites: 2 });
  expect(await copies(sled.store(), empty)).toBe(2);
});

test('bytes of another hash are refused with both hashes, and nothing is left of them (G5)', async () => {
  await using sled = await createTestStore();
  const store = sled.store();
  await offer(store, 1, [a]);
  await put(store, a);
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  const wrong = Uint8Array.from(a.bytes);
  wrong[1000]! ^= 1;
  await writer.write(wrong);
  await expect(writer.commit()).rejects.toMatchObject({
    code: 'ARTIFACT_HASH_MISMATCH',
    detail: { expected: a.sha256, actual: hashOf(wrong) },
  });
  expect(await temporaryFiles(sled.directories)).toEqual([]);
  expect(await bytesOf(await store.open(a.sha256)), 'the good copy is untouched').toEqual(a.bytes);
});

test('an announced length that cannot be right is refused before the first byte, a body of another length at once or at its end (P10)', async () => {
  await using sled = await createTestStore({ settings: { maxArtifactBytes: 400_000 } });
  const store = sled.store();
  await offer(store, 1, [a]);
  const mismatch = { code: 'ARTIFACT_HASH_MISMATCH' };
  await expect(
    store.beginWrite(a.sha256, GENERATION_1, { expectedSizeBytes: a.bytes.length + 1 }),
  ).rejects.toMatchObject(mismatch);
  await using long = await store.beginWrite(a.sha256, GENERATION_1);
  await long.write(a.bytes);
  await expect(long.write(new Uint8Array(1))).rejects.toMatchObject(mismatch);
  await expect(long.commit()).rejects.toMatchObject(mismatch);
  await using short = await store.beginWrite(a.sha256, GENERATION_1);
  await short.write(a.bytes.subarray(1));
  await expect(short.commit()).rejects.toMatchObject(mismatch);
  expect(await temporaryFiles(sled.directories)).toEqual([]);
});

test('an artifact of unknown length may be as long as the limit, and not a byte longer (S17)', async () => {
  await using sled = await createTestStore({ settings: { maxArtifactBytes: a.bytes.length - 1 } });
  const store = sled.store();
  await store.offerConfig(
    { generation: GENERATION_1, artifacts: new Map([[a.sha256, undefined]]) },
    { signal: neverAborted },
  );
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  await writer.write(a.bytes.subarray(0, -1));
  await expect(writer.write(a.bytes.subarray(-1))).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
  await expect(
    store.beginWrite(a.sha256, GENERATION_1, { expectedSizeBytes: a.bytes.length }),
  ).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
});

test('an artifact that the config does not list is refused', async () => {
  await using sled = await createTestStore();
  await offer(sled.store(), 1, [a]);
  await expect(put(sled.store(), b)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_IN_CONFIG' });
  await expect(sled.store().open(a.sha256)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
});

test('two concurrent writers of one hash have separate files: a failing one never harms the other', async () => {
  await using sled = await createTestStore();
  const store = sled.store();
  await offer(store, 1, [a]);
  await using good = await store.beginWrite(a.sha256, GENERATION_1);
  await using bad = await store.beginWrite(a.sha256, GENERATION_1);
  expect(new Set(await temporaryFiles(sled.directories)).size).toBe(4);
  await good.write(a.bytes.subarray(0, 1000));
  await bad.write(new Uint8Array(1000));
  await bad.abort();
  await good.write(a.bytes.subarray(1000));
  expect(await good.commit()).toEqual({ datasets: 2, successfulWrites: 2 });
  const both = await Promise.all([put(store, a), put(store, a), put(store, a)]);
  expect(both.map(({ successfulWrites }) => successfulWrites)).toEqual([2, 2, 2]);
  expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
  expect(await temporaryFiles(sled.directories)).toEqual([]);
});

test('chunks may be outstanding together, and land in the order of the calls', async () => {
  await using sled = await createTestStore();
  const store = sled.store();
  await offer(store, 1, [a]);
  await using writer = await store.beginWrite(a.sha256, GENERATION_1);
  const writes: Promise<void>[] = [];
  for (let at = 0; at < a.bytes.length; at += 999) writes.push(writer.write(a.bytes.subarray(at, at + 999)));
  expect(await writer.commit(), 'commit waits for what is outstanding').toMatchObject({
    successfulWrites: 2,
  });
  await Promise.all(writes);
});

test('a sled with one dataset reports that, and one copy is complete there (B9)', async () => {
  await using sled = await createTestStore({ datasets: 1 });
  await offer(sled.store(), 1, [a]);
  expect(await put(sled.store(), a)).toEqual({ datasets: 1, successfulWrites: 1 });
  expect(await sled.store().list()).toMatchObject({ datasets: 1, artifacts: new Map([[a.sha256, 1]]) });
});

test('leftovers of a crash are removed at the start; names that are not hashes are left alone and reported (B10)', async () => {
  await using sled = await createTestStore();
  await offer(sled.store(), 1, [a]);
  await reconcile(sled.store()); // after the pass that the offer began
  const [first] = sled.directories;
  await writeFile(join(first!, b.sha256), b.bytes);
  await writeFile(join(first!, '.tmp-left-by-a-crash'), 'x');
  await writeFile(join(first!, 'notes.txt'), 'x');
  await writeFile(join(first!, a.sha256.toUpperCase()), 'x');
  const store = await sled.reopen();
  // Nobody asks for a pass: the start makes its own.
  await expect.poll(async () => (await store.list()).deletionsTotal).toBe(1);
  const listing = await store.list();
  expect(listing.deletions).toMatchObject([{ sha256: b.sha256, generation: 1 }]);
  expect(listing.deletions[0]!.reason).toContain('generation 1 does not list it');
  expect(listing.datasetHealth[0]!.unknownFiles).toEqual([a.sha256.toUpperCase(), 'notes.txt'].sort());
  expect(await readdir(first!)).not.toContain(b.sha256);
  expect(await readdir(first!)).not.toContain('.tmp-left-by-a-crash');
});

test('a file that appears while the store runs is found by the next reconcile (B10)', async () => {
  await using sled = await createTestStore();
  await offer(sled.store(), 1, [a]);
  await reconcile(sled.store());
  await writeFile(join(sled.directories[1]!, b.sha256), b.bytes);
  expect(await reconcile(sled.store())).toBe(1);
});

test('however many artifacts are deleted, the list of deletions stays bounded and the total does not (B12, S11)', async () => {
  await using sled = await createTestStore({ datasets: 1 });
  const store = sled.store();
  await offer(store, 1, [a]);
  await reconcile(store);
  const count = MAX_EVENTS + 10;
  for (let n = 0; n < count; n += 1)
    await writeFile(join(sled.directories[0]!, n.toString(16).padStart(64, '0')), '');
  expect(await reconcile(store)).toBe(count);
  const { deletions, deletionsTotal } = await store.list();
  expect({ listed: deletions.length, total: deletionsTotal }).toEqual({ listed: MAX_EVENTS, total: count });
});

test('a truncated file is neither listed nor served; a put keeps it as evidence and replaces it (P10)', async () => {
  await using sled = await createTestStore();
  const store = sled.store();
  await offer(store, 1, [a]);
  await put(store, a);
  const [first] = sled.directories;
  await truncate(join(first!, a.sha256), 1000);
  expect(await copies(store, a)).toBe(1);
  await using stored = await store.open(a.sha256);
  expect(stored.sizeBytes).toBe(a.bytes.length);
  const [{ id } = { id: undefined }] = (await store.list()).datasetHealth;
  await expect(store.open(a.sha256, { datasetId: id! })).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  await put(store, a);
  const listing = await store.list();
  expect(listing.artifacts.get(a.sha256)).toBe(2);
  expect(listing.quarantined).toMatchObject([
    { sha256: a.sha256, datasetId: id, reason: expect.stringContaining('1000 bytes') },
  ]);
});

test('a quarantined copy is no longer held or served, and stays reported after a restart (G5)', async () => {
  await using sled = await createTestStore();
  await offer(sled.store(), 1, [a]);
  await put(sled.store(), a);
  const ids = (await sled.store().list()).datasetHealth.map(({ id }) => id!);
  expect(await sled.store().quarantine(a.sha256, ids[0]!, 'hash differs: 50 % rot / 1')).toBe(true);
  expect(await sled.store().quarantine(a.sha256, ids[0]!, 'again')).toBe(false);
  expect(await copies(sled.store(), a)).toBe(1);
  const store = await sled.reopen();
  expect((await store.list()).quarantined).toMatchObject([
    { sha256: a.sha256, datasetId: ids[0], reason: 'hash differs: 50 % rot / 1' },
  ]);
});

test.each([
  ['has the mark ~ between the parts of a name', 'bytes 1~2 differ', 'bytes 1~2 differ'],
  ['is cut within a character', `${'x'.repeat(79)}\u{1f600}`, `${'x'.repeat(79)}\ufffd`],
  ['has long escapes', 'ü'.repeat(60), 'ü'.repeat(20)],
])('the reason of a quarantined copy is a readable text when it %s', async (_, reason, shown) => {
  await using sled = await createTestStore({ datasets: 1 });
  await offer(sled.store(), 1, [a]);
  await put(sled.store(), a);
  const [dataset] = (await sled.store().list()).datasetHealth;
  await sled.store().quarantine(a.sha256, dataset!.id!, reason);
  expect((await sled.store().list()).quarantined).toMatchObject([{ reason: shown }]);
});

test('a link in a dataset is no artifact: it is not listed, and nothing is served through it', async () => {
  await using sled = await createTestStore({ datasets: 1 });
  const outside = join(sled.directories[0]!, '..', 'secret');
  await writeFile(outside, a.bytes);
  await offer(sled.store(), 1, [a]);
  await symlink(outside, join(sled.directories[0]!, a.sha256));
  expect(await copies(sled.store(), a)).toBe(0);
  await expect(sled.store().open(a.sha256)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  expect((await sled.store().list()).datasetHealth[0]).toMatchObject({ state: 'ok' });
});

test('a directory with foreign files is not made a dataset', async () => {
  const other = await mkdtemp(join(tmpdir(), 'tuf-depot-other-'));
  try {
    await writeFile(join(other, 'thesis.txt'), 'x');
    const directories = [other];
    const settings = { ...SETTINGS, directories };
    await using store = await openStore(settings, {
      clock: systemClock,
      rng: seededRng(1),
      log: silentLogger,
    });
    const [health] = (await store.list()).datasetHealth;
    expect(health).toMatchObject({ state: 'failed' });
    expect(health!.message).toContain('thesis.txt');
    expect((await readdir(other)).sort()).toEqual(['lock', 'thesis.txt']);
  } finally {
    await rm(other, { recursive: true });
  }
});

test('a directory that does not exist is missing, is never created, and does not stop the other', async () => {
  await using sled = await createTestStore();
  await rm(sled.directories[1]!, { recursive: true });
  const store = await sled.reopen();
  await tellFloor(store, 1);
  await offer(store, 1, [a]);
  expect(await put(store, a)).toEqual({ datasets: 1, successfulWrites: 1 });
  expect((await store.list()).datasetHealth.map(({ state }) => state)).toEqual(['ok', 'missing']);
  await mkdir(sled.directories[1]!);
  await reconcile(store);
  expect((await store.list()).datasets).toBe(1);
});

test('a second process is refused with the process id of the first, and a killed one leaves no lock (P12)', async () => {
  await using sled = await createTestStore();
  const settings = {
    ...SETTINGS,
    directories: sled.directories,
  };
  const second = openStore(settings, { clock: systemClock, rng: seededRng(1), log: silentLogger });
  await expect(second).rejects.toMatchObject({ code: 'IN_USE_BY_PROCESS', detail: { pid: process.pid } });

  await sled.store()[Symbol.asyncDispose]();
  const script = `
    import { openStore } from ${JSON.stringify(join(import.meta.dirname, 'open-store.ts'))};
    import { silentLogger } from ${JSON.stringify(join(import.meta.dirname, '../../lib/log.ts'))};
    import { systemClock } from ${JSON.stringify(join(import.meta.dirname, '../../lib/clock.ts'))};
    await openStore(${JSON.stringify(settings)}, { clock: systemClock, log: silentLogger });
    console.log('open');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await expect(sled.reopen()).rejects.toMatchObject({
    code: 'IN_USE_BY_PROCESS',
    detail: { pid: child.pid! },
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect((await sled.reopen()).state().kind).toBe('awaiting_floor');
});

test('closing the store aborts the writes in flight, and leaves nothing of them (S15)', async () => {
  await using sled = await createTestStore();
  await offer(sled.store(), 1, [a]);
  const writer = await sled.store().beginWrite(a.sha256, GENERATION_1);
  await writer.write(a.bytes.subarray(0, 10));
  await sled.store()[Symbol.asyncDispose]();
  await expect(writer.write(a.bytes.subarray(10))).rejects.toThrow('has ended');
  expect(await temporaryFiles(sled.directories)).toEqual([]);
});
