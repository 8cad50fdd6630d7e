/** The rules of every datastore for releases. */
import { describe, expect, test } from 'vitest';
import { FIRST_GENERATION, RepoId, UploadId } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import {
  artifact,
  bundleNamed,
  hashOf,
  insertTrustRoot,
  newId,
  type OpenDatastore,
  uploadOf,
  version,
  wait,
} from './records.fixture.ts';

/** The bundle of the one present release. */
const recordedBundle = async (datastore: Datastore) => (await datastore.wantedSet(wait)).releases[0]?.bundle;

const bundleRules = (open: OpenDatastore): void => {
  describe('the bundle of a release', () => {
    const unsigned = bundleNamed('of artifacts', { kind: 'unsigned', isCurrent: false });

    test('is recorded with it, and read by its hash (BR1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const bundle = bundleNamed('first');
      const { repo } = await datastore.releaseInsert(
        uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a'], { bundle }),
        wait,
      );
      const recorded = { sha256: bundle.sha256, kind: 'signed', isExempted: false };
      expect(await recordedBundle(datastore)).toEqual(recorded);
      expect(await datastore.bundleOfRepo(repo.id, wait)).toEqual(recorded);
      expect(Buffer.from((await datastore.bundleGet(bundle.sha256, wait))!).toString()).toBe('first');
      expect(await datastore.bundleGet(hashOf('another'), wait)).toBeUndefined();
      expect(await datastore.bundleInsert(repo.id, unsigned, wait)).toBe(false);
    });

    test('stays when the release is uploaded again under an older root, and is replaced by one that the newest root vouches for (BR1, BR2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const upload = (content: string, isCurrent: boolean) =>
        datastore.releaseInsert(
          uploadOf(root, '1.0.0', ['a'], { bundle: bundleNamed(content, { isCurrent }) }),
          wait,
        );
      await upload('first', true);
      await upload('of an older root', false);
      expect(await recordedBundle(datastore)).toMatchObject({ sha256: hashOf('first') });
      await upload('signed anew', true);
      expect(await recordedBundle(datastore)).toMatchObject({ sha256: hashOf('signed anew') });
      expect(await datastore.bundleGet(hashOf('first'), wait)).toBeUndefined();
    });

    test('without metadata is replaced by one with metadata, and its exemption ends (BR2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const { repo } = await datastore.releaseInsert(
        uploadOf(root, '1.0.0', ['a'], { bundle: unsigned }),
        wait,
      );
      expect(await datastore.bundleGaps(wait)).toEqual([
        { repoId: repo.id, systemVersion: '1.0.0', hasBundle: true },
      ]);
      expect(await datastore.bundleExempt(version('1.0.0'), wait)).toEqual({
        sha256: unsigned.sha256,
        kind: 'unsigned',
        isExempted: true,
      });
      expect(await recordedBundle(datastore)).toMatchObject({ isExempted: true });
      expect(await datastore.bundleOfRepo(repo.id, wait)).toMatchObject({ isExempted: true });
      expect(await datastore.bundleInsert(repo.id, { ...unsigned, isCurrent: true }, wait)).toBe(false);
      expect(await recordedBundle(datastore)).toMatchObject({ isExempted: true });
      const real = bundleNamed('from its archive', { isCurrent: false });
      expect(await datastore.bundleInsert(repo.id, real, wait)).toBe(true);
      expect(await datastore.bundleGaps(wait)).toEqual([]);
      expect(await recordedBundle(datastore)).toEqual({
        sha256: real.sha256,
        kind: 'signed',
        isExempted: false,
      });
    });

    test('ends with its release, and an upload brings it back (BR1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const bundle = bundleNamed('first');
      const { repo } = await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a'], { bundle }), wait);
      await datastore.repoPrune(version('1.0.0'), wait);
      expect(await datastore.bundleOfRepo(repo.id, wait)).toBeUndefined();
      expect(await datastore.bundleGet(bundle.sha256, wait)).toBeUndefined();
      expect(await datastore.bundleInsert(repo.id, bundle, wait)).toBe(false);
      await expect(datastore.bundleExempt(version('1.0.0'), wait)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a'], { bundle }), wait);
      expect(await recordedBundle(datastore)).toMatchObject({ sha256: bundle.sha256 });
    });
  });
};

