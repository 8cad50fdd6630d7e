/** Composite artifacts of v1 releases: their parts are staged, recorded, served and dropped in their place. */
import { createHash } from 'node:crypto';
import { readFile, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { handMadeTarGz } from '../../../archive/hand-made-tar.fixture.ts';
import {
  controlPlane,
  description,
  v1Artifact,
  v1Artifacts,
  wholeV1Release,
  zone,
} from '../../../composite/composites.fixture.ts';
import type { UploadId } from '../../../core/ids.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';
import { freeBytesOf, SPACE_MARGIN_BYTES } from './space.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
let nexus: TestNexus;
beforeEach(async () => {
  world = await createTestWorld();
  nexus = await world.startNexus();
});
afterEach(() => world[Symbol.asyncDispose]());

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

const trusted = async (artifacts: ReturnType<typeof v1Artifacts> = v1Artifacts()) => {
  const release = await world.release({ format: 'v1', artifacts });
  await nexus.trust(release);
  return release;
};

const uploaded = async (artifacts?: ReturnType<typeof v1Artifacts>) => {
  const release = await trusted(artifacts);
  const answer = await nexus.upload(release);
  const local = nexus.services.staging.held().at(-1)!;
  return { release, answer, local, file: fileOf(local.uploadId) };
};

const fileOf = (uploadId: UploadId) => (ending: string) =>
  join(nexus.stagingDirectory, `${uploadId}.${ending}`);

const expectServed = async (by: TestNexus) => {
  const [local] = by.services.staging.held();
  for (const [hash, sizeBytes] of local!.artifacts) {
    await using opened = await by.services.staging.openArtifact(local!.uploadId, hash);
    expect(opened.sizeBytes).toBe(sizeBytes);
    const chunks: Uint8Array[] = [];
    for await (const chunk of opened.chunks(wait)) chunks.push(Uint8Array.from(chunk));
    const bytes = Buffer.concat(chunks);
    expect(sha256(bytes)).toBe(hash);
    const half = Math.floor(sizeBytes / 2);
    expect(Buffer.from(await opened.readRange(half, sizeBytes - half)).equals(bytes.subarray(half))).toBe(
      true,
    );
  }
};

test('sleds receive parts, and other artifacts whole; the answer lists both', async () => {
  const { release, answer, local } = await uploaded();
  const recorded = await world.database.query<{ sha256: string }>('SELECT sha256 FROM tuf_artifact_file');
  expect(recorded.map(row => row.sha256).sort()).toEqual([...local.artifacts.keys()].sort());
  // Of the four composites: 3, 3, 2 and 2 parts; two artifacts are whole.
  expect(local.artifacts.size).toBe(12);
  const composites = release.artifacts.slice(0, 4).map(artifact => artifact.sha256);
  expect(composites.filter(hash => local.artifacts.has(hash))).toEqual([]);
  expect(answer.report?.join('\n')).toMatch(
    /host-1.0.0.tar.gz \(host\) is split into 3 artifacts: image\/gimlet.rom.*brand_new-1.0.0.tar.gz \(brand_new\)/s,
  );
  const tags = await world.database.query<{ value: string }>(
    "SELECT value FROM tuf_artifact_tag WHERE key IN ('zone_name', 'rot_rkth', 'sp_board') ORDER BY value",
  );
  expect(tags.map(({ value }) => value)).toEqual(['SimGimletSp', 'dns', 'key-rot', 'key-rot', 'nexus']);
  expect(await nexus.staged()).toEqual(expect.arrayContaining([`${local.uploadId}.parts`]));
  await expectServed(nexus);
});

test('the same archive again has the same parts, in the same places', async () => {
  const { release, file } = await uploaded();
  const again = await nexus.upload(release);
  expect(again.status).toBe('already_exists');
  const [, second] = nexus.services.staging.held();
  const sidecarOf = async (path: string) => JSON.parse(await readFile(path, 'utf8')).artifacts;
  expect(await sidecarOf(fileOf(second!.uploadId)('json'))).toEqual(await sidecarOf(file('json')));
  expect(await readFile(fileOf(second!.uploadId)('parts'))).toEqual(await readFile(file('parts')));
});

test('two zones with equal bytes that say nothing of themselves are stored once and are two artifacts', async () => {
  const same = Buffer.from('not described');
  const { local, file } = await uploaded([
    v1Artifact('control_plane', controlPlane({ one: same, two: same })),
  ]);
  expect([...local.artifacts]).toEqual([[sha256(same), same.length]]);
  expect(await readFile(file('parts'))).toEqual(same);
  const zones = await world.database.query("SELECT value FROM tuf_artifact_tag WHERE key = 'zone_name'");
  expect(zones).toHaveLength(2);
  await expectServed(nexus);
});

test('parts are served again after a restart (B1)', async () => {
  const { local } = await uploaded();
  await nexus[Symbol.asyncDispose]();
  const next = await world.startNexus();
  expect(next.services.staging.held().map(({ uploadId }) => uploadId)).toEqual([local.uploadId]);
  await expectServed(next);
});

test('parts of an upload whose archive was never completed are removed at the next start (P4)', async () => {
  const { file } = await uploaded();
  await nexus[Symbol.asyncDispose]();
  const stray = file('parts').replace(/[0-9a-f]{8}-/, '00000000-');
  await writeFile(stray, 'x');
  const next = await world.startNexus();
  expect((await next.staged()).filter(name => name.startsWith('00000000-'))).toEqual([]);
  expect(next.services.staging.held()).toHaveLength(1);
});

test('an archive whose parts are gone is kept and reported, and the same archive again is the remedy (P4)', async () => {
  const { release, file } = await uploaded();
  await nexus[Symbol.asyncDispose]();
  await unlink(file('parts'));
  const next = await world.startNexus();
  expect(next.services.staging.held()).toEqual([]);
  const { reasons } = await next.fleet.fleetStatus({}, wait);
  expect(reasons).toContainEqual(
    expect.objectContaining({
      code: 'ARCHIVE_NOT_SERVED',
      details: expect.objectContaining({ because: 'parts_gone' }),
    }),
  );
  expect((await next.upload(release)).status).toBe('already_exists');
  await expectServed(next);
});

test('truncated parts are an error of this Nexus, and are never served short', async () => {
  const { local, file } = await uploaded();
  await truncate(file('parts'), 10);
  const openAll = local.artifacts
    .keys()
    .map(async hash =>
      (await nexus.services.staging.openArtifact(local.uploadId, hash))[Symbol.asyncDispose](),
    );
  const outcomes = await Promise.allSettled(openAll);
  const refused = outcomes.filter(outcome => outcome.status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'STAGING_DAMAGED' });
});

