import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { handMadeTarGz } from '../archive/hand-made-tar.fixture.ts';
import { memoryFile } from '../archive/hand-made-zip.fixture.ts';
import { description, rotImage, v1Artifact, v1Artifacts } from '../composite/composites.fixture.ts';
import { makeTestRelease, type TestReleaseOptions } from '../signing/release.fixture.ts';
import type { VerifyRequest } from './verified-release.ts';
import { verifyArchive } from './verify-archive.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-composites-'));
});
afterAll(() => rm(directory, { recursive: true }));

const verify = async (options: TestReleaseOptions, request: Partial<VerifyRequest> = {}) => {
  const { path, trustRoot } = await makeTestRelease(directory, options);
  return verifyArchive(
    memoryFile(await readFile(path)),
    { trustRoots: [{ id: 'its own', bytes: trustRoot }], nowMs: Date.UTC(2026, 0, 1), ...request },
    { signal: AbortSignal.timeout(30_000) },
  );
};

test('parts take the place of their composite, and the report lists the outcome of each artifact (CM2)', async () => {
  const verified = await verify({ format: 'v1', artifacts: v1Artifacts() });
  expect(verified.description.artifacts.map(({ tags }) => tags.v1_kind ?? tags.kind)).toEqual([
    ...['gimlet_host_phase_1', 'cosmo_host_phase_1', 'host_phase_2'],
    ...['gimlet_trampoline_phase_1', 'cosmo_trampoline_phase_1', 'trampoline_phase_2'],
    ...['gimlet_rot_image_a', 'gimlet_rot_image_b', 'zone', 'zone', 'gimlet_sp', 'brand_new'],
  ]);
  expect(verified.composites).toHaveLength(4);
  expect(verified.entries.size).toBe(2);
  for (const told of [verified.report.map(({ text }) => text), verified.checks.map(({ text }) => text)]) {
    expect(told.join('\n')).toMatch(
      /host-1.0.0.tar.gz \(host\) is split into 3 artifacts: image\/gimlet.rom/,
    );
    expect(told.join('\n')).toMatch(/kept whole, since .* brand_new-1.0.0.tar.gz \(brand_new\)/);
  }
});

test('in other formats the same artifacts stay whole (CM1)', async () => {
  for (const format of ['v2', 'plain'] as const) {
    const { description: whole, composites } = await verify({ format, artifacts: v1Artifacts() });
    expect(whole.artifacts).toHaveLength(6);
    expect(composites).toEqual([]);
  }
});

test('a composite that cannot be split fails the verification, as a check of its own', async () => {
  const artifacts = [v1Artifact('host', handMadeTarGz([description('os')]))];
  await expect(verify({ format: 'v1', artifacts })).rejects.toMatchObject({
    code: 'COMPOSITE_INVALID',
    report: expect.arrayContaining([
      expect.objectContaining({ outcome: 'failed', text: expect.stringMatching(/lacks image\/zfs.img/) }),
    ]),
  });
});

test('parts that cannot be told apart are refused (CM2)', async () => {
  const artifacts = [
    v1Artifact('gimlet_rot', rotImage('one'), { name: 'same', version: '1.0.0' }),
    {
      ...v1Artifact('gimlet_rot', rotImage('two'), { name: 'same', version: '2.0.0' }),
      tags: { kind: 'gimlet_rot', name: 'same', more: '1' },
    },
  ];
  await expect(verify({ format: 'v1', artifacts })).rejects.toMatchObject({
    code: 'RELEASE_DOCUMENT_INVALID',
  });
});

test('the parts of all composites together are bounded', async () => {
  const request = { limits: { maxTotalBytes: 12_000 } };
  const artifacts = v1Artifacts();
  await expect(verify({ format: 'v1', artifacts }, request)).rejects.toMatchObject({ code: 'ARCHIVE_LIMIT' });
});
