import { EventEmitter, once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openArchive } from '../archive/archive.ts';
import type { ArchiveEntry } from '../archive/content.ts';
import { memoryFile } from '../archive/hand-made-zip.fixture.ts';
import { DepotError, messageChain } from '../lib/errors.ts';
import { startThread } from '../lib/worker-thread.ts';
import { makeTestRelease, type TestRelease } from '../signing/release.fixture.ts';
import { digestOf } from './entry-digests.ts';
import { type HashResult, hashHelperFor, helpedBy } from './hash-helper.ts';
import { verifyArchive } from './verify-archive.ts';
import { verifyRelease } from './verify-release.ts';

const SIZES = [9_000_000, 14_000_000, 12_000_000, 10];
let directory: string;
let release: TestRelease;
let bytes: Buffer;
let entries: readonly ArchiveEntry[];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-helper-'));
  release = await makeTestRelease(directory, { artifacts: SIZES });
  bytes = await readFile(release.path);
  const archive = await openArchive(memoryFile(bytes));
  entries = release.artifacts.map(({ targetName }) => archive.entries.get(`repo/targets/${targetName}`)!);
});
afterAll(() => rm(directory, { recursive: true }));

const { signal } = new AbortController();

/** Both: by the function, and by the thread with its helper. */
const verdictsOn = async (path: string): Promise<readonly unknown[]> => {
  const request = {
    trustRoots: [{ id: 'its own', bytes: release.trustRoot }],
    nowMs: Date.UTC(2026, 0, 1),
  };
  const told = (error: unknown) => {
    if (!(error instanceof DepotError)) throw error;
    const { code, detail, report } = error;
    return { code, detail, report, message: messageChain(error) };
  };
  const file = memoryFile(await readFile(path));
  return [
    await verifyArchive(file, request, { signal }).catch(told),
    await verifyRelease(path, request, { signal }).catch(told),
  ];
};

test('a release that two threads hash has the verdict of one', async () => {
  const [alone, helped] = await verdictsOn(release.path);
  expect(alone).toHaveProperty('entries');
  expect(helped).toEqual(alone);
});

test('of damages in several targets the one that comes first in the file is named, whoever meets which', async () => {
  const damaged = Buffer.from(bytes);
  for (const { dataOffset } of entries.slice(0, 3)) damaged[dataOffset + 5]! ^= 1;
  const path = join(directory, 'damaged.zip');
  await writeFile(path, damaged);
  const [alone, helped] = await verdictsOn(path);
  expect(alone).toMatchObject({ code: 'ARCHIVE_DAMAGED', detail: { target: 'artifact-0.bin' } });
  expect(helped).toEqual(alone);
});

/** A thread that answers when the test says so. */
const heldThread = () => {
  const events = new EventEmitter();
  const received: ArchiveEntry[] = [];
  const thread = {
    on: events.on.bind(events) as Worker['on'],
    postMessage: (entry: ArchiveEntry) => void received.push(entry),
    terminate: async () => 0,
  };
  const answer = (sha256?: string) =>
    events.emit('message', { digests: sha256 && { sha256, prefixes: undefined } });
  return { thread, received, answer, events };
};

test('an entry is taken by one of the two, the largest first by the helper (HH1)', async () => {
  const { thread, received, answer } = heldThread();
  await using helper = helpedBy(thread, entries);
  const [first, largest, last, small] = entries as [ArchiveEntry, ArchiveEntry, ArchiveEntry, ArchiveEntry];
  expect(helper.take(first), 'the thread is not ready').toBeUndefined();
  answer();
  expect(received).toEqual([largest]);
  const waits = helper.take(largest);
  answer('the digest');
  expect(await waits).toMatchObject({ sha256: 'the digest' });
  expect(received).toEqual([largest, last]);
  answer();
  expect(await helper.take(last), 'one that it could not read').toBeUndefined();
  answer('another');
  expect(received, 'not what the caller has taken').toEqual([largest, last, small]);
  expect(await helper.take(small)).toMatchObject({ sha256: 'another' });
});

test('the thread has the same digests of an entry as the verification', async () => {
  const worker = startThread(pathToFileURL(join(import.meta.dirname, 'hash-helper.ts')).href, 'hash-worker', {
    path: release.path,
  });
  try {
    await once(worker, 'message');
    worker.postMessage(entries[0]!);
    const [{ digests }] = (await once(worker, 'message')) as [HashResult];
    const expected = await digestOf(memoryFile(bytes), entries[0]!, { signal });
    expect(expected.prefixes).toBeDefined();
    expect(digests).toEqual(expected);
  } finally {
    await worker.terminate();
  }
});

test('when the thread ends, what it had taken is left to the caller, and nothing more is taken (HH2)', async () => {
  const { thread, received, answer, events } = heldThread();
  await using helper = helpedBy(thread, entries);
  answer();
  const waits = helper.take(entries[1]!);
  events.emit('exit', 1);
  expect(await waits).toBeUndefined();
  answer();
  expect(received).toEqual([entries[1]]);
  expect(helper.take(entries[2]!)).toBeUndefined();
});

test('an archive that the helper cannot open is left to the caller (HH2)', async () => {
  await using helper = hashHelperFor(join(directory, 'none.zip'))(entries)!;
  for (const entry of entries) expect(await helper.take(entry)).toBeUndefined();
});

test('little, or a single entry, has no helper', () => {
  expect(hashHelperFor(release.path)(entries.slice(0, 2))).toBeUndefined();
  expect(hashHelperFor(release.path)([{ ...entries[0]!, compressedBytes: 1e9 }])).toBeUndefined();
});
