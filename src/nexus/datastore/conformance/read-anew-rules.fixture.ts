/** The rules of every datastore for releases that an earlier version of this software read in another way. */
import { describe, expect, test } from 'vitest';
import { RepoId, UploadId } from '../../../core/ids.ts';
import type { ReleaseArtifact } from '../../../core/release.ts';
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

export const readAnewRules = (open: OpenDatastore): void => {
  describe('a database of an earlier version, which read v1 releases in another way', () => {
    const derived = (content: string) => hashOf(content).slice(0, 16);
    const fileNamed = (content: string, differing: Partial<ReleaseArtifact> = {}) =>
      artifact(content, {
        targetName: `control_plane/zones/${content}.tar.gz`,
        version: derived(content),
        tags: { kind: 'zone', v1_kind: 'zone', zone_name: `file-${content}` },
        ...differing,
      });
    const named = (content: string) =>
      artifact(content, {
        targetName: `zones/${content}.tar.gz`,
        version: '2.0.0',
        tags: { kind: 'zone', zone_name: content },
      });
    const listed = async (datastore: Datastore, text: string) => {
      const repo = await datastore.repoGetByVersion(version(text), { ...wait, includePruned: true });
      return (await datastore.repoArtifacts(repo!.id, { limit: 10 }, wait)).items;
    };

    test('an upload with an unchanged zone gives it its name and its version everywhere (CN3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const other = artifact('other', { version: derived('other') });
      await datastore.releaseInsert(
        uploadOf(root, '1.0.0', [fileNamed('dns'), fileNamed('ntp'), other]),
        wait,
      );
      await datastore.releaseInsert(uploadOf(root, '1.1.0', [fileNamed('dns')]), wait);
      await datastore.repoPrune(version('1.1.0'), wait);
      const outcome = await datastore.releaseInsert(uploadOf(root, '2.0.0', [named('dns')]), wait);
      expect(outcome).toMatchObject({ status: 'inserted' });
      const mended = { version: '2.0.0', tags: { kind: 'zone', zone_name: 'dns' } };
      expect(await listed(datastore, '1.0.0')).toEqual([
        { ...fileNamed('dns'), ...mended },
        fileNamed('ntp'),
        other,
      ]);
      expect(await listed(datastore, '1.1.0')).toEqual([{ ...fileNamed('dns'), ...mended }]);
      expect(await listed(datastore, '2.0.0')).toEqual([named('dns')]);
      expect(await datastore.wantedSet(wait)).toMatchObject({ generation: outcome.generation });
    });

    test('a version that is derived from the hash yields to the recorded one, and never to a second one (CN3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      await datastore.releaseInsert(uploadOf(root, '2.0.0', [named('dns')]), wait);
      const plain = artifact('dns', { version: derived('dns'), tags: { kind: 'target', name: 'dns' } });
      await datastore.releaseInsert(uploadOf(root, '3.0.0', [plain]), wait);
      expect(await listed(datastore, '3.0.0')).toEqual([{ ...plain, version: '2.0.0' }]);
      for (const wrong of [{ version: '9.9.9' }, { version: derived('dns'), sizeBytes: 9 }])
        await expect(
          datastore.releaseInsert(uploadOf(root, '4.0.0', [artifact('dns', wrong)]), wait),
        ).rejects.toMatchObject({ code: 'ARTIFACT_CONFLICT' });
    });

    test('the same archive again has the artifacts of the later reading, and its release stays the same (CN4, BR3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const hash = hashOf('archive');
      const before = uploadOf(root, '1.0.0', [fileNamed('dns'), artifact('document')], { hash });
      await datastore.releaseInsert(before, wait);
      await datastore.bundleExempt(version('1.0.0'), wait);
      const bundle = bundleNamed('with the new document', { kind: 'partly', isCurrent: false });
      const again = uploadOf(root, '1.0.0', [named('dns'), artifact('new document')], { hash, bundle });
      const outcome = await datastore.releaseInsert(again, wait);
      expect(outcome).toMatchObject({
        status: 'already_exists',
        generation: 3,
        repo: { id: before.repoId, artifactCount: 2, totalSizeBytes: 'dns'.length + 'new document'.length },
      });
      expect(await listed(datastore, '1.0.0')).toEqual([named('dns'), artifact('new document')]);
      const wanted = await datastore.wantedSet(wait);
      expect([...wanted.artifacts.keys()].sort()).toEqual([hashOf('dns'), hashOf('new document')].sort());
      expect(await datastore.bundleOfRepo(before.repoId, wait)).toEqual({
        ...{ sha256: bundle.sha256, kind: 'partly', isExempted: true },
      });
      const third = { ...again, uploadId: newId(UploadId), repoId: newId(RepoId) };
      expect(await datastore.releaseInsert(third, wait)).toMatchObject({ generation: 3 });
    });

    test('another archive of that version is refused as before (CN1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      await datastore.releaseInsert(uploadOf(root, '1.0.0', [fileNamed('dns')]), wait);
      await expect(
        datastore.releaseInsert(uploadOf(root, '1.0.0', [named('dns')]), wait),
      ).rejects.toMatchObject({ code: 'RELEASE_CONFLICT' });
    });
  });
};
