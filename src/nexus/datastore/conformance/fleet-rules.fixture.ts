/** What every datastore keeps for trust roots, sleds, Nexus instances and the target release. */
import { describe, expect, test } from 'vitest';
import {
  asGeneration,
  DatasetId,
  IncarnationId,
  NexusId,
  pointText,
  RepoId,
  RoundNonce,
  SledId,
  type SystemVersion,
  TrustRootId,
} from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import { wantedSetDigest } from '../decisions/generation.ts';
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

export const sledRules = (open: OpenDatastore): void => {
  describe('sleds', () => {
    test('a registration is kept whole, and what a sled does not tell is absent', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [plain, ours] = [newId(SledId), newId(SledId)].sort();
      const told = registration({
        incarnation_id: newId(IncarnationId),
        datasets: [{ id: newId(DatasetId), path: '/m2/0', state: 'ok', used_bytes: 5, quota_bytes: 9 }],
      });
      expect(await datastore.sledUpsert(plain!, registration(), wait)).toEqual({
        changed: true,
        stale: false,
        floor: { generation: 1, digest: wantedSetDigest([]) },
        lineage: { first: 1, recorded: new Set() },
      });
      await datastore.sledUpsert(ours!, told, wait);
      expect(await datastore.sledGet(plain!, wait)).toEqual({
        id: plain,
        info: registration(),
        incarnationId: null,
        datasets: [],
        heads: null,
        policy: 'in_service',
        timeRegisteredMs: expect.any(Number),
        timeLastRegisteredMs: expect.any(Number),
      });
      expect(await datastore.sledGet(ours!, wait)).toMatchObject({
        info: told,
        incarnationId: told.incarnation_id,
        datasets: told.datasets,
      });
      expect(await datastore.sledGet(newId(SledId), wait)).toBeUndefined();
    });

    test('a registration replaces a changed port, and one with an older generation is ignored (S14)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      const at = (generation: number, repo_depot_port: number) =>
        datastore.sledUpsert(
          id,
          registration({ generation: asGeneration(generation), repo_depot_port }),
          wait,
        );
      await at(3, 12_348);
      expect(await at(3, 12_348)).toMatchObject({ changed: false, stale: false });
      expect(await at(3, 4_000)).toMatchObject({ changed: true, stale: false });
      expect(await at(2, 5_000)).toMatchObject({ changed: false, stale: true });
      expect((await datastore.sledGet(id, wait))?.info.repo_depot_port).toBe(4_000);
    });

    test('a new life, another address or a dataset that failed and a copy that went bad are changes; bytes used are not (B16)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      const dataset = { id: newId(DatasetId), path: '/m2/0', state: 'ok', used_bytes: 1 } as const;
      const life = newId(IncarnationId);
      const changed = async (info: Parameters<typeof registration>[0]) =>
        (await datastore.sledUpsert(id, registration(info), wait)).changed;
      expect(await changed({ incarnation_id: life, datasets: [dataset] })).toBe(true);
      expect(await changed({ incarnation_id: life, datasets: [{ ...dataset, used_bytes: 2 }] })).toBe(false);
      expect(await changed({ incarnation_id: life, datasets: [{ ...dataset, state: 'failed' }] })).toBe(true);
      const bad = { ...dataset, quarantined: 16, time_last_quarantined: '2026-01-01T00:00:00.000Z' };
      expect(await changed({ incarnation_id: life, datasets: [bad] })).toBe(true);
      expect(await changed({ incarnation_id: life, datasets: [bad] })).toBe(false);
      const worse = { ...bad, time_last_quarantined: '2026-01-01T00:00:01.000Z' };
      expect(await changed({ incarnation_id: life, datasets: [worse] }), 'of as many as are kept').toBe(true);
      expect(await changed({ incarnation_id: newId(IncarnationId), datasets: [] })).toBe(true);
      expect(await changed({ sa_address: '127.0.0.1:1' })).toBe(true);
    });

    test('a registration is answered with the point of the database, stale or not (P5)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a']), wait);
      const floor = { generation: 2, digest: wantedSetDigest([hashOf('a')]) };
      const id = newId(SledId);
      const newer = registration({ generation: asGeneration(2) });
      expect(await datastore.sledUpsert(id, newer, wait)).toMatchObject({ stale: false, floor });
      expect(await datastore.sledUpsert(id, registration(), wait)).toMatchObject({ stale: true, floor });
    });

    test('a registration that names points is answered with those that are recorded, and they are kept (P13)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.releaseInsert(uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']), wait);
      const current = await datastore.currentGeneration(wait);
      const head = (generation: number, digest: string) =>
        ({
          generation: asGeneration(generation),
          config_digest: digest,
          lineage: true,
          kept: false,
        }) as const;
      const heads = [
        head(2, current.digest),
        { ...head(2, wantedSetDigest([hashOf('b')])), kept: true },
        { ...head(3, current.digest), lineage: false },
      ];
      const id = newId(SledId);
      const told = registration({ heads });
      for (const { info, stale } of [
        { info: told, stale: false },
        { info: { ...told, generation: asGeneration(0) }, stale: true },
      ]) {
        expect(await datastore.sledUpsert(id, info, wait)).toMatchObject({
          stale,
          lineage: { first: 1, recorded: new Set([pointText(current)]) },
        });
      }
      const { info, heads: registered } = (await datastore.sledGet(id, wait))!;
      expect(info).toEqual(told);
      expect(registered).toEqual(
        heads.map(({ generation, config_digest, lineage, kept }) => ({
          generation,
          digest: config_digest,
          hasLineage: lineage,
          isKept: kept,
        })),
      );
      await datastore.sledUpsert(id, registration({ heads: [] }), wait);
      expect(await datastore.sledGet(id, wait)).toMatchObject({ heads: [] });
    });

    test('an expunged sled cannot register and leaves the list of those in service (S23)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [gone, stays] = [newId(SledId), newId(SledId)];
      for (const id of [gone, stays]) await datastore.sledUpsert(id, registration(), wait);
      expect(await datastore.sledSetPolicy(gone, 'expunged', wait)).toBe(true);
      expect(await datastore.sledSetPolicy(newId(SledId), 'expunged', wait)).toBe(false);
      await expect(datastore.sledUpsert(gone, registration(), wait)).rejects.toMatchObject({
        code: 'SLED_DECOMMISSIONED',
      });
      const inService = await datastore.sledList({ limit: 10, policy: 'in_service' }, wait);
      expect(inService.items.map(({ id }) => id)).toEqual([stays]);
      expect((await datastore.sledList({ limit: 10 }, wait)).items).toHaveLength(2);
      await datastore.sledSetPolicy(gone, 'in_service', wait);
      expect(await datastore.sledUpsert(gone, registration(), wait)).toMatchObject({ stale: false });
    });

    test('are listed by id, page by page', async () => {
      await using opened = await open();
      const ids = Array.from({ length: 5 }, () => newId(SledId)).sort();
      for (const id of ids) await opened.datastore.sledUpsert(id, registration(), wait);
      const first = await opened.datastore.sledList({ limit: 4 }, wait);
      const second = await opened.datastore.sledList({ limit: 4, pageToken: first.nextPage }, wait);
      expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids);
      expect(second.nextPage).toBeUndefined();
    });

    test('a text that no database stores is the fault of the request', async () => {
      await using opened = await open();
      const info = registration({ datasets: [{ id: null, path: '/m2\u0000', state: 'ok' }] });
      await expect(opened.datastore.sledUpsert(newId(SledId), info, wait)).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
        message: 'sled_upsert: a text holds a NUL character, which no database stores',
      });
      await expect(opened.datastore.repoGetByVersion(version('1.0.0'), wait)).resolves.toBeUndefined();
      const asked = opened.datastore.repoGetByVersion('1.0.0\u0000' as SystemVersion, wait);
      await expect(asked).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    });
  });
};

