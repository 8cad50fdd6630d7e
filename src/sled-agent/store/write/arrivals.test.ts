/** What a write has verified is readable before its end, and nothing else. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { asGeneration } from '../../../core/ids.ts';
import { collectPrefixes, type PrefixDigests } from '../../../core/prefix-digests.ts';
import { systemClock } from '../../../lib/clock.ts';
import { createMemoryDisk, interposed, type Operation, systemError } from '../../../lib/disk.fixture.ts';
import { TEMPORARY_PREFIX } from '../../../lib/durable-file.ts';
import { realDisk } from '../../../lib/real-disk.ts';
import {
  bytesOf,
  copies,
  neverAborted,
  offer,
  put,
  type TestArtifact,
  testArtifact,
} from '../artifact.fixture.ts';
import { createTestStore, type TestStore } from '../store.fixture.ts';
import type { ArrivingArtifact, ArtifactStore } from '../store.ts';
import { createArrivals } from './arrivals.ts';

const UNIT_BYTES = 1_000;
const [a, b] = [testArtifact(1, 4_500), testArtifact(2, 4_500)];
const GENERATION = asGeneration(1);

const prefixesOf = ({ bytes }: TestArtifact): PrefixDigests => {
  const collector = collectPrefixes(createHash('sha256'), { sizeBytes: bytes.length, unitBytes: UNIT_BYTES });
  collector.update(bytes);
  return collector.collected()!;
};

const tell = (store: ArtifactStore, artifact: TestArtifact, prefixes = prefixesOf(artifact)): void =>
  store.tellPrefixes(artifact.sha256, { sizeBytes: artifact.bytes.length, prefixes });

type Fault = (operation: Operation) => string | undefined;

const storeWithMarks = async (): Promise<TestStore & { readonly fail: (fault: Fault) => void }> => {
  let fault: Fault = () => undefined;
  const disk = interposed(realDisk, operation => {
    const code = fault(operation);
    if (code !== undefined) throw systemError(code);
  });
  const sled = await createTestStore({ dependencies: { disk } });
  await offer(sled.store(), 1, [a, b]);
  tell(sled.store(), a);
  return Object.assign(sled, {
    fail(next: Fault) {
      fault = next;
    },
  });
};

const openArriving = async (store: ArtifactStore, signal = neverAborted): Promise<ArrivingArtifact> => {
  const arriving = await store.openArriving(a.sha256, { signal });
  if (arriving === undefined) throw new Error('it does not arrive');
  return arriving;
};

/** The bytes from there to the end, in as many reads as it takes; none of them may go beyond. */
const readTo = async (arriving: ArrivingArtifact, position: number, end: number): Promise<Uint8Array> => {
  const target = new Uint8Array(10_000);
  let at = position;
  while (at < end) at += (await arriving.read(target.subarray(at), at)) ?? Number.NaN;
  return target.subarray(position, at);
};

/** Whether it settles although everything that can run has run. */
const isPending = async (promise: Promise<unknown>): Promise<boolean> => {
  let pending = true;
  const done = () => {
    pending = false;
  };
  promise.then(done, done);
  for (let turn = 0; turn < 50; turn += 1) await setImmediate();
  return pending;
};

test('what is verified is read before the write ends, and no byte beyond its last mark', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  expect(await store.openArriving(a.sha256, { signal: neverAborted })).toBeUndefined();
  await using writer = await store.beginWrite(a.sha256, GENERATION);
  await using arriving = await openArriving(store);
  expect(arriving).toMatchObject({ sha256: a.sha256, sizeBytes: 4_500 });
  await writer.write(a.bytes.subarray(0, 999));
  const first = readTo(arriving, 0, 2_000);
  expect(await isPending(first)).toBe(true);
  await writer.write(a.bytes.subarray(999, 2_700));
  expect(await first).toEqual(a.bytes.subarray(0, 2_000));
  expect(await readTo(arriving, 1_500, 2_000)).toEqual(a.bytes.subarray(1_500, 2_000));
  const beyond = readTo(arriving, 2_000, 4_000);
  expect(await isPending(beyond)).toBe(true);
  expect((await store.list()).artifacts.size, 'it is not held').toBe(0);
  await expect(store.open(a.sha256)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  await writer.write(a.bytes.subarray(2_700));
  expect(await beyond).toEqual(a.bytes.subarray(2_000, 4_000));
  expect((await store.list()).artifacts.size, 'all of its bytes are there, and it is not held').toBe(0);
  const end = arriving.read(new Uint8Array(1), 4_000);
  expect(await isPending(end), 'the rest after the last mark waits for the hash of the whole').toBe(true);
  await writer.commit();
  await end;
  expect(await arriving.read(new Uint8Array(1), 4_400)).toBeUndefined();
  expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
});

test('without prefix digests, and of other artifacts, nothing arrives', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  await using writer = await store.beginWrite(b.sha256, GENERATION);
  await writer.write(b.bytes);
  for (const { sha256 } of [a, b])
    expect(await store.openArriving(sha256, { signal: neverAborted })).toBeUndefined();
  await writer.commit();
});

