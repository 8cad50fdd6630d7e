/** The rules of every datastore for trust roots and their successors, and for the expiry of recorded metadata. */
import { describe, expect, test } from 'vitest';
import { TrustRootId } from '../../../core/ids.ts';
import type { NewRoot, TrustMove } from '../ports/trust-root-port.ts';
import { insertTrustRoot, newId, type OpenDatastore, uploadOf, version, wait } from './records.fixture.ts';

export const trustRootRules = (open: OpenDatastore): void => {
  describe('trust roots', () => {
    test('are kept byte for byte, listed by id, and hidden once deleted', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const ids = Array.from({ length: 5 }, () => newId(TrustRootId)).sort();
      for (const id of ids) {
        const inserted = await datastore.trustRootInsert({ id, rootBytes: Buffer.from([0, 255, 10]) }, wait);
        expect(inserted).toEqual({
          id,
          timeCreatedMs: expect.any(Number),
          rootBytes: Buffer.from([0, 255, 10]),
          trustedVersions: null,
        });
        expect(await datastore.trustRootGet(id, wait)).toEqual(inserted);
      }
      const first = await datastore.trustRootList({ limit: 3 }, wait);
      const second = await datastore.trustRootList({ limit: 3, pageToken: first.nextPage }, wait);
      expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids);

      const [deleted] = ids;
      expect(await datastore.trustRootDelete(deleted!, wait)).toBe(true);
      expect(await datastore.trustRootDelete(deleted!, wait)).toBe(false);
      expect(await datastore.trustRootDelete(newId(TrustRootId), wait)).toBe(false);
      expect(await datastore.trustRootGet(deleted!, wait)).toBeUndefined();
      expect((await datastore.trustRootList({ limit: 10 }, wait)).items).toHaveLength(4);
    });

    test('inserting the same one again changes nothing (P4)', async () => {
      await using opened = await open();
      const root = { id: newId(TrustRootId), rootBytes: Buffer.from('{}') };
      const first = await opened.datastore.trustRootInsert(root, wait);
      expect(await opened.datastore.trustRootInsert(root, wait)).toEqual(first);
    });
  });
};

const root = (number: number, text = `root ${number}`): NewRoot => ({
  version: number,
  rootBytes: Buffer.from(text),
});
const move = (differing: Partial<TrustMove>): TrustMove => ({
  roots: [],
  trustedVersions: null,
  forgetsVersions: false,
  ...differing,
});

