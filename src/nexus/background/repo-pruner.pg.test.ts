import { expect, test } from 'vitest';
import { parseAuditContent } from '../../core/facts/audit.ts';
import { silentLogger } from '../../lib/log.ts';
import {
  insertTrustRoot,
  originBy,
  uploadOf,
  version,
  wait,
} from '../datastore/conformance/records.fixture.ts';
import { createTestDatabase } from '../datastore/database.fixture.ts';
import type { Datastore } from '../datastore/datastore.ts';
import type { Note } from '../history/history.ts';
import { PrunerStatus } from './original-debugger.fixture.ts';
import { repoPruner } from './repo-pruner.ts';

const POLICY = { keepTargetReleases: 2, keepUploads: 2 };

/** Runs the pruner once, over what `tamper` makes of the datastore between decision and pruning. */
const prune = (datastore: Datastore, tamper: Partial<Datastore> = {}, note: Note = () => undefined) =>
  repoPruner({
    datastore: { ...datastore, ...tamper },
    note,
    newOrigin: () => originBy({ kind: 'nexus' }),
    policy: POLICY,
    periodMs: 1000,
    disable: false,
  }).activate({
    reason: 'timeout',
    log: silentLogger,
    signal: wait.signal,
  });

test('without a policy nothing is deleted, not even by hand, and the summary says that retention is off (B19)', async () => {
  await using database = await createTestDatabase();
  const datastore = await database.openDatastore();
  const root = await insertTrustRoot(datastore);
  for (const n of [1, 2, 3, 4, 5]) await datastore.releaseInsert(uploadOf(root, `${n}.0.0`, [`a${n}`]), wait);
  const task = repoPruner({
    ...{ datastore, note: () => undefined, policy: undefined, periodMs: 1000, disable: false },
    newOrigin: () => originBy({ kind: 'nexus' }),
  });
  expect(task.disable).toBe(true);
  const run = { reason: 'timeout' as const, log: silentLogger, signal: wait.signal };
  PrunerStatus.parse((await task.activate(run)).summary);
  expect((await task.activate(run)).summary).toEqual({
    status: 'disabled',
    reason: expect.stringMatching(/^off: /),
  });
  expect(await present(datastore)).toHaveLength(5);
});

const present = async (datastore: Datastore) => {
  const { items } = await datastore.repoList({ limit: 100, sortBy: 'version_ascending' }, wait);
  return items.map(repo => repo.systemVersion);
};

test('of four releases the oldest goes, one each time, and the target is kept however old it is (S21)', async () => {
  await using database = await createTestDatabase();
  const datastore = await database.openDatastore();
  const root = await insertTrustRoot(datastore);
  for (const n of [1, 2, 3, 4, 5]) await datastore.releaseInsert(uploadOf(root, `${n}.0.0`, [`a${n}`]), wait);
  const target = await datastore.repoGetByVersion(version('1.0.0'), wait);
  const { generation } = await datastore.targetReleaseGet(wait);
  await datastore.targetReleaseSet({ repoId: target!.id, expectedGeneration: generation }, wait);

  const first = await prune(datastore);
  PrunerStatus.parse(JSON.parse(JSON.stringify(first.summary)));
  expect(first).toMatchObject({
    changed: true,
    summary: {
      repos_keep_target_release: [{ system_version: '1.0.0' }],
      repos_keep_recent_uploads: [{ system_version: '5.0.0' }, { system_version: '4.0.0' }],
      ...{ repo_prune: { system_version: '2.0.0' }, pruned: true, warnings: [] },
      other_repos_eligible_to_prune: [{ system_version: '3.0.0' }],
    },
  });
  expect(await present(datastore)).toEqual(['1.0.0', '3.0.0', '4.0.0', '5.0.0']);
  await prune(datastore);
  expect(await prune(datastore)).toMatchObject({
    ...{ changed: false, summary: { repo_prune: null, pruned: false, other_repos_eligible_to_prune: [] } },
  });
  expect(await present(datastore)).toEqual(['1.0.0', '4.0.0', '5.0.0']);
  const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
  expect(items.map(({ content }) => parseAuditContent(content))).toMatchObject([
    { actor: { kind: 'nexus' }, action: { kind: 'release_deleted', systemVersion: '2.0.0' } },
    { actor: { kind: 'nexus' }, action: { kind: 'release_deleted', systemVersion: '3.0.0' } },
  ]);
});

test('a release that became the target or was uploaded again since the decision is not pruned, and the summary says so (PN1, PN2)', async () => {
  await using database = await createTestDatabase();
  const datastore = await database.openDatastore();
  const root = await insertTrustRoot(datastore);
  for (const n of [1, 2, 3]) await datastore.releaseInsert(uploadOf(root, `${n}.0.0`, [`a${n}`]), wait);
  const oldest = await datastore.repoGetByVersion(version('1.0.0'), wait);
  const seen = await datastore.wantedSet(wait);

  await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a1']), wait);
  const again = await prune(datastore, { wantedSet: async () => seen });
  expect(again.summary).toMatchObject({
    pruned: false,
    warnings: [expect.stringContaining('uploaded again')],
  });

  const { generation } = await datastore.targetReleaseGet(wait);
  await datastore.targetReleaseSet({ repoId: oldest!.id, expectedGeneration: generation }, wait);
  // As if the decision had been made just before: the others look younger, and nothing was the target.
  const current = await datastore.wantedSet(wait);
  const releases = current.releases.map(release =>
    release.repoId === oldest!.id ? release : { ...release, timeCreatedMs: Date.UTC(9999, 0, 1) },
  );
  const target = await prune(datastore, {
    wantedSet: async () => ({ ...current, releases }),
    targetReleaseRecent: async () => [],
  });
  expect(target.summary).toMatchObject({
    pruned: false,
    warnings: [expect.stringContaining('target release')],
  });
  expect(await present(datastore)).toEqual(['1.0.0', '2.0.0', '3.0.0']);
});

test('a release that a followed source has now is kept beside the recent ones, and the summary names the source (PN3)', async () => {
  await using database = await createTestDatabase();
  const datastore = await database.openDatastore();
  const root = await insertTrustRoot(datastore);
  const first = uploadOf(root, '1.0.0', ['a1']);
  await datastore.releaseInsert(first, wait);
  for (const n of [2, 3, 4]) await datastore.releaseInsert(uploadOf(root, `${n}.0.0`, [`a${n}`]), wait);
  const { repoId } = first;
  await datastore.releaseFollowed({ source: 'x', sourceName: 'vendor', repoId, keepMs: 60_000 }, wait);
  expect(await prune(datastore)).toMatchObject({
    summary: {
      repos_keep_followed: [{ system_version: '1.0.0', source: 'vendor' }],
      ...{ repo_prune: { system_version: '2.0.0' }, pruned: true },
    },
  });
  await prune(datastore);
  expect(await present(datastore)).toEqual(['1.0.0', '3.0.0', '4.0.0']);
});
