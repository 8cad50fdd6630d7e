/** The rules of every datastore for Nexus instances. */
import { describe, expect, test } from 'vitest';
import { NexusId, RoundNonce, SledId } from '../../../core/ids.ts';
import {
  hashOf,
  insertTrustRoot,
  newId,
  type OpenDatastore,
  plannedBy,
  uploadOf,
  wait,
} from './records.fixture.ts';

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

    test('has the clock of the database, which goes on (P8)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(NexusId);
      const { nowMs: beforeMs } = await datastore.nexusStanding(id, wait);
      await datastore.nexusHeartbeat({ id, operatorAddress: 'a', timeStartedMs: 0 }, wait);
      const [listed] = await datastore.nexusList(wait);
      expect(listed!.timeHeartbeatMs).toBeGreaterThanOrEqual(beforeMs);
      const { nowMs: standingMs } = await datastore.nexusStanding(id, wait);
      expect(standingMs).toBeGreaterThanOrEqual(listed!.timeHeartbeatMs);
      const { nowMs: keyMs } = await datastore.sledKeyGet(newId(SledId), hashOf('a key'), wait);
      expect(keyMs).toBeGreaterThanOrEqual(standingMs);
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
      const timeExpunged = async () => (await datastore.nexusList(wait))[0]?.timeExpungedMs;
      expect(await timeExpunged()).toBeUndefined();
      await datastore.nexusExpunge(nexus.id, 0, wait);
      const first = await timeExpunged();
      expect(first).toEqual(expect.any(Number));
      await datastore.nexusExpunge(nexus.id, 3_600_000, wait);
      expect(await datastore.nexusHeartbeat(nexus, wait)).toEqual({ policy: 'expunged' });
      expect(await datastore.nexusList(wait)).toMatchObject([{ policy: 'expunged' }]);
      expect(await timeExpunged(), 'the first expunge counts').toBe(first);
      expect(await datastore.revocationList(wait)).toEqual([{ kind: 'nexus', id: nexus.id, timeMs: first }]);
    });

    test('is expunged at once if it is compromised, alive or not, and also if a restored database does not know it (S23, T1c)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const alive = { id: newId(NexusId), operatorAddress: 'a', timeStartedMs: 0 };
      const forgotten = newId(NexusId);
      await datastore.nexusHeartbeat(alive, wait);
      for (const id of [alive.id, forgotten]) {
        await datastore.nexusExpunge(id, 'compromised', wait);
        const { policy } = await datastore.nexusHeartbeat({ ...alive, id }, wait);
        expect(policy, 'when it comes back').toBe('expunged');
      }
      const revoked = (await datastore.revocationList(wait)).map(({ kind, id }) => `${kind}/${id}`);
      expect(revoked.sort()).toEqual([`nexus/${alive.id}`, `nexus/${forgotten}`].sort());
    });

    test('begins a round only with its own row, which a heartbeat creates, and in which heartbeats keep the nonce (P13)', async () => {
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
