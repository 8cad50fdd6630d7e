/** DR3, RC3, RC4: what a drop, and a look at the rows, believe of an archive by whatever the database says of it. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asGeneration, RepoId, RoundNonce } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { LocalRepoRecord } from '../../datastore/ports/local-repo-port.ts';
import type { RepoRecord } from '../../datastore/ports/release-port.ts';
import { openStagingDirectory, type StagingDirectory } from './directory.ts';
import { dropLocalRepo } from './drop.ts';
import { createHeldRepos, type HeldRepos } from './held-repos.ts';
import { createLocalRepos } from './local-repos.ts';
import type { RecordAgain } from './lost-archive.ts';
import { type ReconcileDeps, reconcileLocalRepos } from './reconcile.ts';
import { stagedArchive } from './staged-archive.fixture.ts';
import { readSidecar, writeSidecar } from './staged-archive.ts';

const { signal } = new AbortController();
const archive = stagedArchive({ acknowledged: true });
const { uploadId } = archive;

let path: string;
let directory: StagingDirectory;
let repos: HeldRepos;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'staging-'));
  directory = await openStagingDirectory(path);
  const files = directory.filesOf(uploadId);
  await writeFile(files.archive, 'PK');
  await writeSidecar(files.sidecar, archive, directory);
  repos = createHeldRepos({ directory, note: () => undefined, log: silentLogger });
  repos.hold(archive);
});
afterEach(async () => {
  await directory[Symbol.asyncDispose]();
  await rm(path, { recursive: true });
});

/** No row of the upload any more, and the release there or forgotten. */
const databaseWith = (release: 'release known' | 'release forgotten' | 'recorded anew') => ({
  repoGetByVersion: async () =>
    release === 'release forgotten'
      ? undefined
      : ({ id: release === 'release known' ? archive.repoId : RepoId.parse(randomUUID()) } as RepoRecord),
  localRepoList: async () => [],
  localRepoForget: async () => undefined,
});
const log = silentLogger;
const drop = (release: Parameters<typeof databaseWith>[0], kind: 'dropped' | 'absent') => {
  const datastore = { ...databaseWith(release), localRepoDrop: async () => ({ kind }) };
  const options = {
    planned: { generation: asGeneration(2), digest: '', nonce: RoundNonce.parse(randomUUID()) },
    signal,
  };
  return dropLocalRepo({ directory, repos, datastore, note: () => undefined, log }, uploadId, options);
};
const archives = async () => (await readdir(path)).filter(name => name.endsWith('.zip'));

test('a drop whose commit was uncertain counts as done if the database knows the release (P4)', async () => {
  expect(await drop('release known', 'dropped')).toEqual({ kind: 'dropped' });
  expect(await archives()).toEqual([]);
});

test('when the database has lost the release, no drop was committed: the archive is kept, unmarked (P4)', async () => {
  for (const [release, kind] of [
    ['release forgotten', 'dropped'],
    ['release forgotten', 'absent'],
    ['recorded anew', 'dropped'],
  ] as const) {
    expect(await drop(release, kind)).toMatchObject({ kind: 'kept' });
    expect(await archives()).toEqual([`${uploadId}.zip`]);
    expect(await readSidecar(directory.filesOf(uploadId).sidecar, directory)).toMatchObject({
      dropping: false,
    });
    expect(repos.get(uploadId)?.isDropping).toBe(false);
  }
});

/** One look at the rows; what it says of the archive goes to `told`. */
let told: string[];
beforeEach(() => {
  told = [];
});
const reconcile = (
  datastore: ReconcileDeps['datastore'],
  recordAgain: RecordAgain = () => Promise.reject(new Error('nobody asks for that')),
) =>
  reconcileLocalRepos(
    {
      ...{ directory, repos, log, datastore, recordAgain },
      onNotice: (_, { code }) => void told.push(code),
      onServed: () => void told.push('served'),
    },
    { signal },
  );
const listing = (repoId: RepoId): ReconcileDeps['datastore'] => ({
  ...databaseWith('release known'),
  localRepoList: async () => [{ uploadId, repoId } as LocalRepoRecord],
});

test('an interrupted drop is finished, or its archive is recorded again, by the same rule (P4)', async () => {
  repos.get(uploadId)!.isDropping = true;
  await reconcile(databaseWith('release forgotten'), async lost => lost.repoId);
  expect(told).toEqual(['ARCHIVE_RECORDED_AGAIN']);
  expect(await archives()).toEqual([`${uploadId}.zip`]);
  repos.get(uploadId)!.isDropping = true;
  await reconcile(databaseWith('release known'));
  expect(await archives()).toEqual([]);
});

