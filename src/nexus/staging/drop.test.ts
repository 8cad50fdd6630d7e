/** DR3: what a drop believes when its row is gone, by whatever the database says of the release. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HealthReason } from '../../core/health.ts';
import { asGeneration, RepoId, SystemVersion, UploadId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { RepoRecord } from '../datastore/datastore.ts';
import { openStagingDirectory, type StagingDirectory } from './directory.ts';
import { dropLocalRepo } from './drop.ts';
import { createHeldRepos, type HeldRepos } from './held-repos.ts';
import { reconcileLocalRepos } from './reconcile.ts';
import { readSidecar, type StagedArchive, writeSidecar } from './staged-archive.ts';

const { signal } = new AbortController();
const archive: StagedArchive = {
  uploadId: UploadId.parse(randomUUID()),
  repoId: RepoId.parse(randomUUID()),
  systemVersion: SystemVersion.parse('1.0.0'),
  fileName: 'a.zip',
  archiveHash: 'f'.repeat(64),
  hashKind: 'archive',
  overrides: [],
  artifacts: new Map(),
  acknowledged: true,
  dropping: false,
};
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
  const options = { planned: { generation: asGeneration(2), digest: '' }, signal };
  return dropLocalRepo({ directory, repos, datastore, note: () => undefined, log }, uploadId, options);
};
const archives = async () => (await readdir(path)).filter(name => name.endsWith('.zip'));

test('P4: a drop whose commit was in doubt is one when the release is known, present or deleted', async () => {
  expect(await drop('release known', 'dropped')).toEqual({ kind: 'dropped' });
  expect(await archives()).toEqual([]);
});

test('P4: when the database has forgotten the release it went back, and no drop was: the archive is kept, unmarked', async () => {
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

test('P4: a drop that was interrupted is gone on with, or its archive recorded again, by the same rule', async () => {
  const recorded: UploadId[] = [];
  const reconcile = (release: 'release known' | 'release forgotten') =>
    reconcileLocalRepos(
      {
        ...{ directory, repos, log, datastore: databaseWith(release), onNotice: () => undefined },
        async recordAgain(lost) {
          recorded.push(lost.uploadId);
          return lost.repoId;
        },
      },
      { signal },
    );
  repos.get(uploadId)!.isDropping = true;
  await reconcile('release forgotten');
  expect(recorded).toEqual([uploadId]);
  expect(await archives()).toEqual([`${uploadId}.zip`]);
  repos.get(uploadId)!.isDropping = true;
  await reconcile('release known');
  expect(await archives()).toEqual([]);
  expect(recorded).toHaveLength(1);
});

test('G8: an archive that cannot be read costs itself only: it is told, and tried again by the next round', async () => {
  const notices: unknown[] = [];
  const reconcile = (outcome: Error | RepoId) =>
    reconcileLocalRepos(
      {
        ...{ directory, repos, log, datastore: databaseWith('release known') },
        onNotice: (_, reason) => void notices.push(reason?.code),
        recordAgain: async () => {
          if (outcome instanceof Error) throw outcome;
          return outcome;
        },
      },
      { signal },
    );
  const ofDatabase = new DepotError('DATABASE_UNAVAILABLE', 'it does not answer');
  await expect(reconcile(ofDatabase)).rejects.toBe(ofDatabase);
  expect(notices).toEqual([]);
  await reconcile(Object.assign(new Error('EIO: a bad sector'), { code: 'EIO' }));
  expect(notices).toEqual(['ARCHIVE_NOT_SERVED']);
  expect(await archives()).toEqual([`${uploadId}.zip`]);
  const repoId = RepoId.parse(randomUUID());
  await reconcile(repoId);
  expect(repos.get(uploadId)?.archive.repoId).toBe(repoId);
  expect(notices).toEqual(['ARCHIVE_NOT_SERVED', 'ARCHIVE_RECORDED_AGAIN']);
});

test('G8: a dropped archive that its disk does not let go of is no reason to end a round', async () => {
  repos.get(uploadId)!.isDropping = true;
  const { archive: path } = directory.filesOf(uploadId);
  await rm(path);
  await mkdir(path);
  const options = { datastore: databaseWith('release known'), onNotice: () => undefined };
  const recordAgain = () => Promise.reject(new Error('nobody asks for that'));
  const reconcile = () => reconcileLocalRepos({ directory, repos, log, recordAgain, ...options }, { signal });
  await reconcile();
  expect(repos.get(uploadId)?.isDropping).toBe(true);
  await rm(path, { recursive: true });
  await reconcile();
  expect(repos.all()).toEqual([]);
});

test('P4: an archive whose row is of another recording of its release is held as its row says', async () => {
  const repoId = RepoId.parse(randomUUID());
  const datastore = {
    ...databaseWith('release known'),
    localRepoList: async () => [{ uploadId, repoId }] as never,
  };
  const recordAgain = () => Promise.reject(new Error('nobody asks for that'));
  await reconcileLocalRepos(
    { directory, repos, log, datastore, onNotice: () => undefined, recordAgain },
    { signal },
  );
  expect(repos.get(uploadId)?.archive.repoId).toBe(repoId);
  expect(await readSidecar(directory.filesOf(uploadId).sidecar, directory)).toMatchObject({ repoId });
});

test('P4: an archive that was kept only is served again when the database lists it again', async () => {
  const repoId = RepoId.parse(randomUUID());
  const notices: unknown[] = [];
  const reconcile = (rows: readonly { uploadId: UploadId; repoId: RepoId }[]) =>
    reconcileLocalRepos(
      {
        ...{ directory, repos, log },
        datastore: { ...databaseWith('release known'), localRepoList: async () => rows as never },
        onNotice: (_, reason) => void notices.push(reason?.code),
        recordAgain: () => Promise.reject(new DepotError('RELEASE_CONFLICT', 'it is deleted')),
      },
      { signal },
    );
  await reconcile([]);
  expect(repos.all()).toEqual([]);
  await reconcile([{ uploadId, repoId }]);
  expect(repos.get(uploadId)?.archive.repoId).toBe(repoId);
  expect(notices).toEqual(['ARCHIVE_NOT_SERVED', undefined]);
});

test('P4: what is recorded again is served, also when its sidecar cannot say so', async () => {
  const { sidecar } = directory.filesOf(uploadId);
  const recordAgain = async () => {
    // A directory of that name: no sidecar can be renamed to it.
    await rm(sidecar);
    await mkdir(sidecar);
    return newRepoId;
  };
  const newRepoId = RepoId.parse(randomUUID());
  const notices: unknown[] = [];
  const onNotice = (_: UploadId, reason: HealthReason | undefined) => void notices.push(reason?.code);
  const datastore = databaseWith('release forgotten');
  await reconcileLocalRepos({ directory, repos, log, datastore, onNotice, recordAgain }, { signal });
  expect(repos.get(uploadId)?.archive.repoId).toBe(newRepoId);
  expect(notices).toEqual(['ARCHIVE_RECORDED_AGAIN']);
});
