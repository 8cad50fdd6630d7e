/** The rules of every datastore for sleds. */
import { describe, expect, test } from 'vitest';
import {
  asGeneration,
  DatasetId,
  IncarnationId,
  pointText,
  SledId,
  type SystemVersion,
} from '../../../core/ids.ts';
import { isoTime } from '../../../lib/clock.ts';
import { wantedSetDigest } from '../decisions/generation.ts';
import {
  hashOf,
  insertTrustRoot,
  newId,
  type OpenDatastore,
  registration,
  uploadOf,
  version,
  wait,
} from './records.fixture.ts';

const NO_CERTIFICATES = { certificateLifeMs: 0 };
const DAY_MS = 86_400_000;

export const sledRules = (open: OpenDatastore): void => {
  describe('sleds', () => {
    test('a registration is kept whole, and what a sled does not tell is absent', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [plain, ours] = [newId(SledId), newId(SledId)].sort();
      const told = registration({
        incarnationId: newId(IncarnationId),
        datasets: [{ id: newId(DatasetId), path: '/m2/0', state: 'ok', usedBytes: 5, quotaBytes: 9 }],
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
        policy: 'in_service',
        timeRegisteredMs: expect.any(Number),
        timeLastRegisteredMs: expect.any(Number),
      });
      expect(await datastore.sledGet(ours!, wait)).toMatchObject({ info: told });
      expect(await datastore.sledGet(newId(SledId), wait)).toBeUndefined();
    });

    test('a registration replaces a changed port, and one with an older generation is ignored (S14)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      const at = (generation: number, depotPort: number) =>
        datastore.sledUpsert(id, registration({ generation: asGeneration(generation), depotPort }), wait);
      await at(3, 12_348);
      expect(await at(3, 12_348)).toMatchObject({ changed: false, stale: false });
      expect(await at(3, 4_000)).toMatchObject({ changed: true, stale: false });
      expect(await at(2, 5_000)).toMatchObject({ changed: false, stale: true });
      expect((await datastore.sledGet(id, wait))?.info.depotPort).toBe(4_000);
    });

    test('a new life, another address or a dataset that failed and a copy that went bad are changes; bytes used are not (B16)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      const dataset = { id: newId(DatasetId), path: '/m2/0', state: 'ok', usedBytes: 1 } as const;
      const life = newId(IncarnationId);
      const changed = async (info: Parameters<typeof registration>[0]) =>
        (await datastore.sledUpsert(id, registration(info), wait)).changed;
      expect(await changed({ incarnationId: life, datasets: [dataset] })).toBe(true);
      expect(await changed({ incarnationId: life, datasets: [{ ...dataset, usedBytes: 2 }] })).toBe(false);
      expect(await changed({ incarnationId: life, datasets: [{ ...dataset, state: 'failed' }] })).toBe(true);
      const bad = { ...dataset, quarantined: 16, timeLastQuarantinedMs: 1_000 };
      expect(await changed({ incarnationId: life, datasets: [bad] })).toBe(true);
      expect(await changed({ incarnationId: life, datasets: [bad] })).toBe(false);
      const worse = { ...bad, timeLastQuarantinedMs: 2_000 };
      expect(await changed({ incarnationId: life, datasets: [worse] }), 'of as many as are kept').toBe(true);
      expect(await changed({ incarnationId: newId(IncarnationId), datasets: [] })).toBe(true);
      expect(await changed({ agentAddress: '127.0.0.1:1' })).toBe(true);
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
          digest,
          hasLineage: true,
          isKept: false,
        }) as const;
      const heads = [
        head(2, current.digest),
        { ...head(2, wantedSetDigest([hashOf('b')])), isKept: true },
        { ...head(3, current.digest), hasLineage: false },
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
      const { info } = (await datastore.sledGet(id, wait))!;
      expect(info).toEqual(told);
      expect(info.heads).toEqual(heads);
      await datastore.sledUpsert(id, registration({ heads: [] }), wait);
      expect(await datastore.sledGet(id, wait)).toMatchObject({ info: { heads: [] } });
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

    test('a sled is forgotten only once it is expunged, and is new when it registers again (S23)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [gone, stays] = [newId(SledId), newId(SledId)];
      for (const id of [gone, stays])
        await datastore.sledUpsert(id, registration({ generation: asGeneration(9) }), wait);
      await expect(datastore.sledForget(gone, NO_CERTIFICATES, wait)).rejects.toMatchObject({
        code: 'SLED_IN_SERVICE',
      });
      await datastore.sledSetPolicy(gone, 'expunged', wait);
      const forgotten = { serial: registration().baseboard.serial, address: registration().agentAddress };
      expect(await datastore.sledForget(gone, NO_CERTIFICATES, wait)).toEqual(forgotten);
      await expect(datastore.sledForget(gone, NO_CERTIFICATES, wait)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      expect((await datastore.sledList({ limit: 10 }, wait)).items.map(({ id }) => id)).toEqual([stays]);
      expect(
        await datastore.sledUpsert(gone, registration({ generation: asGeneration(1) }), wait),
      ).toMatchObject({
        changed: true,
        stale: false,
      });
    });

    test('a sled is not forgotten while it may have a valid certificate, counted from its expunge (S23)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      const timeExpunged = async () => (await datastore.sledGet(id, wait))?.timeExpungedMs;
      const forget = (certificateLifeMs: number) => datastore.sledForget(id, { certificateLifeMs }, wait);
      await datastore.sledUpsert(id, registration(), wait);
      expect(await timeExpunged()).toBeUndefined();
      await datastore.sledSetPolicy(id, 'expunged', wait);
      const first = await timeExpunged();
      await datastore.sledSetPolicy(id, 'expunged', wait);
      expect(await timeExpunged(), 'the first expunge counts').toBe(first);
      const until = isoTime((first ?? 0) + DAY_MS);
      await expect(forget(DAY_MS)).rejects.toMatchObject({
        code: 'SLED_CERTIFICATE_VALID',
        message: expect.stringContaining(until),
        detail: { until },
      });
      await datastore.sledSetPolicy(id, 'in_service', wait);
      expect(await timeExpunged(), 'in service again').toBeUndefined();
      await datastore.sledSetPolicy(id, 'expunged', wait);
      expect(await forget(0)).toBeDefined();
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

    test('a text that a database cannot store is a fault of the request', async () => {
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
