import { mkdtemp, open, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openArchive } from '../archive/archive.ts';
import { memoryFile } from '../archive/hand-made-zip.fixture.ts';
import { makeTestRelease, type TestRelease } from '../signing/release.fixture.ts';
import { type DigestRecords, knownDigests } from './entry-digests.ts';
import { type FollowedArchive, followArchive } from './follow-archive.ts';
import { verifyRelease } from './verify-release.ts';

let directory: string;
let release: TestRelease;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-follow-'));
  release = await makeTestRelease(directory, { artifacts: [9_000_000, 10, 3_000_000] });
});
afterAll(() => rm(directory, { recursive: true }));

const { signal } = new AbortController();
const NOT_EXPECTED = {
  limits: {},
  onFailure: (error: unknown) => expect.fail(`nothing is known: ${error}`),
};

/** Writes the release as an upload arrives. */
const arrive = async (path: string, followed: FollowedArchive, until = Number.POSITIVE_INFINITY) => {
  const bytes = await readFile(release.path);
  await using file = await open(path, 'w');
  const pieceBytes = 500_000;
  for (let written = 0; written < Math.min(bytes.length, until); ) {
    written += (await file.write(bytes, written, Math.min(pieceBytes, bytes.length - written), written))
      .bytesWritten;
    followed.grewTo(written);
  }
};

/** The files that this process, all of its threads, has open. */
const openFiles = async (): Promise<readonly string[]> => {
  const descriptors = await readdir('/proc/self/fd');
  return Promise.all(descriptors.map(name => readlink(`/proc/self/fd/${name}`).catch(() => '')));
};

const verify = (path: string, digests: DigestRecords | undefined) =>
  verifyRelease(
    path,
    { trustRoots: [{ id: 'its own', bytes: release.trustRoot }], nowMs: Date.UTC(2026, 0, 1) },
    { signal, digests },
  );

test('every entry of an archive that is written meanwhile is known at its end, and the verdict is the same', async () => {
  const path = join(directory, 'arriving.zip');
  await using followed = followArchive(path, NOT_EXPECTED);
  await arrive(path, followed);
  const digests = (await followed.digests({ signal }))!;
  expect(await openFiles()).not.toContain(path);
  const known = knownDigests(digests);
  const { entries } = await openArchive(memoryFile(await readFile(path)));
  for (const entry of entries.values()) expect(known(entry), entry.name).toBeDefined();
  expect(await verify(path, digests)).toEqual(await verify(path, undefined));
});

test('a digest takes the place of the bytes: a wrong one would be a wrong hash, and never a release', async () => {
  const path = join(directory, 'lied-about.zip');
  await using followed = followArchive(path, NOT_EXPECTED);
  await arrive(path, followed);
  const digests = (await followed.digests({ signal }))!;
  digests[digests.length - 1]! ^= 1;
  await expect(verify(path, digests)).rejects.toMatchObject({ code: 'TARGET_HASH_MISMATCH' });
});

test('a small archive needs no thread, and nothing is known of it', async () => {
  const path = join(directory, 'small.zip');
  await using followed = followArchive(path, NOT_EXPECTED);
  await arrive(path, followed, 1_000_000);
  expect(await followed.digests({ signal })).toBeUndefined();
});

test('an abort ends the wait with the reason of the signal, and the file is closed then (FAR2)', async () => {
  const path = join(directory, 'aborted.zip');
  await using followed = followArchive(path, NOT_EXPECTED);
  const stop = new AbortController();
  const reason = new Error('enough');
  await arrive(path, followed);
  const digests = followed.digests({ signal: stop.signal });
  stop.abort(reason);
  await expect(digests).rejects.toBe(reason);
  expect(await openFiles()).not.toContain(path);
});

test('the end of the scope ends it in the middle of an archive, and the file is closed then (FAR2)', async () => {
  const path = join(directory, 'left.zip');
  {
    await using followed = followArchive(path, NOT_EXPECTED);
    await arrive(path, followed, 9_000_000);
    await expect.poll(openFiles, { timeout: 60_000 }).toContain(path);
  }
  expect(await openFiles()).not.toContain(path);
});

test('a thread that cannot read makes nothing known, and says why (FAR1)', async () => {
  let failure: unknown;
  await using followed = followArchive(join(directory, 'none.zip'), {
    limits: {},
    onFailure: error => {
      failure = error;
    },
  });
  followed.grewTo(10_000_000);
  expect(await followed.digests({ signal })).toBeUndefined();
  expect(`${failure}`).toContain('none.zip');
});