test('a wrong byte ends the write at the next mark, named by sender and offset; what was right before it is all that was read', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  await using writer = await store.beginWrite(a.sha256, GENERATION, { sender: 'http://192.0.2.1:12348' });
  const wrong = Uint8Array.from(a.bytes);
  wrong[2_500]! ^= 1;
  await using arriving = await openArriving(store);
  await writer.write(wrong.subarray(0, 2_900));
  const failure = writer.write(wrong.subarray(2_900, 3_100));
  await expect(failure).rejects.toMatchObject({
    code: 'ARTIFACT_PREFIX_MISMATCH',
    message: expect.stringMatching(/first 3000 bytes that http:\/\/192\.0\.2\.1:12348 sent .* first 2000 do/),
    detail: { verified_bytes: 2_000, differs_at: 3_000 },
  });
  await expect(writer.write(wrong.subarray(3_100))).rejects.toMatchObject({
    code: 'ARTIFACT_PREFIX_MISMATCH',
  });
  expect(await readTo(arriving, 1_000, 2_000)).toEqual(a.bytes.subarray(1_000, 2_000));
  const beyond = arriving.read(new Uint8Array(10), 2_000);
  expect(await isPending(beyond)).toBe(true);
  await expect(writer.commit()).rejects.toMatchObject({ code: 'ARTIFACT_PREFIX_MISMATCH' });
  expect(await beyond).toBeUndefined();
  expect(await store.openArriving(a.sha256, { signal: neverAborted })).toBeUndefined();
  for (const directory of sled.directories)
    expect((await readdir(directory)).filter(name => name.startsWith('.tmp-'))).toEqual([]);
});

test('wrong digests cost one transfer: they are not compared again until others are told (TPX3, PXD1)', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  tell(store, a, prefixesOf(b));
  await expect(put(store, a)).rejects.toMatchObject({ code: 'ARTIFACT_PREFIX_MISMATCH' });
  expect(() => tell(store, a, prefixesOf(b))).toThrow('had other prefix digests than these');
  expect(await put(store, a)).toEqual({ datasets: 2, successfulWrites: 2 });
  tell(store, a);
  await using writer = await store.beginWrite(a.sha256, GENERATION);
  await writer.write(a.bytes);
  await using arriving = await openArriving(store);
  expect(await readTo(arriving, 0, 4_000)).toEqual(a.bytes.subarray(0, 4_000));
});

test('right digests admit nothing: the hash of the whole decides (PXD1, G5)', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  await using writer = await store.beginWrite(a.sha256, GENERATION);
  const wrong = Uint8Array.from(a.bytes);
  wrong[4_400]! ^= 1;
  await writer.write(wrong);
  await using arriving = await openArriving(store);
  const end = arriving.read(new Uint8Array(10), 4_000);
  await expect(writer.commit()).rejects.toMatchObject({ code: 'ARTIFACT_HASH_MISMATCH' });
  expect(await end).toBeUndefined();
  expect(await copies(store, a)).toBe(0);
});

test('a dataset that fails is no source any more, and the answer goes on from the other', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  const [first, second] = sled.directories;
  for (const [fault, bad] of [
    ['write', first],
    ['read', second],
  ] as const) {
    await using writer = await store.beginWrite(a.sha256, GENERATION);
    await writer.write(a.bytes.subarray(0, 2_000));
    await using arriving = await openArriving(store);
    expect(await readTo(arriving, 0, 1)).toEqual(a.bytes.subarray(0, 2_000));
    const read = new Set<string>();
    sled.fail(({ name, path }) => {
      if (name === 'read' && basename(path).startsWith(TEMPORARY_PREFIX)) read.add(dirname(path));
      return name === fault && path.startsWith(bad!) ? 'EIO' : undefined;
    });
    await writer.write(a.bytes.subarray(2_000, 4_000));
    expect(await readTo(arriving, 500, 4_000)).toEqual(a.bytes.subarray(500, 4_000));
    if (fault === 'write')
      expect([...read], 'what it has written before is not read either').toEqual([second]);
    await writer.abort();
    expect(await arriving.read(new Uint8Array(1), 4_000)).toBeUndefined();
    sled.fail(() => undefined);
    await store.reconcile('test', { signal: neverAborted });
  }
});

test('with every file unreadable the answer ends with the error of the disk', async () => {
  await using sled = await storeWithMarks();
  await using writer = await sled.store().beginWrite(a.sha256, GENERATION);
  await writer.write(a.bytes.subarray(0, 2_000));
  await using arriving = await openArriving(sled.store());
  sled.fail(({ name }) => (name === 'read' ? 'EIO' : undefined));
  await expect(arriving.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'EIO' });
});