export const trustMoveRules = (open: OpenDatastore): void => {
  describe('a trust root that moves', () => {
    test('is the last root of its chain, which is kept whole', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = await insertTrustRoot(datastore);
      const [first] = (await datastore.trustRootChain(id, wait))!;
      const moved = await datastore.trustRootAdvance(id, move({ roots: [root(2), root(3)] }), wait);
      expect(Buffer.from(moved.rootBytes).toString()).toBe('root 3');
      expect(await datastore.trustRootGet(id, wait)).toEqual(moved);
      expect((await datastore.trustRootList({ limit: 10 }, wait)).items).toEqual([moved]);

      const release = uploadOf(id, '1.0.0', ['a'], { roots: [root(3), root(4)] });
      await datastore.releaseInsert(release, wait);
      const chain = await datastore.trustRootChain(id, wait);
      expect(chain?.map(bytes => Buffer.from(bytes).toString())).toEqual([
        Buffer.from(first!).toString(),
        'root 2',
        'root 3',
        'root 4',
      ]);
      await datastore.trustRootDelete(id, wait);
      expect(await datastore.trustRootChain(id, wait)).toBeUndefined();
      await expect(datastore.trustRootAdvance(id, move({ roots: [root(5)] }), wait)).rejects.toMatchObject({
        code: 'NO_TRUST_ROOT',
      });
    });

    test('refuses a second root of one version, and with it the release that brought it', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = await insertTrustRoot(datastore);
      await datastore.trustRootAdvance(id, move({ roots: [root(2)] }), wait);
      const forked = uploadOf(id, '1.0.0', ['a'], { roots: [root(2, 'another root 2')] });
      await expect(datastore.releaseInsert(forked, wait)).rejects.toMatchObject({
        code: 'ROOT_CHAIN_BROKEN',
        detail: { version: 2 },
      });
      expect(await datastore.repoGetByVersion(version('1.0.0'), wait)).toBeUndefined();
      await expect(datastore.trustRootAdvance(newId(TrustRootId), move({}), wait)).rejects.toMatchObject({
        code: 'NO_TRUST_ROOT',
      });
    });

    test('rotated keys take their versions along, but only once, and not those of the new keys (5.3.11)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = await insertTrustRoot(datastore);
      const versions = (of: number, all: number) => ({
        root: of,
        timestamp: all,
        snapshot: all,
        targets: all,
      });
      const remembered = async () => (await datastore.trustRootGet(id, wait))?.trustedVersions;
      await datastore.trustRootAdvance(id, move({ trustedVersions: versions(1, 1_000_000) }), wait);
      const recovered = move({ trustedVersions: versions(2, 3), forgetsVersions: true });
      await datastore.trustRootAdvance(id, recovered, wait);
      expect(await remembered()).toEqual(versions(2, 3));
      await datastore.trustRootAdvance(id, move({ trustedVersions: versions(2, 5) }), wait);
      await datastore.trustRootAdvance(id, recovered, wait);
      expect(await remembered()).toEqual(versions(2, 5));
    });
  });

  test('versions of delegated roles are remembered too, and never fall', async () => {
    await using opened = await open();
    const { datastore } = opened;
    const id = await insertTrustRoot(datastore);
    const versions = (delegated: Record<string, number>) => ({
      ...{ root: 1, timestamp: 1, snapshot: 1, targets: 1 },
      delegated: new Map(Object.entries(delegated)),
    });
    await datastore.trustRootAdvance(id, move({ trustedVersions: versions({ a: 3, constructor: 1 }) }), wait);
    await datastore.trustRootAdvance(id, move({ trustedVersions: versions({ a: 2, b: 1 }) }), wait);
    expect((await datastore.trustRootGet(id, wait))?.trustedVersions).toEqual(
      versions({ a: 3, constructor: 1, b: 1 }),
    );
  });

  test('the expiry of each role of a present release is known, and of no other', async () => {
    await using opened = await open();
    const { datastore } = opened;
    const id = await insertTrustRoot(datastore);
    const roles = [
      { role: 'root', version: 1, expiresMs: Date.UTC(2030, 0, 1) },
      { role: 'targets', version: 7, expiresMs: Date.UTC(9999, 11, 31) },
    ] as const;
    await datastore.releaseInsert(uploadOf(id, '1.0.0', ['a'], { roles }), wait);
    await datastore.releaseInsert(uploadOf(id, '2.0.0', ['b']), wait);
    expect(await datastore.releaseRoles(wait)).toEqual([
      { systemVersion: '1.0.0', roles: expect.arrayContaining([...roles]) },
    ]);
    await datastore.repoPrune(version('1.0.0'), wait);
    expect(await datastore.releaseRoles(wait)).toEqual([]);
  });

  test('a release that was signed anew, and is fetched again, is the same release (S18)', async () => {
    await using opened = await open();
    const { datastore } = opened;
    const id = await insertTrustRoot(datastore);
    const fetched = uploadOf(id, '1.0.0', ['a'], { hashKind: 'targets' });
    const first = await datastore.releaseInsert(fetched, wait);
    const again = uploadOf(id, '1.0.0', ['a'], { hashKind: 'targets', hash: 'f'.repeat(64) });
    expect(await datastore.releaseInsert(again, wait)).toMatchObject({
      status: 'already_exists',
      repo: { id: first.repo.id, hash: fetched.hash },
    });
  });
};
