/** Dropping a local repo: what the database agrees to, and nothing else (P1). */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asGeneration, type UploadId } from '../../../core/ids.ts';
import type { TestRelease } from '../../../signing/release.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
let nexus: TestNexus;
let release: TestRelease;
let uploadId: UploadId;
beforeEach(async () => {
  world = await createTestWorld();
  nexus = await world.startNexus();
  release = await world.release();
  await nexus.trust(release);
  await nexus.upload(release);
  uploadId = nexus.services.staging.held()[0]!.uploadId;
  // The round that the upload asked for brings rows and archives into agreement, too.
  await nexus.services.driver.idle();
});
afterEach(() => world[Symbol.asyncDispose]());

const planned = async (generation: number) => ({
  ...(await nexus.planned()),
  generation: asGeneration(generation),
});
const drop = async (generation: number) =>
  nexus.services.staging.drop(uploadId, { planned: await planned(generation), ...wait });
const rows = () => world.database.query('SELECT upload_id FROM local_repo');
const sidecar = async () =>
  JSON.parse(await readFile(join(nexus.stagingDirectory, `${uploadId}.json`), 'utf8'));
/** Files of the upload that this process has open. */
const openFiles = async () => {
  const handles = await readdir('/proc/self/fd');
  const paths = await Promise.all(handles.map(handle => readlink(`/proc/self/fd/${handle}`).catch(() => '')));
  return paths.filter(path => path.includes(uploadId));
};

test('at the planned generation the row is deleted, then the file; a reader keeps its open file (P1)', async () => {
  const [artifact] = release.artifacts;
  await using opened = await nexus.services.staging.openArtifact(uploadId, artifact!.sha256);
  expect(await drop(2)).toEqual({ kind: 'dropped' });
  expect(await rows()).toEqual([]);
  expect(await nexus.staged()).toEqual([]);
  expect(nexus.services.staging.held()).toEqual([]);
  const chunks: Uint8Array[] = [];
  for await (const chunk of opened.chunks(wait)) chunks.push(Uint8Array.from(chunk));
  expect(Buffer.concat(chunks).equals(artifact!.bytes)).toBe(true);
  await expect(nexus.services.staging.openArtifact(uploadId, artifact!.sha256)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  expect(await drop(2)).toEqual({ kind: 'dropped' });
});

test('at another generation than the planned one the archive is kept, with the reason, and unmarked (P1)', async () => {
  expect(await drop(1)).toEqual({ kind: 'kept', because: 'generation_changed', generation: 2 });
  expect(await rows()).toHaveLength(1);
  expect(nexus.services.staging.held()).toHaveLength(1);
  expect(await nexus.staged()).toHaveLength(2);
  expect(await sidecar()).toMatchObject({ dropping: false, acknowledged: true });
});

test('in a round that the database no longer knows the archive is kept, with the reason (P13)', async () => {
  const options = { planned: await planned(2), ...wait };
  await nexus.planned();
  expect(await nexus.services.staging.drop(uploadId, options)).toEqual({
    kind: 'kept',
    because: 'round_lost',
    generation: 2,
  });
  expect(await rows()).toHaveLength(1);
  expect(nexus.services.staging.held()).toHaveLength(1);
  expect(await sidecar()).toMatchObject({ dropping: false, acknowledged: true });
});

test('the archive of a deleted release is dropped by the round that saw the deletion (P1)', async () => {
  await nexus.operator.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  await expect.poll(rows).toEqual([]);
  await nexus.services.driver.idle();
  expect(await nexus.staged()).toEqual([]);
});

test('of two uploads of one archive each is dropped by itself (P1)', async () => {
  await nexus.upload(release);
  expect(await drop(2)).toEqual({ kind: 'dropped' });
  expect(nexus.services.staging.held()).toHaveLength(1);
  expect(await nexus.staged()).toHaveLength(2);
  expect(await rows()).toHaveLength(1);
});

test('a drop that the database does not answer keeps the archive, and can be repeated (P4)', async () => {
  const aborted = AbortSignal.abort(new Error('stopped'));
  const options = { planned: await planned(2), signal: aborted };
  await expect(nexus.services.staging.drop(uploadId, options)).rejects.toThrow('stopped');
  expect(nexus.services.staging.held()).toHaveLength(1);
  expect(await nexus.staged()).toHaveLength(2);
  expect(await drop(2)).toEqual({ kind: 'dropped' });
});

test('a row whose archive is gone is also removed while the Nexus runs (P4)', async () => {
  const [row] = await world.database.query('SELECT * FROM local_repo');
  await drop(2);
  const { nexus_id, tuf_repo_id } = row as { nexus_id: string; tuf_repo_id: string };
  await world.database.query(
    'INSERT INTO local_repo (upload_id, nexus_id, tuf_repo_id) VALUES ($1, $2, $3)',
    [uploadId, nexus_id, tuf_repo_id],
  );
  await nexus.services.staging.reconcile(wait);
  expect(await rows()).toEqual([]);
});

test('an archive whose row the database has lost is recorded again, not dropped, and reported (P4)', async () => {
  await world.database.query('DELETE FROM local_repo');
  expect(await drop(2)).toMatchObject({ kind: 'kept' });
  expect(await sidecar()).toMatchObject({ dropping: false });
  await nexus.services.staging.reconcile(wait);
  expect(await rows()).toEqual([{ upload_id: uploadId }]);
  expect(await nexus.staged()).toHaveLength(2);
  const { reasons } = await nexus.fleet.fleetStatus({}, wait);
  expect(reasons.map(({ code }) => code)).toContain('ARCHIVE_RECORDED_AGAIN');
  expect(await drop(2)).toEqual({ kind: 'dropped' });
});

test('an archive that is recorded again is opened anew, and its old handle is closed', async () => {
  await (await nexus.services.staging.openArtifact(uploadId, release.artifacts[0]!.sha256))[
    Symbol.asyncDispose
  ]();
  expect(await openFiles()).toHaveLength(1);
  await world.database.query('DELETE FROM local_repo');
  await nexus.services.staging.reconcile(wait);
  expect(await openFiles()).toEqual([]);
  await using again = await nexus.services.staging.openArtifact(uploadId, release.artifacts[0]!.sha256);
  expect(again.sizeBytes).toBe(release.artifacts[0]!.bytes.length);
});