test('the parts are removed with the local repo, and a reader keeps its open file (P1)', async () => {
  const { local } = await uploaded([
    v1Artifact('control_plane', controlPlane({ dns: zone('dns', '1.0.0') })),
  ]);
  const [[hash]] = [...local.artifacts] as [
    [Parameters<typeof nexus.services.staging.openArtifact>[1], number],
  ];
  await using opened = await nexus.services.staging.openArtifact(local.uploadId, hash);
  const drop = { planned: await nexus.planned(), ...wait };
  expect(await nexus.services.staging.drop(local.uploadId, drop)).toEqual({ kind: 'dropped' });
  expect(await nexus.staged()).toEqual([]);
  expect(sha256(await opened.readRange(0, opened.sizeBytes))).toBe(hash);
});

test('a restored database gets the parts again, not the composite (P4)', async () => {
  const { local } = await uploaded();
  const wanted = () => world.database.query('SELECT sha256 FROM tuf_artifact_file ORDER BY 1');
  const before = await wanted();
  await nexus[Symbol.asyncDispose]();
  const ofRepo = ['tuf_repo_artifact', 'tuf_repo_role', 'tuf_repo_metadata', 'tuf_repo_bundle'];
  for (const table of ['local_repo', ...ofRepo, 'tuf_repo'])
    await world.database.query(`DELETE FROM ${table}`);
  for (const table of ['tuf_artifact_tag', 'tuf_artifact', 'tuf_artifact_file'])
    await world.database.query(`DELETE FROM ${table}`);
  const digest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  await world.database.query('UPDATE tuf_current_point SET generation = 1, digest = $1', [digest]);
  await world.database.query('DELETE FROM tuf_point WHERE generation > 1');
  const next = await world.startNexus();
  expect(next.services.staging.held().map(({ uploadId }) => uploadId)).toEqual([local.uploadId]);
  expect(await wanted()).toEqual(before);
  await expectServed(next);
});

test('a composite that cannot be split is refused, and leaves nothing', async () => {
  const release = await trusted([v1Artifact('host', handMadeTarGz([description('os')]))]);
  const before = await world.recorded();
  await expect(nexus.upload(release)).rejects.toMatchObject({
    code: 'COMPOSITE_INVALID',
    message: expect.stringContaining('host-1.0.0.tar.gz'),
  });
  expect(await nexus.staged()).toEqual([]);
  expect(await world.recorded()).toEqual(before);
});

