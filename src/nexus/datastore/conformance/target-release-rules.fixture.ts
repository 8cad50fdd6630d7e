/** The rules of every datastore for the target release. */
import { describe, expect, test } from 'vitest';
import { RepoId } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import { insertTrustRoot, newId, type OpenDatastore, uploadOf, version, wait } from './records.fixture.ts';

const insertReleases = async (datastore: Datastore, versions: readonly string[]): Promise<RepoId[]> => {
  const root = await insertTrustRoot(datastore);
  const ids: RepoId[] = [];
  for (const text of versions) {
    ids.push((await datastore.releaseInsert(uploadOf(root, text, [text]), wait)).repo.id);
  }
  return ids;
};

export const targetReleaseRules = (open: OpenDatastore): void => {
  describe('the target release', () => {
    test('is absent at first, then the one that was set last', async () => {
      await using opened = await open();
      const { datastore } = opened;
      expect(await datastore.targetReleaseGet(wait)).toEqual({
        generation: 1,
        timeRequestedMs: expect.any(Number),
        repo: null,
      });
      const [repoId] = await insertReleases(datastore, ['1.0.0']);
      const set = await datastore.targetReleaseSet({ repoId: repoId!, expectedGeneration: 1 }, wait);
      expect(set).toMatchObject({ generation: 2, repo: { systemVersion: '1.0.0' } });
      expect(await datastore.targetReleaseGet(wait)).toEqual(set);
    });

    test('is refused when another set it meanwhile, and when the release is deleted or unknown', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [first, second] = await insertReleases(datastore, ['1.0.0', '2.0.0']);
      await datastore.targetReleaseSet({ repoId: first!, expectedGeneration: 1 }, wait);
      await datastore.repoPrune(version('2.0.0'), wait);
      for (const set of [
        { repoId: first!, expectedGeneration: 1 },
        { repoId: second!, expectedGeneration: 2 },
        { repoId: newId(RepoId), expectedGeneration: 2 },
      ]) {
        await expect(datastore.targetReleaseSet(set, wait)).rejects.toMatchObject({
          code: 'TARGET_RELEASE_REFUSED',
        });
      }
      expect((await datastore.targetReleaseGet(wait)).generation).toBe(2);
    });

    test('cannot be deleted until another is the target (S21)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [first, second] = await insertReleases(datastore, ['1.0.0', '2.0.0']);
      await datastore.targetReleaseSet({ repoId: first!, expectedGeneration: 1 }, wait);
      await expect(datastore.repoPrune(version('1.0.0'), wait)).rejects.toMatchObject({
        code: 'RELEASE_IN_USE',
      });
      await datastore.targetReleaseSet({ repoId: second!, expectedGeneration: 2 }, wait);
      expect(await datastore.repoPrune(version('1.0.0'), wait)).toEqual({ generation: 4 });
    });

    test('the recent ones are distinct, the latest first (S21)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      expect(await datastore.targetReleaseRecent(3, wait)).toEqual([]);
      const ids = await insertReleases(datastore, ['1.0.0', '2.0.0', '3.0.0']);
      for (const [index, which] of [0, 1, 2, 1, 0, 1].entries()) {
        await datastore.targetReleaseSet({ repoId: ids[which]!, expectedGeneration: index + 1 }, wait);
      }
      const recent = await datastore.targetReleaseRecent(2, wait);
      expect(recent.map(({ repo, generation }) => [repo?.systemVersion, generation])).toEqual([
        ['2.0.0', 7],
        ['1.0.0', 6],
      ]);
    });
  });
};
