/** What every datastore keeps for identities that are revoked. */
import { describe, expect, test } from 'vitest';
import { InvitationId, NexusId, SledId } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import { REVOCATION_STEP_MS } from '../decisions/revoke.ts';
import type { NewInvitation } from '../ports/invitation-port.ts';
import { hashOf, newId, type OpenDatastore, registration, wait } from './records.fixture.ts';

const registered = async (datastore: Datastore): Promise<SledId> => {
  const id = newId(SledId);
  await datastore.sledUpsert(id, registration(), wait);
  return id;
};

/** A machine with that key joins by an invitation of its own. */
const join = async (
  datastore: Datastore,
  key: string,
  as: Partial<Pick<NewInvitation, 'sledId' | 'replacesSledId'>> = {},
) => {
  const sha256 = hashOf(newId(InvitationId));
  const invitation = { ...{ id: newId(InvitationId), sha256, lifeMs: 60_000 } };
  await datastore.invitationCreate(
    { ...invitation, sledId: null, replacesSledId: null, serial: null, ...as },
    wait,
  );
  const publicKeySha256 = hashOf(`key ${key}`);
  const request = {
    sha256,
    publicKeySha256,
    newSledId: newId(SledId),
    presentSledId: undefined,
    serial: undefined,
  };
  return await datastore.sledJoin(request, wait);
};

export const revocationRules = (open: OpenDatastore): void => {
  describe('revocations', () => {
    test('are of a sled that is expunged, before it registers too, and stay when it is in service again (RVD1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const { sledId: joined } = await join(datastore, 'one');
      const ids = [await registered(datastore), joined];
      expect(await datastore.revocationList(wait)).toEqual([]);
      for (const id of ids) await datastore.sledSetPolicy(id, 'expunged', wait);
      const list = await datastore.revocationList(wait);
      expect(list.map(({ kind, id }) => [kind, id]).sort()).toEqual(ids.map(id => ['sled', id]).sort());
      const timeExpungedMs = (await datastore.sledGet(ids[0]!, wait))?.timeExpungedMs;
      expect(list.find(({ id }) => id === ids[0])?.timeMs).toBe(timeExpungedMs);
      for (const id of ids) await datastore.sledSetPolicy(id, 'in_service', wait);
      expect(await datastore.revocationList(wait)).toEqual(list);
      await datastore.sledSetPolicy(ids[0]!, 'expunged', wait);
      await datastore.sledForget(ids[0]!, { certificateLifeMs: 0 }, wait);
      expect((await datastore.revocationList(wait)).map(({ id }) => id).sort()).toEqual(ids.toSorted());
    });

    test('are of a Nexus that is expunged', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(NexusId);
      await datastore.nexusHeartbeat({ id, operatorAddress: 'a', timeStartedMs: 0 }, wait);
      await datastore.nexusExpunge(id, 0, wait);
      const list = await datastore.revocationList(wait);
      expect(list).toEqual([{ kind: 'nexus', id, timeMs: expect.any(Number) }]);
      await datastore.nexusExpunge(id, 0, wait);
      expect(await datastore.revocationList(wait)).toEqual(list);
    });

    test('are of a sled as which a new key joins, also one whose key no database knows, and of no other join (JD2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const sledId = await registered(datastore);
      const revokedMs = async () => (await datastore.revocationList(wait))[0]?.timeMs;
      await join(datastore, 'of a new sled');
      expect(await revokedMs()).toBeUndefined();
      const joined = await join(datastore, 'one', { sledId });
      const first = await revokedMs();
      expect(first).toEqual(expect.any(Number));
      expect(joined, 'as the join saw it').toMatchObject({ revokedMs: first });
      await join(datastore, 'one', { sledId });
      expect(await revokedMs(), 'its own key again').toBe(first);
      await join(datastore, 'two', { sledId });
      const second = await revokedMs();
      expect(second).toBeGreaterThan(first ?? 0);
      await join(datastore, 'one', { sledId });
      expect(await revokedMs(), 'a key from before').toBeGreaterThan(second ?? 0);
      expect(await datastore.revocationList(wait)).toMatchObject([{ kind: 'sled', id: sledId }]);
    });

    test('are of the sled that a join expunges', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const replacesSledId = await registered(datastore);
      await join(datastore, 'one', { replacesSledId });
      expect(await datastore.revocationList(wait)).toMatchObject([{ kind: 'sled', id: replacesSledId }]);
    });

    test('of one identity are at least a second apart, and the newest one is the first (RVD2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [sledId, other] = [await registered(datastore), await registered(datastore)];
      const expunge = async (id: SledId) => {
        await datastore.sledSetPolicy(id, 'expunged', wait);
        await datastore.sledSetPolicy(id, 'in_service', wait);
        return (await datastore.revocationList(wait)).find(each => each.id === id)?.timeMs ?? 0;
      };
      const times = [await expunge(other), await expunge(sledId), await expunge(sledId)];
      expect(times[2]).toBeGreaterThanOrEqual(times[1]! + REVOCATION_STEP_MS);
      expect((await datastore.revocationList(wait)).map(({ id }) => id)).toEqual([sledId, other]);
    });
  });
};
