/**
 * The rules of every datastore for the wanted set: its generation, its recorded points, and raises of the generation by a
 * recovery or by a Nexus (P7, P13).
 */
import { describe, expect, test } from 'vitest';
import { asGeneration, type Point, pointText, SledId } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import { MAX_MEND, wantedSetDigest } from '../decisions/generation.ts';
import {
  hashOf,
  insertTrustRoot,
  newId,
  type OpenDatastore,
  uploadOf,
  version,
  wait,
} from './records.fixture.ts';

export const generationRules = (open: OpenDatastore): void => {
  describe('the generation', () => {
    test('rises exactly when the wanted set changes (B4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const insert = async (...release: [string, string[]]) =>
        (await datastore.releaseInsert(uploadOf(root, ...release), wait)).generation;
      const prune = async (text: string) => (await datastore.repoPrune(version(text), wait)).generation;
      expect((await datastore.currentGeneration(wait)).generation).toBe(1);
      expect(await insert('1.0.0', ['a', 'b'])).toBe(2);
      expect(await insert('1.0.0', ['a', 'b'])).toBe(2); // already exists
      expect(await insert('2.0.0', ['a'])).toBe(2); // adds nothing to the wanted set
      expect(await insert('3.0.0', ['c'])).toBe(3);
      expect(await prune('2.0.0')).toBe(3); // 1.0.0 still lists a
      expect(await prune('1.0.0')).toBe(4);
      expect(await insert('4.0.0', ['a', 'b'])).toBe(5); // known, but from a deleted release only
      expect(await prune('4.0.0')).toBe(6);
      expect(await insert('1.0.0', ['a', 'b'])).toBe(7); // deleted, then uploaded again
    });

    test('stands beside the digest of the set that is read with it (S8)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const first = uploadOf(root, '2.0.0', ['a', 'b']);
      const second = uploadOf(root, '10.0.0-rc.1', ['b', 'ccc']);
      for (const release of [second, first]) await datastore.releaseInsert(release, wait);
      const wanted = await datastore.wantedSet(wait);
      expect(wanted.generation).toBe(3);
      expect(wanted.digest).toBe(wantedSetDigest(['a', 'b', 'ccc'].map(hashOf)));
      expect(wanted.artifacts).toEqual(
        new Map([
          [hashOf('a'), 1],
          [hashOf('b'), 1],
          [hashOf('ccc'), 3],
        ]),
      );
      expect(wanted.releases).toEqual([
        {
          repoId: first.repoId,
          systemVersion: '2.0.0',
          timeCreatedMs: expect.any(Number),
          artifacts: new Set(['a', 'b'].map(hashOf)),
          bundle: { sha256: first.bundle.sha256, kind: 'signed', isExempted: false },
        },
        {
          repoId: second.repoId,
          systemVersion: '10.0.0-rc.1',
          timeCreatedMs: expect.any(Number),
          artifacts: new Set(['b', 'ccc'].map(hashOf)),
          bundle: { sha256: second.bundle.sha256, kind: 'signed', isExempted: false },
        },
      ]);
      const { generation, digest } = wanted;
      expect(await datastore.currentGeneration(wait)).toEqual({ generation, digest });
    });
  });
};

const point = (generation: number, ...contents: readonly string[]): Point => ({
  generation: asGeneration(generation),
  digest: wantedSetDigest(contents.map(hashOf)),
});
const claim = (of: Point) => ({ ...of, hasLineage: true });

/** Which of these points are recorded. */
const recordedOf = async (datastore: Datastore, ...points: readonly Point[]): Promise<readonly Point[]> => {
  const { lineage } = await datastore.pointsRecorded(points.map(claim), wait);
  return points.filter(each => lineage.recorded.has(pointText(each)));
};

export const pointRules = (open: OpenDatastore): void => {
  describe('the points of a database', () => {
    test('are recorded by everything that moves the generation, and stay when it moves on (P13)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const release = uploadOf(root, '1.0.0', ['a']);
      const steps: readonly (() => Promise<unknown>)[] = [
        () => datastore.releaseInsert(release, wait),
        () => datastore.releaseInsert(uploadOf(root, '2.0.0', ['b']), wait),
        () => datastore.repoPrune(version('1.0.0'), wait),
        () => datastore.releaseInsert(uploadOf(root, '1.0.0', ['a'], { hash: release.hash }), wait),
        () => datastore.generationRaise({ to: asGeneration(20) }, wait),
        () => datastore.generationMend({ to: asGeneration(30), sledId: newId(SledId) }, wait),
      ];
      const points = [await datastore.currentGeneration(wait)];
      for (const step of steps) {
        await step();
        const current = await datastore.currentGeneration(wait);
        expect(current.generation).toBeGreaterThan(points.at(-1)!.generation);
        points.push(current);
        expect(await recordedOf(datastore, ...points)).toEqual(points);
      }
      expect(points.map(({ generation }) => generation)).toEqual([1, 2, 3, 4, 5, 20, 30]);
    });

    test('are looked up by number and digest, never by the number alone, and only the requested ones are returned', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.releaseInsert(uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']), wait);
      await datastore.generationRaise({ to: asGeneration(2), accepted: [point(2, 'b')] }, wait);
      const asked = [point(2, 'a'), point(2, 'c'), point(3, 'a'), point(1), point(0)];
      expect(await datastore.pointsRecorded(asked.map(claim), wait)).toEqual({
        current: point(2, 'a'),
        lineage: { first: 1, recorded: new Set([point(2, 'a'), point(1)].map(pointText)) },
      });
      expect(await datastore.pointsRecorded([], wait)).toMatchObject({ lineage: { recorded: new Set() } });
    });

    test('are returned with the wanted set, whatever the number of claims', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.releaseInsert(uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']), wait);
      const claims = Array.from({ length: 1_700 }, (_, n) => claim(point(n, 'a')));
      expect(await datastore.wantedSet({ ...wait, claims })).toMatchObject({
        ...point(2, 'a'),
        lineage: { first: 1, recorded: new Set([pointText(point(2, 'a'))]) },
      });
      expect((await datastore.wantedSet(wait)).lineage).toEqual({ first: 1, recorded: new Set() });
    });
  });
};