export const releaseRules = (open: OpenDatastore): void => {
  bundleRules(open);
  describe('recording a release', () => {
    test('inserts it with its artifacts and this upload as a local repo (S3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const release = uploadOf(root, '1.0.0', ['a', 'bb'], { metadata: { channel: 'stable' } });
      const outcome = await datastore.releaseInsert(release, wait);
      expect(outcome).toMatchObject({ status: 'inserted', generation: 2 });
      expect(outcome.repo).toEqual({
        id: release.repoId,
        systemVersion: '1.0.0',
        hash: release.hash,
        hashKind: 'archive',
        fileName: 'repo-1.0.0.zip',
        timeCreatedMs: expect.any(Number),
        timePrunedMs: null,
        prunedBy: undefined,
        leftOut: [],
        artifactCount: 2,
        totalSizeBytes: 3,
      });
      const { items } = await datastore.repoArtifacts(release.repoId, { limit: 10 }, wait);
      expect(items).toEqual(release.description.artifacts);
      expect(await datastore.localRepoList(wait)).toMatchObject([
        { uploadId: release.uploadId, nexusId: release.nexusId, repoId: release.repoId },
      ]);
      expect(await datastore.repoGetByHash(release.hash, wait)).toEqual(outcome.repo);
      expect(await datastore.repoGetByVersion(version('1.0.0'), wait)).toEqual(outcome.repo);
    });

    test('one that is recorded already exists, keeps its id, and is a local repo of this upload too (S3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const first = uploadOf(root, '1.0.0', ['a']);
      const again = uploadOf(root, '1.0.0', ['a']);
      await datastore.releaseInsert(first, wait);
      const outcome = await datastore.releaseInsert(again, wait);
      expect(outcome).toMatchObject({ status: 'already_exists', generation: 2, repo: { id: first.repoId } });
      const local = await datastore.localRepoList(wait);
      expect(new Set(local.map(({ uploadId }) => uploadId))).toEqual(
        new Set([first.uploadId, again.uploadId]),
      );
      expect(await datastore.localRepoList({ ...wait, nexusId: again.nexusId })).toMatchObject([
        { uploadId: again.uploadId, repoId: first.repoId },
      ]);
    });

    test('the same insert again, ids and all, answers as the first time and changes nothing (P4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a'], { overrides: ['expired'] });
      const first = await datastore.releaseInsert(release, wait);
      expect(await datastore.releaseInsert(release, wait)).toEqual(first);
      expect(await datastore.localRepoList(wait)).toHaveLength(1);
    });

    test('the same insert again after a deletion does not bring the release back (P4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      await datastore.releaseInsert(release, wait);
      await datastore.repoPrune(version('1.0.0'), wait);
      await datastore.releaseInsert(release, wait);
      expect(await datastore.repoGetByVersion(version('1.0.0'), wait)).toBeUndefined();
    });

    test('one file in two roles is two artifacts and one wanted hash', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const roles = [
        artifact('x', { tags: { kind: 'host' } }),
        artifact('x', { tags: { kind: 'trampoline' } }),
        artifact('x', { tags: {}, targetName: 'copy-of-x.tar' }),
      ];
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', roles);
      const { repo } = await datastore.releaseInsert(release, wait);
      expect(repo).toMatchObject({ artifactCount: 3, totalSizeBytes: 1 });
      expect((await datastore.repoArtifacts(repo.id, { limit: 10 }, wait)).items).toEqual(roles);
      expect([...(await datastore.wantedSet(wait)).artifacts]).toEqual([[hashOf('x'), 1]]);
      expect((await datastore.artifactRoles(hashOf('x'), wait)).map(role => role.artifact)).toEqual(roles);
    });

    test('a release of more artifacts than a batch is read back whole', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const contents = Array.from({ length: 2_345 }, (_, index) => `content ${index}`);
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', contents);
      await datastore.releaseInsert(release, wait);
      const { artifacts, releases } = await datastore.wantedSet(wait);
      expect(new Set(artifacts.keys())).toEqual(new Set(contents.map(hashOf)));
      expect(releases[0]?.artifacts).toEqual(new Set(artifacts.keys()));
      expect(await datastore.releaseInsert({ ...release, uploadId: newId(UploadId) }, wait)).toMatchObject({
        repo: { artifactCount: contents.length },
        generation: 2,
      });
    });

    test('a release without artifacts is recorded and wants nothing', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', []);
      expect(await datastore.releaseInsert(release, wait)).toMatchObject({
        status: 'inserted',
        generation: FIRST_GENERATION,
      });
    });

    test('a trust root that was deleted during the verification records nothing', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      await datastore.trustRootDelete(root, wait);
      await expect(datastore.releaseInsert(uploadOf(root, '1.0.0', ['a']), wait)).rejects.toMatchObject({
        code: 'NO_TRUST_ROOT',
      });
      expect(await datastore.repoGetByVersion(version('1.0.0'), wait)).toBeUndefined();
    });

    test('accepted versions are remembered and never fall, whatever order uploads commit in (B3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      expect((await datastore.trustRootGet(root, wait))?.trustedVersions).toBeNull();
      const newer = { root: 1, timestamp: 9, snapshot: 4, targets: 4 };
      const older = { root: 2, timestamp: 3, snapshot: 3, targets: 3 };
      await datastore.releaseInsert(uploadOf(root, '2.0.0', ['b'], { trustedVersions: newer }), wait);
      await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a'], { trustedVersions: older }), wait);
      expect((await datastore.trustRootGet(root, wait))?.trustedVersions).toEqual({ ...newer, root: 2 });
    });
  });

  test('an archive keeps the version that was derived for it first (CN2)', async () => {
    await using opened = await open();
    const { datastore } = opened;
    const root = await insertTrustRoot(datastore);
    const zip = { hash: hashOf('zip') };
    const first = uploadOf(root, '0.0.0-targets.7', ['a'], zip);
    await datastore.releaseInsert(first, wait);
    const again = await datastore.releaseInsert(
      uploadOf(root, '0.0.0-targets.7.s0123456789', ['a'], zip),
      wait,
    );
    expect(again).toMatchObject({
      status: 'already_exists',
      repo: { id: first.repoId, systemVersion: '0.0.0-targets.7' },
    });
  });

  describe('conflicts change nothing and name both sides:', () => {
    const conflict = async (
      first: Parameters<typeof uploadOf> extends [unknown, ...infer Rest] ? Rest : never,
      second: Parameters<typeof uploadOf> extends [unknown, ...infer Rest] ? Rest : never,
    ) => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      await datastore.releaseInsert(uploadOf(root, ...first), wait);
      const before = await datastore.wantedSet(wait);
      const error = await datastore.releaseInsert(uploadOf(root, ...second), wait).then(
        () => undefined,
        (reason: Error & { code: string }) => reason,
      );
      expect(await datastore.wantedSet(wait)).toEqual(before);
      expect(await datastore.localRepoList(wait)).toHaveLength(1);
      return error;
    };

    test('a version with other artifacts', async () => {
      const error = await conflict(['1.0.0', ['a', 'b']], ['1.0.0', ['a', 'c']]);
      expect(error).toMatchObject({ code: 'RELEASE_CONFLICT' });
      expect(error?.message).toContain(`only in the upload (such as c.tar, ${hashOf('c')})`);
      expect(error?.message).toContain(`only in the recorded one (such as b.tar, ${hashOf('b')})`);
    });

    test('a version with other metadata', async () => {
      const error = await conflict(
        ['1.0.0', ['a'], { metadata: { channel: 'beta' } }],
        ['1.0.0', ['a'], { metadata: { channel: 'stable' } }],
      );
      expect(error).toMatchObject({ code: 'RELEASE_CONFLICT' });
      expect(error?.message).toContain('channel=beta');
      expect(error?.message).toContain('stable');
    });

    test('a version with another archive', async () => {
      const error = await conflict(['1.0.0', ['a']], ['1.0.0', ['a'], { hash: hashOf('zipped again') }]);
      expect(error).toMatchObject({ code: 'RELEASE_CONFLICT' });
      expect(error?.message).toContain(hashOf('zipped again'));
    });

    test('an archive under another version', async () => {
      const error = await conflict(
        ['1.0.0', ['a'], { hash: hashOf('zip') }],
        ['2.0.0', ['a'], { hash: hashOf('zip') }],
      );
      expect(error).toMatchObject({ code: 'RELEASE_CONFLICT' });
      expect(error?.message).toContain('1.0.0');
      expect(error?.message).toContain('2.0.0');
    });

    test('a hash with another version, in an earlier release or in the same', async () => {
      const [one, two] = [artifact('a', { version: '1.0' }), artifact('a', { version: '2.0', tags: {} })];
      for (const error of [
        await conflict(['1.0.0', [one]], ['2.0.0', [two]]),
        await conflict(['1.0.0', []], ['2.0.0', [one, two]]),
      ]) {
        expect(error).toMatchObject({ code: 'ARTIFACT_CONFLICT' });
        expect(error?.message).toContain(`artifact ${hashOf('a')} has version 2.0`);
        expect(error?.message).toContain('version 1.0');
      }
    });

    test('a hash with another length', async () => {
      const error = await conflict(['1.0.0', [artifact('a')]], ['2.0.0', [artifact('a', { sizeBytes: 7 })]]);
      expect(error).toMatchObject({ code: 'ARTIFACT_CONFLICT' });
      expect(error?.message).toContain('7 bytes');
    });

    test('a repository that came over HTTP and then as an archive is one release (S18)', async () => {
      const error = await conflict(
        ['1.0.0', ['a'], { hash: hashOf('targets.json'), hashKind: 'targets' }],
        ['3.0.0', ['a'], { hash: hashOf('targets.json'), hashKind: 'targets' }],
      );
      expect(error).toMatchObject({ code: 'RELEASE_CONFLICT' });
      await using opened = await open();
      const root = await insertTrustRoot(opened.datastore);
      const fetched = uploadOf(root, '1.0.0', ['a'], { hash: hashOf('targets.json'), hashKind: 'targets' });
      await opened.datastore.releaseInsert(fetched, wait);
      const outcome = await opened.datastore.releaseInsert(uploadOf(root, '1.0.0', ['a']), wait);
      expect(outcome).toMatchObject({ status: 'already_exists', repo: { hashKind: 'targets' } });
    });

    test('a deleted release keeps its version to itself (CN1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a']), wait);
      await datastore.repoPrune(version('1.0.0'), wait);
      await expect(datastore.releaseInsert(uploadOf(root, '1.0.0', ['b']), wait)).rejects.toMatchObject({
        code: 'RELEASE_CONFLICT',
      });
    });
  });

  test('what a followed source has is known until its time is over or it has another one (PN3)', async () => {
    await using opened = await open();
    const { datastore } = opened;
    const root = await insertTrustRoot(datastore);
    const [one, two] = [uploadOf(root, '1.0.0', ['a']), uploadOf(root, '2.0.0', ['b'])];
    for (const release of [one, two]) await datastore.releaseInsert(release, wait);
    const follow = (source: string, { repoId }: typeof one, keepMs = 60_000) =>
      datastore.releaseFollowed({ source, sourceName: `name of ${source}`, repoId, keepMs }, wait);
    await follow('a', one);
    await follow('b', one);
    await follow('over', two, 0);
    await follow('a', two);
    expect(await datastore.releasesFollowed(wait)).toEqual([
      { source: 'a', sourceName: 'name of a', repoId: two.repoId, systemVersion: '2.0.0' },
      { source: 'b', sourceName: 'name of b', repoId: one.repoId, systemVersion: '1.0.0' },
    ]);
  });

  describe('deleting a release', () => {
    test('takes it out of the wanted set and of lists, and keeps its history (S21)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      await datastore.releaseInsert(release, wait);
      expect(await datastore.repoPrune(version('1.0.0'), wait)).toEqual({ generation: 3 });
      expect((await datastore.wantedSet(wait)).artifacts.size).toBe(0);
      expect((await datastore.repoList({ limit: 10, sortBy: 'version_ascending' }, wait)).items).toEqual([]);
      const pruned = await datastore.repoGetByVersion(version('1.0.0'), { ...wait, includePruned: true });
      expect(pruned?.timePrunedMs).toEqual(expect.any(Number));
      expect(await datastore.repoGetByHash(release.hash, wait)).toEqual(pruned);
      expect(await datastore.artifactRoles(hashOf('a'), wait)).toMatchObject([{ repo: pruned }]);
      expect(await datastore.localRepoList(wait)).toHaveLength(1);
    });

    test('by retention is told from one by a person, until it is uploaded again (SY2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const prunedBy = async () =>
        (await datastore.repoGetByVersion(version('1.0.0'), { ...wait, includePruned: true }))?.prunedBy;
      await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a']), wait);
      await datastore.repoPrune(version('1.0.0'), { ...wait, prunedBy: 'retention' });
      expect(await prunedBy()).toBe('retention');
      await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a']), wait);
      expect(await prunedBy()).toBeUndefined();
      await datastore.repoPrune(version('1.0.0'), wait);
      expect(await prunedBy()).toBeUndefined();
    });

    test('one that is absent or deleted already is NOT_FOUND', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const prune = () => datastore.repoPrune(version('1.0.0'), wait);
      await expect(prune()).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await datastore.releaseInsert(uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']), wait);
      await prune();
      await expect(prune()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    test('uploaded again it comes back under its old id (P3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const first = uploadOf(root, '1.0.0', ['a']);
      await datastore.releaseInsert(first, wait);
      await datastore.repoPrune(version('1.0.0'), wait);
      const outcome = await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a']), wait);
      expect(outcome).toMatchObject({
        status: 'already_exists',
        generation: 4,
        repo: { id: first.repoId, timePrunedMs: null },
      });
      expect((await datastore.wantedSet(wait)).artifacts.has(hashOf('a'))).toBe(true);
    });
  });

  describe('pages', () => {
    test('releases sort as semantic versions do, both ways, page by page', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const ordered = [
        '1.0.0-alpha',
        '1.0.0-rc.2',
        '1.0.0-rc.10',
        '1.0.0',
        '1.2.0',
        '1.10.0',
        '10.0.0',
        '10.0.0+b',
      ];
      for (const text of [...ordered].sort()) {
        await datastore.releaseInsert(uploadOf(root, text, [text]), wait);
      }
      for (const [sortBy, expected] of [
        ['version_ascending', ordered],
        ['version_descending', ordered.toReversed()],
      ] as const) {
        const seen: string[] = [];
        let pageToken: string | undefined;
        do {
          const page = await datastore.repoList({ limit: 3, sortBy, pageToken }, wait);
          seen.push(...page.items.map(({ systemVersion }) => systemVersion));
          pageToken = page.nextPage;
        } while (pageToken !== undefined);
        expect(seen).toEqual(expected);
      }
    });

    test('artifacts of one hash are not lost at the edge of a page (S14)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const roles = Array.from({ length: 5 }, (_, index) => artifact('x', { tags: { role: String(index) } }));
      const { repo } = await datastore.releaseInsert(
        uploadOf(await insertTrustRoot(datastore), '1.0.0', roles),
        wait,
      );
      const first = await datastore.repoArtifacts(repo.id, { limit: 2 }, wait);
      const second = await datastore.repoArtifacts(repo.id, { limit: 2, pageToken: first.nextPage }, wait);
      const third = await datastore.repoArtifacts(repo.id, { limit: 2, pageToken: second.nextPage }, wait);
      expect([...first.items, ...second.items, ...third.items]).toEqual(roles);
      expect(third.nextPage).toBeUndefined();
      expect((await datastore.repoArtifacts(newId(RepoId), { limit: 2 }, wait)).items).toEqual([]);
    });

    test('a page token that no page gave is refused', async () => {
      await using opened = await open();
      const page = { limit: 1, pageToken: 'nonsense' };
      for (const call of [
        () => opened.datastore.repoList({ ...page, sortBy: 'version_ascending' }, wait),
        () => opened.datastore.trustRootList(page, wait),
        () => opened.datastore.sledList(page, wait),
        () => opened.datastore.repoArtifacts(newId(RepoId), page, wait),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      }
    });
  });
};