test('the same answer goes on through the renames at the end of the write', async () => {
  let isNaming = false;
  const named = Promise.withResolvers<void>();
  const disk = interposed(realDisk, async ({ name }) => {
    if (isNaming && name === 'syncDirectory') await named.promise;
  });
  await using sled = await createTestStore({ dependencies: { disk } });
  const store = sled.store();
  await offer(store, 1, [a]);
  tell(store, a);
  await using writer = await store.beginWrite(a.sha256, GENERATION);
  await writer.write(a.bytes);
  await using before = await openArriving(store);
  expect(await readTo(before, 0, 4_000)).toEqual(a.bytes.subarray(0, 4_000));
  // A write that is disposed waits for its commit.
  using end = new DisposableStack();
  end.defer(named.resolve);
  isNaming = true;
  const committed = writer.commit();
  await using after = await openArriving(store);
  expect(await readTo(before, 4_200, 4_500)).toEqual(a.bytes.subarray(4_200));
  expect(await readTo(after, 4_200, 4_500)).toEqual(a.bytes.subarray(4_200));
  expect((await store.list()).artifacts.size, 'its names are not durable').toBe(0);
  named.resolve();
  await committed;
  expect(await copies(store, a)).toBe(2);
});

test('an artifact that is not wanted any more is not served further, and the next request finds nothing', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  await using writer = await store.beginWrite(a.sha256, GENERATION);
  await writer.write(a.bytes.subarray(0, 2_000));
  await using arriving = await openArriving(store);
  const waiting = arriving.read(new Uint8Array(1), 2_000);
  waiting.catch(() => undefined);
  await offer(store, 2, [b]);
  await expect(waiting).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  await expect(arriving.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  expect(await store.openArriving(a.sha256, { signal: neverAborted })).toBeUndefined();
});

test('of two writes of one artifact, the answer goes on from the one that is left', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  await using ahead = await store.beginWrite(a.sha256, GENERATION);
  await ahead.write(a.bytes.subarray(0, 3_000));
  await using arriving = await openArriving(store);
  expect(await readTo(arriving, 0, 3_000)).toEqual(a.bytes.subarray(0, 3_000));
  await using behind = await store.beginWrite(a.sha256, GENERATION);
  await ahead.abort();
  const next = readTo(arriving, 3_000, 4_000);
  await behind.write(a.bytes.subarray(0, 2_000));
  expect(await isPending(next)).toBe(true);
  await behind.write(a.bytes.subarray(2_000));
  expect(await next).toEqual(a.bytes.subarray(3_000, 4_000));
});

test('a request waits for a write to begin, where its bytes could be read then, and no longer than it says', async () => {
  await using sled = await storeWithMarks();
  const store = sled.store();
  const long = { signal: neverAborted, waitMs: 600_000 };
  const expected = store.openArriving(a.sha256, long);
  expect(await isPending(expected)).toBe(true);
  expect(await store.openArriving(b.sha256, long), 'it has no digests').toBeUndefined();
  expect(await store.openArriving(a.sha256, { ...long, waitMs: 1 })).toBeUndefined();
  await using writer = await store.beginWrite(a.sha256, GENERATION);
  await writer.write(a.bytes.subarray(0, 2_000));
  await using arriving = (await expected)!;
  expect(await readTo(arriving, 0, 2_000)).toEqual(a.bytes.subarray(0, 2_000));
  await writer.abort();
  const unwanted = store.openArriving(a.sha256, long);
  expect(await isPending(unwanted)).toBe(true);
  await offer(store, 2, [b]);
  expect(await unwanted).toBeUndefined();
});

test('what becomes withheld is not served further, and not opened (ARV4, T3)', async () => {
  const { disk } = createMemoryDisk(['/m2-0']);
  const file = await disk.createFile('/m2-0/arriving');
  await file.write(a.bytes, 0);
  let isWithheld = false;
  const arrivals = createArrivals({
    ...{ disk, clock: systemClock, isServed: () => !isWithheld, isExpected: () => true },
  });
  const lane = { key: 'm2-0', path: '/m2-0/arriving', writtenBytes: 4_500, onReadFailure: () => undefined };
  const arrival = arrivals.begin(a.sha256, { sizeBytes: 4_500, files: () => [lane] });
  arrival.verified(1_000);
  await using arriving = (await arrivals.open(a.sha256, { signal: neverAborted }))!;
  expect(await readTo(arriving, 0, 1_000)).toEqual(a.bytes.subarray(0, 1_000));
  isWithheld = true;
  await expect(arriving.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  expect(await arrivals.open(a.sha256, { signal: neverAborted, waitMs: 600_000 })).toBeUndefined();
});

test('a reader that goes away waits no longer', async () => {
  await using sled = await storeWithMarks();
  await using writer = await sled.store().beginWrite(a.sha256, GENERATION);
  await writer.write(a.bytes.subarray(0, 10));
  const leaving = new AbortController();
  const arriving = await openArriving(sled.store(), leaving.signal);
  const waiting = arriving.read(new Uint8Array(1), 0);
  leaving.abort(new Error('the client has left'));
  await expect(waiting).rejects.toThrow('the client has left');
  await using other = await openArriving(sled.store());
  const disposed = other.read(new Uint8Array(1), 0);
  disposed.catch(() => undefined);
  await other[Symbol.asyncDispose]();
  await expect(disposed).rejects.toMatchObject({ code: 'INTERNAL' });
});