export const recoveryRules = (open: OpenDatastore): void => {
  describe('recovering the generation', () => {
    test('raises it without touching what is wanted, and never lowers it (P7)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.releaseInsert(uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']), wait);
      const before = await datastore.wantedSet(wait);
      const raised = await datastore.generationRaise({ to: asGeneration(1_000) }, wait);
      expect(raised).toEqual({ generation: 1_000, digest: before.digest, invitationsEnded: 0 });
      expect(await datastore.wantedSet(wait)).toEqual({ ...before, generation: 1_000 });
      for (const generation of [1_000, 999]) {
        await expect(datastore.generationRaise({ to: asGeneration(generation) }, wait)).rejects.toMatchObject(
          { code: 'INVALID_REQUEST' },
        );
      }
    });

    test('makes points of another history known, above and below the new generation, with it or without a rise', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.releaseInsert(uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']), wait);
      const others = [point(2, 'b'), point(7, 'c')];
      expect(await recordedOf(datastore, ...others)).toEqual([]);
      const order = { to: asGeneration(8), accepted: others, orderedBy: 'an operator' };
      expect(await datastore.generationRaise(order, wait)).toMatchObject(point(8, 'a'));
      expect(await recordedOf(datastore, ...others, point(8, 'a'))).toEqual([...others, point(8, 'a')]);
      expect(await datastore.generationRaise(order, wait), 'again').toMatchObject(point(8, 'a'));
      const late = { to: asGeneration(8), accepted: [point(3, 'd')] };
      expect(await datastore.generationRaise(late, wait)).toMatchObject(point(8, 'a'));
      expect(await recordedOf(datastore, point(3, 'd'))).toEqual([point(3, 'd')]);
    });

    test('records nothing when the generation would fall', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.generationRaise({ to: asGeneration(9) }, wait);
      const order = { to: asGeneration(8), accepted: [point(7, 'c')] };
      await expect(datastore.generationRaise(order, wait)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      expect(await recordedOf(datastore, point(7, 'c'), point(8))).toEqual([]);
    });

    test('reports which hashes it knows, and whether a present release lists them, whatever their number (P7)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      await datastore.releaseInsert(uploadOf(root, '1.0.0', ['gone', 'both']), wait);
      await datastore.releaseInsert(uploadOf(root, '2.0.0', ['here', 'both']), wait);
      await datastore.repoPrune(version('1.0.0'), wait);
      const strangers = Array.from({ length: 2_500 }, (_, n) => hashOf(`stranger ${n}`));
      const asked = new Set([hashOf('gone'), ...strangers, hashOf('both'), hashOf('here')]);
      expect(await datastore.artifactsKnown(asked, wait)).toEqual(
        new Map([
          [hashOf('gone'), 'deleted'],
          [hashOf('both'), 'present'],
          [hashOf('here'), 'present'],
        ]),
      );
      expect(await datastore.artifactsKnown(new Set(), wait)).toEqual(new Map());
    });
  });
};

export const mendRules = (open: OpenDatastore): void => {
  describe('a rise for the sake of one sled', () => {
    test('is granted once a day for each sled, and leaves the wanted set as it is (P13)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.releaseInsert(uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']), wait);
      const [sledId, other] = [newId(SledId), newId(SledId)];
      const mend = (to: number, id: SledId) =>
        datastore.generationMend({ to: asGeneration(to), sledId: id }, wait);
      expect(await mend(10, sledId)).toEqual(point(10, 'a'));
      expect(await mend(11, sledId)).toBeUndefined();
      expect(await datastore.currentGeneration(wait)).toEqual(point(10, 'a'));
      expect(await mend(12, other)).toEqual(point(12, 'a'));
      expect(await mend(13, other)).toBeUndefined();
      expect([...(await datastore.wantedSet(wait)).artifacts.keys()]).toEqual([hashOf('a')]);
    });

    test('is refused beyond its limit, and when it would not raise, and then nothing is changed (G8)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const mend = (to: number) =>
        datastore.generationMend({ to: asGeneration(to), sledId: newId(SledId) }, wait);
      for (const to of [0, 1, 1 + MAX_MEND + 1, Number.MAX_SAFE_INTEGER])
        expect(await mend(to)).toBeUndefined();
      expect(await datastore.currentGeneration(wait)).toEqual(point(1));
      expect(await mend(1 + MAX_MEND)).toEqual(point(1 + MAX_MEND));
    });
  });
};
