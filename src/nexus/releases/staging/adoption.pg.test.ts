/** P4: what a starting Nexus makes of its staging directory and of its rows, whatever was in between. */
import { readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { UploadId } from '../../../core/ids.ts';
import type { TestRelease, TestReleaseOptions } from '../../../signing/release.fixture.ts';
import { restoreBackupBefore } from '../../datastore/restore-backup.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

/** A Nexus that took one upload, perhaps deleted the release again, and has stopped. */
const stoppedAfterUpload = async (options: TestReleaseOptions = {}, { deleted = false } = {}) => {
  const nexus = await world.startNexus();
  const release = await world.release(options);
  await nexus.trust(release);
  await nexus.upload(release, { allow_expired: 'true' });
  const { uploadId } = nexus.services.staging.held()[0]!;
  if (deleted) await nexus.operator.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  await nexus[Symbol.asyncDispose]();
  const file = (ending: string) => join(nexus.stagingDirectory, `${uploadId}.${ending}`);
  return { release, uploadId, file, staged: nexus.staged };
};

const markSidecar = async (path: string, marks: { acknowledged?: boolean; dropping?: boolean }) => {
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...marks }));
};

const deleteRow = () => world.database.query('DELETE FROM local_repo');

const restoreBackup = () => restoreBackupBefore(world.database);

const heldBy = (nexus: TestNexus) => nexus.services.staging.held().map(({ uploadId }) => uploadId);
const rows = async () =>
  (await world.database.query<{ upload_id: UploadId }>('SELECT upload_id FROM local_repo')).map(
    row => row.upload_id,
  );
const reasonCodes = async (nexus: TestNexus) => {
  const { reasons } = await nexus.fleet.fleetStatus({}, wait);
  return reasons.map(({ code }) => code);
};

const expectServed = async (nexus: TestNexus, uploadId: UploadId, { artifacts }: TestRelease) => {
  expect(heldBy(nexus)).toEqual([uploadId]);
  for (const { sha256, bytes } of artifacts) {
    await using opened = await nexus.services.staging.openArtifact(uploadId, sha256);
    expect(Buffer.from(await opened.readRange(0, opened.sizeBytes)).equals(bytes)).toBe(true);
  }
};

test('an upload that was recorded is served again after a restart (B1)', async () => {
  const { release, uploadId } = await stoppedAfterUpload();
  await expectServed(await world.startNexus(), uploadId, release);
});

test('recorded, but not yet acknowledged: adopted (P4)', async () => {
  const { release, uploadId, file } = await stoppedAfterUpload();
  await markSidecar(file('json'), { acknowledged: false });
  await expectServed(await world.startNexus(), uploadId, release);
  expect(JSON.parse(await readFile(file('json'), 'utf8'))).toMatchObject({ acknowledged: true });
});

test('crashed between archive and transaction: neither row nor acknowledgement, so removed (P4)', async () => {
  const { file, staged } = await stoppedAfterUpload();
  await restoreBackup();
  await markSidecar(file('json'), { acknowledged: false });
  const nexus = await world.startNexus();
  expect(await staged()).toEqual([]);
  expect(heldBy(nexus)).toEqual([]);
  expect((await nexus.operator.repositoryList({ query: { limit: 5 } }, wait)).items).toEqual([]);
});

test('crashed between archive and sidecar: removed (P4)', async () => {
  const { file, staged } = await stoppedAfterUpload();
  await restoreBackup();
  await unlink(file('json'));
  await world.startNexus();
  expect(await staged()).toEqual([]);
});

test('crashed while receiving: the part is removed (P4)', async () => {
  const { file, staged, uploadId } = await stoppedAfterUpload();
  await writeFile(file('zip').replace(uploadId, crypto.randomUUID()).concat('.part'), 'PK');
  expect(await staged()).toHaveLength(3);
  await world.startNexus();
  expect(await staged()).toHaveLength(2);
});

test('crashed between the drop’s transaction and its unlink: removed, and the release is not recorded again (P4)', async () => {
  const { file, staged } = await stoppedAfterUpload({}, { deleted: true });
  await markSidecar(file('json'), { dropping: true });
  await deleteRow();
  const before = await world.recorded();
  const nexus = await world.startNexus();
  expect(await staged()).toEqual([]);
  expect(heldBy(nexus)).toEqual([]);
  expect(await world.recorded()).toEqual(before);
});

