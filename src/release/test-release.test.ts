import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyRepository } from '../tuf/workflow.ts';
import { keysForAllRoles } from './sign-metadata.ts';
import { generateSigningKey } from './signing-keys.ts';
import { makeTestRelease, type TestRelease, type TestReleaseOptions } from './test-release.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-release-'));
});
afterAll(() => rm(directory, { recursive: true }));

const NOW_MS = Date.UTC(2026, 0, 1);

const sourceOf = ({ files }: TestRelease) => ({
  read: async (name: string) => files.get(`repo/metadata/${name}`),
});
const verify = (release: TestRelease) =>
  verifyRepository(sourceOf(release), {
    trustRoots: [{ id: 'root', bytes: release.trustRoot }],
    nowMs: NOW_MS,
  });

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
  const { targets } = await verify(release);
  expect([...targets.signed.targets.keys()]).toEqual(
    expect.arrayContaining(release.artifacts.map(a => a.targetName)),
  );
});
