import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { verifyArchive } from '../verify/verify-archive.ts';
import { flipBit, makeTestRelease, type TestRelease, type TestReleaseOptions } from './release.fixture.ts';
import { keysForAllRoles } from './sign-metadata.ts';
import { generateSigningKey } from './signing-keys.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-release-'));
});
afterAll(() => rm(directory, { recursive: true }));

const twoKeys = keysForAllRoles([generateSigningKey(), generateSigningKey()], 2);
const NOW_MS = Date.UTC(2026, 0, 1);

const verify = async ({ path, trustRoot }: TestRelease) => {
  await using file = await openRandomAccessFile(path);
  const request = { trustRoots: [{ id: 'root', bytes: trustRoot }], nowMs: NOW_MS };
  return await verifyArchive(file, request, { signal: AbortSignal.timeout(30_000) });
};

test('equal options and keys give equal archives', async () => {
  const keys = keysForAllRoles([generateSigningKey()]);
  const [a, b] = await Promise.all(
    ['a.zip', 'b.zip'].map(fileName => makeTestRelease(directory, { keys, fileName })),
  );
  expect(a?.sha256).toBe(b?.sha256);
  expect(await readFile(a?.path ?? '')).toEqual(await readFile(b?.path ?? ''));
});

test.each<[string, TestReleaseOptions]>([
  ['v2', {}],
  ['v1', { format: 'v1' }],
  ['plain', { format: 'plain' }],
])('a %s release without knobs verifies', async (_, options) => {
  const release = await makeTestRelease(directory, options);
  const { description } = await verify(release);
  expect(description.artifacts.map(artifact => artifact.sha256)).toEqual(
    release.artifacts.map(artifact => artifact.sha256),
  );
});

const target = 'repo/targets/artifact-0.bin';

test.each<[string, TestReleaseOptions, string]>([
  ['an expired role', { expired: ['snapshot'] }, 'METADATA_EXPIRED'],
  ['a wrong signer', { signers: { targets: [generateSigningKey()] } }, 'UNTRUSTED_SIGNATURES'],
  [
    'a threshold that is not met',
    { keys: twoKeys, signers: { timestamp: twoKeys.root.keys.slice(1) } },
    'UNTRUSTED_SIGNATURES',
  ],
  ['a missing target', { tamper: files => files.delete(target) }, 'TARGET_MISSING'],
  ['a bit over in an artifact', { tamper: files => flipBit(files, target, 4321) }, 'TARGET_HASH_MISMATCH'],
  [
    'a bit over in metadata',
    { tamper: files => flipBit(files, 'repo/metadata/targets.json', 4321) },
    'METADATA_MISMATCH',
  ],
  [
    'an artifact cut short',
    { tamper: files => files.set(target, new Uint8Array(1)) },
    'TARGET_LENGTH_MISMATCH',
  ],
])('%s makes a release that is refused for just that', async (_, options, code) => {
  await expect(verify(await makeTestRelease(directory, options))).rejects.toMatchObject({ code });
});

test('artifacts of one seed are shared, others belong to one release, and another content seed makes another release', async () => {
  const artifacts = [{ seed: 'shared', sizeBytes: 10 }, { sizeBytes: 10 }];
  const hashesOf = async (options: TestReleaseOptions) =>
    (await makeTestRelease(directory, { artifacts, ...options })).artifacts.map(made => made.sha256);
  const [first, second, other] = [
    await hashesOf({ systemVersion: '1.0.0' }),
    await hashesOf({ systemVersion: '2.0.0' }),
    await hashesOf({ systemVersion: '1.0.0', contentSeed: 'other' }),
  ];
  expect(second[0]).toBe(first[0]);
  expect(other[0]).toBe(first[0]);
  expect(new Set([first[1], second[1], other[1]]).size).toBe(3);
});
