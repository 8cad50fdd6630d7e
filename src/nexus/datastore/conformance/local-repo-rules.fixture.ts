/** The rules of every datastore for local repos. */
import { describe, expect, test } from 'vitest';
import { NexusId, RoundNonce, SledId } from '../../../core/ids.ts';
import { wantedSetDigest } from '../decisions/generation.ts';
import type { PlannedSet } from '../ports/local-repo-port.ts';
import {
  hashOf,
  insertTrustRoot,
  newId,
  type OpenDatastore,
  plannedBy,
  registration,
  uploadOf,
  version,
  wait,
} from './records.fixture.ts';

export const localRepoRules = (open: OpenDatastore): void => {
  describe('dropping a local repo', () => {
    test('drops at the planned generation, and then it is absent (P1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const { uploadId, nexusId, ...release } = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      await datastore.releaseInsert({ uploadId, nexusId, ...release }, wait);
      const drop = { uploadId, nexusId, planned: await plannedBy(datastore, nexusId) };
      expect(await datastore.localRepoDrop({ ...drop, nexusId: newId(NexusId) }, wait)).toEqual({
        kind: 'absent',
      });
      expect(await datastore.localRepoDrop(drop, wait)).toEqual({ kind: 'dropped' });
      expect(await datastore.localRepoDrop(drop, wait)).toEqual({ kind: 'absent' });
      expect(await datastore.localRepoList(wait)).toEqual([]);
    });

    test('keeps it when the generation is another than planned, and says why (P1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const release = uploadOf(root, '1.0.0', ['a']);
      await datastore.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const planned = await plannedBy(datastore, nexusId);
      await datastore.releaseInsert(uploadOf(root, '2.0.0', ['b']), wait);
      expect(await datastore.localRepoDrop({ uploadId, nexusId, planned }, wait)).toEqual({
        kind: 'kept',
        because: 'generation_changed',
        generation: 3,
      });
      expect(await datastore.localRepoList({ ...wait, nexusId })).toHaveLength(1);
    });

    test('keeps it when the generation is another set’s now, as in a restored database (P1, B5)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      await datastore.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const counted = await plannedBy(datastore, nexusId);
      const planned = { ...counted, digest: wantedSetDigest(['b'].map(hashOf)) };
      expect(await datastore.localRepoDrop({ uploadId, nexusId, planned }, wait)).toEqual({
        kind: 'kept',
        because: 'set_changed',
        generation: 2,
      });
      expect(await datastore.localRepoList({ ...wait, nexusId })).toHaveLength(1);
    });

    test('keeps it when the nonce of the round is another one, or its Nexus has none (P13)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      await datastore.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const keeps = async (planned: PlannedSet) =>
        expect(await datastore.localRepoDrop({ uploadId, nexusId, planned }, wait)).toEqual({
          kind: 'kept',
          because: 'round_lost',
          generation: 2,
        });
      await keeps({ ...(await datastore.currentGeneration(wait)), nonce: newId(RoundNonce) });
      const counted = await plannedBy(datastore, nexusId);
      await plannedBy(datastore, newId(NexusId));
      const next = await plannedBy(datastore, nexusId);
      await keeps(counted);
      expect(await datastore.localRepoDrop({ uploadId, nexusId, planned: next }, wait)).toEqual({
        kind: 'dropped',
      });
    });

    test('keeps it when a sled was expunged after the round counted it, and not when one came into service (S23)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      await datastore.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const sled = newId(SledId);
      await datastore.sledUpsert(sled, registration(), wait);
      const planned = await plannedBy(datastore, nexusId);
      await datastore.sledSetPolicy(sled, 'expunged', wait);
      expect(await datastore.localRepoDrop({ uploadId, nexusId, planned }, wait)).toMatchObject({
        kind: 'kept',
      });
      const next = { uploadId, nexusId, planned: await plannedBy(datastore, nexusId) };
      await datastore.sledSetPolicy(sled, 'in_service', wait);
      expect(await datastore.localRepoDrop(next, wait)).toEqual({ kind: 'dropped' });
    });

    test('drops one whose release was deleted, at the generation that has seen it go (P1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      await datastore.releaseInsert(release, wait);
      const { uploadId, nexusId } = release;
      const recorded = await plannedBy(datastore, nexusId);
      await datastore.repoPrune(version('1.0.0'), wait);
      const dropAt = (planned: PlannedSet) => datastore.localRepoDrop({ uploadId, nexusId, planned }, wait);
      expect(await dropAt(recorded)).toMatchObject({ kind: 'kept' });
      expect(await dropAt(await plannedBy(datastore, nexusId))).toEqual({ kind: 'dropped' });
    });

    test('a row without an archive is forgotten, by its own Nexus only (P4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      await datastore.releaseInsert(release, wait);
      await datastore.localRepoForget(release.uploadId, newId(NexusId), wait);
      expect(await datastore.localRepoList(wait)).toHaveLength(1);
      await datastore.localRepoForget(release.uploadId, release.nexusId, wait);
      expect(await datastore.localRepoList(wait)).toEqual([]);
    });
  });
};