test('an archive that cannot be read does not affect the others: it is reported, and retried by the next round (G8)', async () => {
  const lost = databaseWith('release known');
  const ofDatabase = new DepotError('DATABASE_UNAVAILABLE', 'it does not answer');
  await expect(reconcile(lost, () => Promise.reject(ofDatabase))).rejects.toBe(ofDatabase);
  expect(told).toEqual([]);
  const ofDisk = Object.assign(new Error('EIO: a bad sector'), { code: 'EIO' });
  await reconcile(lost, () => Promise.reject(ofDisk));
  expect(told).toEqual(['ARCHIVE_NOT_SERVED']);
  expect(await archives()).toEqual([`${uploadId}.zip`]);
  const repoId = RepoId.parse(randomUUID());
  await reconcile(lost, async () => repoId);
  expect(repos.get(uploadId)?.archive.repoId).toBe(repoId);
  expect(told).toEqual(['ARCHIVE_NOT_SERVED', 'ARCHIVE_RECORDED_AGAIN']);
});

test('a dropped archive that its disk fails to delete does not end a round (G8)', async () => {
  repos.get(uploadId)!.isDropping = true;
  const { archive: path } = directory.filesOf(uploadId);
  await rm(path);
  await mkdir(path);
  await reconcile(databaseWith('release known'));
  expect(repos.get(uploadId)?.isDropping).toBe(true);
  await rm(path, { recursive: true });
  await reconcile(databaseWith('release known'));
  expect(repos.all()).toEqual([]);
});

test('an archive that a drop removed before its disk failed is no longer held, whatever the database says of it (P4)', async () => {
  const { archive: file, sidecar } = directory.filesOf(uploadId);
  for (const database of [
    databaseWith('release forgotten'),
    databaseWith('release known'),
    databaseWith('recorded anew'),
    listing(archive.repoId),
  ]) {
    repos.hold(archive);
    await writeSidecar(sidecar, { ...archive, dropping: true }, directory);
    await rm(file, { force: true });
    const forgotten: string[] = [];
    const localRepoForget = async (id: string) => void forgotten.push(id);
    await reconcile({ ...database, localRepoForget });
    expect(repos.all()).toEqual([]);
    expect(await readdir(path)).not.toContain(basename(sidecar));
    const rows = await database.localRepoList({ nexusId: directory.nexusId, signal });
    expect(forgotten).toEqual(rows.map(row => row.uploadId));
  }
  expect(told).toEqual([]);
});

test('an archive whose row is of another recording of its release is held as its row says (P4)', async () => {
  const repoId = RepoId.parse(randomUUID());
  await reconcile(listing(repoId));
  expect(repos.get(uploadId)?.archive.repoId).toBe(repoId);
  expect(await readSidecar(directory.filesOf(uploadId).sidecar, directory)).toMatchObject({ repoId });
});

test('an archive that was kept without a row is served again when the database lists it again (P4)', async () => {
  const refuse = () => Promise.reject(new DepotError('RELEASE_CONFLICT', 'it is deleted'));
  await reconcile(databaseWith('release known'), refuse);
  expect(repos.all()).toEqual([]);
  const repoId = RepoId.parse(randomUUID());
  await reconcile(listing(repoId));
  expect(repos.get(uploadId)?.archive.repoId).toBe(repoId);
  expect(told).toEqual(['ARCHIVE_NOT_SERVED', 'served']);
});

test('an archive that is recorded again is served, also when its sidecar cannot be written (P4)', async () => {
  const { sidecar } = directory.filesOf(uploadId);
  const newRepoId = RepoId.parse(randomUUID());
  await reconcile(databaseWith('release forgotten'), async () => {
    // A directory of that name: no sidecar can be renamed to it.
    await rm(sidecar);
    await mkdir(sidecar);
    return newRepoId;
  });
  expect(repos.get(uploadId)?.archive.repoId).toBe(newRepoId);
  expect(told).toEqual(['ARCHIVE_RECORDED_AGAIN']);
});

test('an archive that is not served is reported until it is served or removed; one that was recorded again, until a restart', async () => {
  let rows: readonly LocalRepoRecord[] = [];
  let outcome: RepoId | Error = new Error('EIO: a bad sector');
  const datastore = { ...databaseWith('release known'), localRepoList: async () => rows };
  const localRepos = createLocalRepos({
    ...{ directory, note: () => undefined, log },
    datastore: { ...datastore, localRepoDrop: async () => ({ kind: 'absent' }) },
    recordAgain: async () => {
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  });
  const codes = async () => {
    await localRepos.reconcile({ signal });
    return localRepos.notices().map(({ code }) => code);
  };
  localRepos.hold(archive);
  expect(await codes()).toEqual(['ARCHIVE_NOT_SERVED']);
  rows = [{ uploadId, repoId: archive.repoId } as LocalRepoRecord];
  expect(await codes()).toEqual([]);
  rows = [];
  outcome = archive.repoId;
  expect(await codes()).toEqual(['ARCHIVE_RECORDED_AGAIN']);
  rows = [{ uploadId, repoId: archive.repoId } as LocalRepoRecord];
  expect(await codes()).toEqual(['ARCHIVE_RECORDED_AGAIN']);
  rows = [];
  outcome = new DepotError('RELEASE_CONFLICT', 'it is deleted');
  expect(await codes()).toEqual(['ARCHIVE_NOT_SERVED']);
  await rm(directory.filesOf(uploadId).archive);
  expect(await codes()).toEqual([]);
});
