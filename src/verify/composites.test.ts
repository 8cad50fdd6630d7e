import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { handMadeTarGz } from '../archive/hand-made-tar.fixture.ts';
import { memoryFile } from '../archive/hand-made-zip.fixture.ts';
import {
  controlPlane,
  description,
  rotImage,
  silentRotImage,
  v1Artifact,
  v1Artifacts,
  wholeV1Release,
  zone,
} from '../composite/composites.fixture.ts';
import { signedImage, spImage } from '../composite/firmware.fixture.ts';
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
  expect(verified.description.artifacts.map(({ tags }) => tags.kind)).toEqual([
    ...['os_phase1', 'os_phase1', 'os_phase2', 'os_phase1', 'os_phase1', 'os_phase2'],
    ...['rot', 'rot', 'zone', 'zone', 'sp', 'brand_new'],
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
    v1Artifact('gimlet_rot', silentRotImage('one'), { name: 'same', version: '1.0.0' }),
    {
      ...v1Artifact('gimlet_rot', silentRotImage('two'), { name: 'same', version: '2.0.0' }),
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

const said = ({
  description,
}: {
  description: { artifacts: readonly { tags: object; version: string }[] };
}) => description.artifacts.map(({ tags, version }) => ({ ...tags, version }));

test('a v1 release has the artifacts, tags and versions that a v2 release of it would have', async () => {
  const verified = await verify({ format: 'v1', artifacts: wholeV1Release() });
  const version = '1.0.0';
  const racks = [
    ['gimlet', 'SimGimletSp'],
    ['psc', 'SimPscSp'],
    ['switch', 'SimSidecarSp'],
  ];
  const rot = (key: string) => ({ rot_board: 'SimRot', rot_rkth: `sign-${key}`, version });
  const os = (os_variant: string) => [
    { kind: 'os_phase1', os_board: 'gimlet', os_variant, version },
    { kind: 'os_phase1', os_board: 'cosmo', os_variant, version },
    { kind: 'os_phase2', os_variant, version },
  ];
  expect(said(verified)).toEqual([
    ...racks.flatMap(([key, board]) => [
      { kind: 'sp', sp_board: board, version },
      { kind: 'rot', ...rot(key!), rot_slot: 'a' },
      { kind: 'rot', ...rot(key!), rot_slot: 'b' },
      { kind: 'rot_bootloader', ...rot(key!) },
    ]),
    ...os('host'),
    ...os('recovery'),
    { kind: 'zone', zone_name: 'zone-1', version },
    { kind: 'zone', zone_name: 'zone-2', version },
    { kind: 'measurement_corpus', version },
    { kind: 'installinator_document', version },
  ]);
  expect(verified.description.artifacts).toHaveLength(22);
  expect(new Set(verified.description.artifacts.map(({ sha256 }) => sha256)).size).toBe(19);
});

test('the installinator document is made anew for the parts, and lists what an installer needs (ID1)', async () => {
  const artifacts = wholeV1Release();
  const verified = await verify({ format: 'v1', artifacts });
  const made = verified.composites.find(({ content }) => content !== undefined)!;
  const text = Buffer.from(made.content!).toString();
  expect(createHash('sha256').update(text).digest('hex')).toBe(made.parts[0]!.sha256);
  expect(verified.description.artifacts).toContainEqual(made.parts[0]);
  const hashOf = (kind: string, more: object = {}) =>
    verified.description.artifacts.find(({ tags }) =>
      Object.entries({ kind, ...more }).every(([key, value]) => tags[key] === value),
    )!.sha256;
  const listed = (kind: string, name: string, hash: string, more: object = {}) => ({
    kind,
    ...more,
    hash,
    name,
  });
  const zones = ['one', 'two'].map((file, index) => {
    const zone_name = `zone-${index + 1}`;
    return listed('zone', `${file}.tar.gz`, hashOf('zone', { zone_name }), { zone_name });
  });
  const document = {
    system_version: '1.0.0',
    artifacts: [
      listed('host_phase2', 'zfs.img', hashOf('os_phase2', { os_variant: 'host' })),
      listed('measurement_corpus', 'fake-measurement_corpus-1.0.0.tar.gz', hashOf('measurement_corpus')),
      ...zones,
    ],
  };
  expect(text).toBe(`${JSON.stringify(document, undefined, 2)}\n`);
  // The one in the release is signed, but no sled needs it.
  const original = verified.composites.find(
    ({ artifact }) => artifact.tags.kind === 'installinator_document',
  )!;
  expect(verified.entries.has(original.artifact.sha256)).toBe(false);
  expect(verified.bundle).toMatchObject({ kind: 'partly' });
  const again = await verify({ format: 'v1', artifacts: artifacts.toReversed() });
  expect(again.composites.find(({ content }) => content !== undefined)!.content).toEqual(made.content);
});

test('equal images, and equal zones, are one artifact, those for a laboratory are none, and silent ones keep their v1 tags (CM4, CM5)', async () => {
  const bootloader = signedImage('SimRot', 'one key');
  const rot = rotImage('same', 'one key');
  const same = zone('same', '3.0.0');
  const verified = await verify({
    format: 'v1',
    artifacts: [
      v1Artifact('gimlet_rot_bootloader', bootloader),
      v1Artifact('psc_rot_bootloader', bootloader),
      v1Artifact('gimlet_rot', rot),
      v1Artifact('psc_rot', rot),
      v1Artifact('gimlet_sp', spImage('gimlet-d', { name: 'gimlet-d-lab' })),
      v1Artifact('switch_sp', Buffer.from('no archive')),
      v1Artifact('control_plane', controlPlane({ one: same, two: same })),
    ],
  });
  expect(said(verified)).toEqual([
    { kind: 'rot_bootloader', rot_board: 'SimRot', rot_rkth: 'one key', version: '1.0.0' },
    { kind: 'rot', rot_board: 'SimRot', rot_rkth: 'one key', rot_slot: 'a', version: '1.0.0' },
    { kind: 'rot', rot_board: 'SimRot', rot_rkth: 'one key', rot_slot: 'b', version: '1.0.0' },
    { kind: 'switch_sp', name: 'switch_sp', version: '1.0.0' },
    { kind: 'zone', zone_name: 'same', version: '3.0.0' },
  ]);
  const report = verified.report.map(({ text }) => text).join('\n');
  expect(report).toMatch(
    /psc_rot_bootloader-1.0.0.tar.gz has the same content as gimlet_rot_bootloader-1.0.0.tar.gz/,
  );
  expect(report).toMatch(
    /for a laboratory: gimlet_sp-1.0.0.tar.gz \(board "gimlet-d", name "gimlet-d-lab"\)/,
  );
  expect(report).toMatch(/switch_sp-1.0.0.tar.gz does not say its board and key.*does not end as a ZIP file/);
  expect(verified.checks.map(({ text }) => text).join('\n')).toMatch(/for a laboratory/);
  expect([...verified.entries.values()].map(({ entryName }) => entryName)).toHaveLength(2);
});