export const nexusRules = (open: OpenDatastore): void => {
  describe('Nexus instances', () => {
    test('a heartbeat is timed by the database, whatever the clock of the Nexus says (P8)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const nexus = { id: newId(NexusId), operatorAddress: '127.0.0.1:80', timeStartedMs: 4_102_444_800_000 };
      expect(await datastore.nexusHeartbeat(nexus, wait)).toEqual({ policy: 'in_service' });
      await datastore.nexusHeartbeat({ ...nexus, operatorAddress: '127.0.0.1:81' }, wait);
      const root = await insertTrustRoot(datastore);
      await datastore.releaseInsert(uploadOf(root, '1.0.0', ['a'], { nexusId: nexus.id }), wait);
      const [listed, ...others] = await datastore.nexusList(wait);
      expect(others).toEqual([]);
      expect(listed).toEqual({
        id: nexus.id,
        policy: 'in_service',
        operatorAddress: '127.0.0.1:81',
        timeStartedMs: nexus.timeStartedMs,
        timeHeartbeatMs: expect.any(Number),
        heartbeatAgeMs: expect.any(Number),
        localRepos: 1,
      });
      expect(listed!.heartbeatAgeMs).toBeGreaterThanOrEqual(0);
      expect(listed!.heartbeatAgeMs).toBeLessThan(60_000);
    });

    test('is expunged only when silent for long enough, and learns of it (S23)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const nexus = { id: newId(NexusId), operatorAddress: 'a', timeStartedMs: 0 };
      await datastore.nexusHeartbeat(nexus, wait);
      await expect(datastore.nexusExpunge(nexus.id, 3_600_000, wait)).rejects.toMatchObject({
        code: 'NEXUS_ALIVE',
      });
      await expect(datastore.nexusExpunge(newId(NexusId), 0, wait)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      await datastore.nexusExpunge(nexus.id, 0, wait);
      await datastore.nexusExpunge(nexus.id, 3_600_000, wait);
      expect(await datastore.nexusHeartbeat(nexus, wait)).toEqual({ policy: 'expunged' });
      expect(await datastore.nexusList(wait)).toMatchObject([{ policy: 'expunged' }]);
    });

    test('begins a round only with a row of its own, which a heartbeat makes and leaves the nonce in (P13)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a']);
      const { uploadId, nexusId } = release;
      await datastore.releaseInsert(release, wait);
      expect(await datastore.nexusBeginRound(nexusId, newId(RoundNonce), wait)).toBe(false);
      expect(await datastore.nexusList(wait), 'no row is made by it').toEqual([]);
      const planned = await plannedBy(datastore, nexusId);
      expect(await datastore.nexusBeginRound(nexusId, planned.nonce, wait), 'again').toBe(true);
      await datastore.nexusHeartbeat({ id: nexusId, operatorAddress: 'b', timeStartedMs: 1 }, wait);
      expect(await datastore.localRepoDrop({ uploadId, nexusId, planned }, wait)).toEqual({
        kind: 'dropped',
      });
    });
  });
};

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