test('crashed between the drop’s mark and its transaction: adopted, without the mark (P4)', async () => {
  const { release, uploadId, file } = await stoppedAfterUpload();
  await markSidecar(file('json'), { dropping: true });
  await expectServed(await world.startNexus(), uploadId, release);
  expect(JSON.parse(await readFile(file('json'), 'utf8'))).toMatchObject({ dropping: false });
});

test('marked as dropping, and the database restored to a state before the upload: recorded again, not removed (P4)', async () => {
  const { release, uploadId, file } = await stoppedAfterUpload();
  await markSidecar(file('json'), { dropping: true });
  await restoreBackup();
  await expectServed(await world.startNexus(), uploadId, release);
  expect(await rows()).toEqual([uploadId]);
});

test('a restored database gets an acknowledged release again, expired or not, and it is reported (P4)', async () => {
  const { release, uploadId } = await stoppedAfterUpload({ expired: ['timestamp'] });
  await restoreBackup();
  const nexus = await world.startNexus();
  await expectServed(nexus, uploadId, release);
  expect(await rows()).toEqual([uploadId]);
  const params = { system_version: '1.0.0' };
  expect(await nexus.operator.repositoryView({ params }, wait)).toMatchObject({ hash: release.sha256 });
  expect(await reasonCodes(nexus)).toContain('ARCHIVE_RECORDED_AGAIN');

  await nexus[Symbol.asyncDispose]();
  const again = await world.startNexus();
  await expectServed(again, uploadId, release);
  expect(await reasonCodes(again)).not.toContain('ARCHIVE_RECORDED_AGAIN');
});

test('an acknowledged archive that cannot be recorded again is kept and reported, until it can (P4)', async () => {
  const { release, uploadId, staged } = await stoppedAfterUpload();
  await restoreBackup();
  await world.database.query('DELETE FROM tuf_trust_root');
  const nexus = await world.startNexus();
  expect(heldBy(nexus)).toEqual([]);
  expect(await staged()).toHaveLength(2);
  const { reasons } = await nexus.fleet.fleetStatus({}, wait);
  expect(reasons).toContainEqual(
    expect.objectContaining({
      code: 'ARCHIVE_NOT_SERVED',
      details: expect.objectContaining({ because: 'record_refused', upload_id: uploadId }),
      message: expect.stringMatching(/trust root/),
      remedy: expect.stringContaining('start this Nexus again'),
    }),
  );
  await nexus.trust(release);
  await nexus[Symbol.asyncDispose]();
  await expectServed(await world.startNexus(), uploadId, release);
});

test('an acknowledged archive of a release that the database lists as deleted is kept, and not recorded again (P4)', async () => {
  const { staged } = await stoppedAfterUpload({}, { deleted: true });
  await deleteRow();
  const before = await world.recorded();
  const nexus = await world.startNexus();
  expect(await staged()).toHaveLength(2);
  expect(heldBy(nexus)).toEqual([]);
  expect(await world.recorded()).toEqual(before);
  expect(await reasonCodes(nexus)).toContain('ARCHIVE_NOT_SERVED');
});

test('a row without an archive is removed (P4)', async () => {
  const { file, staged } = await stoppedAfterUpload();
  await unlink(file('zip'));
  const nexus = await world.startNexus();
  expect(await rows()).toEqual([]);
  expect(heldBy(nexus)).toEqual([]);
  expect(await staged()).toEqual([]);
});

test('rows and archives of another Nexus are left alone (P4)', async () => {
  const { uploadId } = await stoppedAfterUpload();
  const other = await world.startNexus({ name: 'other' });
  expect(heldBy(other)).toEqual([]);
  expect(await rows()).toEqual([uploadId]);
});

test('an archive whose sidecar is invalid is kept and reported (P4)', async () => {
  const { file, staged } = await stoppedAfterUpload();
  await writeFile(file('json'), '{"format":');
  const nexus = await world.startNexus();
  expect(await staged()).toHaveLength(2);
  expect(await reasonCodes(nexus)).toContain('ARCHIVE_NOT_SERVED');
});
