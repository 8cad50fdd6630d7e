import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openRandomAccessFile } from '../../lib/random-access-file.ts';
import { chooseDemoFiles, MIN_RELEASE_BYTES, totalBytes } from '../../local-fleet/demo-files.ts';
import { makeTestRelease } from '../../signing/release.fixture.ts';
import { verifyArchive } from '../../verify/verify-archive.ts';
import { assembleDemoReleases, assembleSuccessor, unshared } from './demo-releases.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const { signal } = new AbortController();

const temporaryDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-demo-releases-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
};

const file = async (directory: string, name: string) => {
  const path = join(directory, name);
  await writeFile(path, `content of ${name}`);
  return { path, name, sizeBytes: 11 + name.length };
};

test('the first release of the demo has at least 200 MiB of real files, none of them twice', async () => {
  const { shared, firstOnly, secondOnly } = await chooseDemoFiles(await temporaryDirectory(), { signal });
  expect(totalBytes([...shared, ...firstOnly])).toBeGreaterThanOrEqual(MIN_RELEASE_BYTES);
  const all = [...shared, ...firstOnly, ...secondOnly];
  expect(new Set(all.map(({ sizeBytes }) => sizeBytes)).size).toBe(all.length);
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  expect(shared.length).toBeGreaterThan(1);
  expect(secondOnly.length).toBeGreaterThan(0);
});

test('two releases share exactly the shared files, and one root vouches for both', async () => {
  const directory = await temporaryDirectory();
  const [a, b, c] = [await file(directory, 'a'), await file(directory, 'b'), await file(directory, 'c')];
  const { first, second } = await assembleDemoReleases(
    { shared: [a], firstOnly: [b], secondOnly: [c] },
    directory,
    NOW_MS,
  );
  const names = (hashes: ReadonlySet<string>) =>
    [...first.artifacts.values(), ...second.artifacts.values()]
      .filter(({ sha256 }) => hashes.has(sha256))
      .map(({ targetName }) => targetName);
  expect(names(unshared(first, second))).toEqual(['b']);
  expect(names(unshared(second, first))).toEqual(['c']);
});

test("a successor of the user's release carries part of it on unchanged", async () => {
  const directory = await temporaryDirectory();
  const release = await makeTestRelease(directory, {
    systemVersion: '3.4.5',
    artifacts: [100, 200, 300, 400],
  });
  await using archive = await openRandomAccessFile(release.path);
  const request = { trustRoots: [{ id: 'own', bytes: release.trustRoot }], nowMs: NOW_MS };
  const verified = await verifyArchive(archive, request, { signal });
  const successor = await assembleSuccessor(
    { path: release.path, verified },
    [await file(directory, 'new')],
    directory,
    { nowMs: NOW_MS, signal },
  );
  expect(successor.version).toBe('3.5.0');
  expect([...successor.artifacts.values()].map(({ targetName }) => targetName)).toEqual([
    'artifact-0.bin',
    'artifact-1.bin',
    'new',
  ]);
  expect([...successor.artifacts.keys()].slice(0, 2)).toEqual(
    release.artifacts.slice(0, 2).map(({ sha256 }) => sha256),
  );
});