test('parts that do not fit into staging are refused before they are written (S16)', async () => {
  await nexus[Symbol.asyncDispose]();
  const zoneBytes = 300_000;
  const big = handMadeTarGz([
    description('control_plane'),
    { name: 'zones/a.tar.gz', data: Buffer.alloc(zoneBytes) },
  ]);
  let archiveBytes = 0;
  nexus = await world.startNexus({
    // Room for the archive, and for less than its parts.
    replace: { freeBytes: async () => SPACE_MARGIN_BYTES + archiveBytes + zoneBytes / 2 },
  });
  const release = await trusted([v1Artifact('control_plane', big)]);
  archiveBytes = release.sizeBytes;
  expect(archiveBytes).toBeLessThan(zoneBytes / 2);
  expect(await freeBytesOf(nexus.stagingDirectory)).toBeGreaterThan(SPACE_MARGIN_BYTES);
  await expect(nexus.upload(release)).rejects.toMatchObject({ code: 'NO_SPACE' });
  expect(await nexus.staged()).toEqual([]);
});

/** Named after its file, and with the beginning of its hash as version. */
const asEarlierVersionsRecorded = async (bytes: Uint8Array, fileName: string) => {
  const hash = sha256(bytes);
  const { database } = world;
  const id = '00000000-0000-4000-8000-000000000001';
  const [old] = await database.query<{ id: string }>('SELECT id FROM tuf_artifact WHERE sha256 = $1', [hash]);
  await database.query('INSERT INTO tuf_artifact (id, sha256) VALUES ($1, $2)', [id, hash]);
  for (const tag of [
    ['kind', 'zone'],
    ['v1_kind', 'zone'],
    ['zone_name', fileName],
  ])
    await database.query('INSERT INTO tuf_artifact_tag VALUES ($1, $2, $3)', [id, ...tag]);
  await database.query('UPDATE tuf_repo_artifact SET tuf_artifact_id = $1 WHERE tuf_artifact_id = $2', [
    id,
    old!.id,
  ]);
  await database.query('DELETE FROM tuf_artifact_tag WHERE tuf_artifact_id = $1', [old!.id]);
  await database.query('DELETE FROM tuf_artifact WHERE id = $1', [old!.id]);
  await database.query('UPDATE tuf_artifact_file SET version = $1 WHERE sha256 = $2', [
    hash.slice(0, 16),
    hash,
  ]);
};

test('a v2 release with an unchanged zone of a v1 release is taken, also where an earlier version misnamed the zone', async () => {
  const [dns, ntp] = [zone('dns', '1.5.0'), zone('ntp', '3.1.0')];
  const artifacts = [v1Artifact('control_plane', controlPlane({ 'file-1': dns, ntp }))];
  const v1 = await world.release({ systemVersion: '1.0.0', format: 'v1', artifacts });
  await nexus.trust(v1);
  await nexus.upload(v1);
  await asEarlierVersionsRecorded(dns, 'file-1');
  const v2 = await world.release({
    systemVersion: '2.0.0',
    format: 'v2',
    consistentSnapshot: true,
    artifacts: [dns, ntp].map((bytes, index) => ({
      targetName: `zones/${index}.tar.gz`,
      version: ['1.5.0', '3.1.0'][index]!,
      tags: { kind: 'zone', zone_name: ['dns', 'ntp'][index]! },
      bytes,
    })),
  });
  await nexus.trust(v2);
  expect((await nexus.upload(v2)).status).toBe('inserted');
  const listed = await world.database.query<{ system_version: string; version: string; value: string }>(
    `SELECT repo.system_version, file.version, tag.value FROM tuf_repo AS repo
       JOIN tuf_repo_artifact AS listed ON listed.tuf_repo_id = repo.id
       JOIN tuf_artifact AS artifact ON artifact.id = listed.tuf_artifact_id
       JOIN tuf_artifact_file AS file ON file.sha256 = artifact.sha256
       JOIN tuf_artifact_tag AS tag ON tag.tuf_artifact_id = artifact.id AND tag.key = 'zone_name'
      ORDER BY 1, 3`,
  );
  expect(listed.map(({ system_version, version, value }) => `${system_version} ${value} ${version}`)).toEqual(
    [...['1.0.0 dns 1.5.0', '1.0.0 ntp 3.1.0', '2.0.0 dns 1.5.0', '2.0.0 ntp 3.1.0']],
  );
});

test('the installinator document that is made anew is staged and served with the parts', async () => {
  const { local } = await uploaded(wholeV1Release());
  expect(local.artifacts.size).toBe(19);
  await expectServed(nexus);
});
