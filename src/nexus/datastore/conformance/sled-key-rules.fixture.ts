/** What every datastore keeps for the keys of sleds that register with certificates that were issued in any way. */
import { describe, expect, test } from 'vitest';
import { parseAuditContent } from '../../../core/facts/audit.ts';
import { asGeneration, InvitationId, SledId } from '../../../core/ids.ts';
import { hashOf, newId, type OpenDatastore, originBy, registration, wait } from './records.fixture.ts';

const audited = () => ({ ...wait, audit: originBy() });
const withKey = (name: string) => ({ ...wait, publicKeySha256: hashOf(name) });
const ofSled = (id: SledId) => ({ code: 'SLED_KEY_IN_USE', detail: { sled_id: id } });

export const sledKeyRules = (open: OpenDatastore): void => {
  describe('keys of registrations', () => {
    test('have one sled each: another one does not register with the key, nor does a machine join with it as another (RI3, JD2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [first, second] = [newId(SledId), newId(SledId)];
      await datastore.sledUpsert(first, registration(), withKey('one'));
      for (const policy of ['in_service', 'expunged'] as const) {
        await datastore.sledSetPolicy(first, policy, wait);
        await expect(
          datastore.sledUpsert(second, registration(), withKey('one')),
          policy,
        ).rejects.toMatchObject(ofSled(first));
      }
      expect(await datastore.sledGet(second, wait)).toBeUndefined();
      const invitation = {
        sha256: hashOf('a token'),
        sledId: null,
        replacesSledId: null,
        serial: null,
        lifeMs: 60_000,
      };
      await datastore.invitationCreate({ id: newId(InvitationId), ...invitation }, wait);
      const join = (key: string) =>
        datastore.sledJoin(
          {
            ...{ sha256: invitation.sha256, publicKeySha256: hashOf(key) },
            ...{ newSledId: second, presentSledId: undefined, serial: undefined },
          },
          wait,
        );
      await expect(join('one')).rejects.toMatchObject(ofSled(first));
      await datastore.sledForget(first, { certificateLifeMs: 0 }, wait);
      expect(await join('one')).toMatchObject({ sledId: second });
    });

    test('are those with which sleds joined too, and a sled that changes its key frees the one of before (RI3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [joined, other] = [newId(SledId), newId(SledId)];
      const sha256 = hashOf('a token');
      await datastore.invitationCreate(
        {
          ...{ id: newId(InvitationId), sha256 },
          ...{ sledId: null, replacesSledId: null, serial: null, lifeMs: 60_000 },
        },
        wait,
      );
      await datastore.sledJoin(
        {
          sha256,
          publicKeySha256: hashOf('one'),
          newSledId: joined,
          presentSledId: undefined,
          serial: undefined,
        },
        wait,
      );
      await expect(datastore.sledUpsert(other, registration(), withKey('one'))).rejects.toMatchObject(
        ofSled(joined),
      );
      expect(await datastore.sledUpsert(joined, registration(), withKey('one'))).toMatchObject({
        changed: true,
      });
      expect(await datastore.sledUpsert(other, registration(), withKey('two'))).toMatchObject({
        changed: true,
      });
      // As one that an operator approved as plain: it keeps the key that it had.
      await datastore.sledUpsert(other, registration(), wait);
      const third = newId(SledId);
      await expect(datastore.sledUpsert(third, registration(), withKey('two'))).rejects.toMatchObject(
        ofSled(other),
      );
      await datastore.sledUpsert(other, registration(), withKey('three'));
      expect(await datastore.sledUpsert(third, registration(), withKey('two'))).toMatchObject({
        changed: true,
      });
    });

    test('that joined by an invitation for a serial number register with it alone, until they join by another one (RI5)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      const invite = async (serial: string | null, sledId: SledId | null) => {
        const sha256 = hashOf(`token ${serial}`);
        const invitation = { ...{ sha256, sledId, serial }, ...{ replacesSledId: null, lifeMs: 60_000 } };
        await datastore.invitationCreate({ id: newId(InvitationId), ...invitation }, wait);
        await datastore.sledJoin(
          {
            ...{ sha256, publicKeySha256: hashOf('one'), serial: serial ?? undefined },
            ...{ newSledId: id, presentSledId: undefined },
          },
          wait,
        );
      };
      const register = (serial: string, key: string) =>
        datastore.sledUpsert(
          id,
          registration({ baseboard: { serial, part: 'p', revision: 0 } }),
          withKey(key),
        );
      const recorded = async () => (await datastore.sledGet(id, wait))?.info.baseboard.serial;
      const differs = (expected: string, reported: string) => ({
        code: 'SLED_SERIAL_DIFFERS',
        message: `sled ${id} joined by an invitation for the machine with the serial number ${expected}, and registers with ${reported}`,
      });
      await invite('BRM4221', null);
      await expect(register('BRM4222', 'one'), 'the first time').rejects.toMatchObject(
        differs('BRM4221', 'BRM4222'),
      );
      await register('BRM4221', 'one');
      await expect(register('BRM4222', 'one')).rejects.toMatchObject(differs('BRM4221', 'BRM4222'));
      expect(await recorded()).toBe('BRM4221');
      await invite('BRM4222', id);
      await expect(register('BRM4221', 'one')).rejects.toMatchObject(differs('BRM4222', 'BRM4221'));
      await register('BRM4222', 'one');
      await register('BRM4223', 'of a certificate that was issued in another way');
      await invite(null, id);
      await register('BRM4224', 'one');
      expect(await recorded()).toBe('BRM4224');
    });

    test('of a sled with a config that is unknown here do not register, until it is admitted with its key (RI4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [id, other] = [newId(SledId), newId(SledId)];
      const heads = [
        { generation: asGeneration(3), digest: hashOf('a set'), hasLineage: true, isKept: false },
      ];
      const pending = { code: 'SLED_PENDING' };
      const register = (sledId: SledId, key: string) =>
        datastore.sledUpsert(sledId, registration({ heads }), withKey(key));
      await expect(register(id, 'one')).rejects.toMatchObject(pending);
      const admitted = { publicKeySha256: hashOf('one'), serial: 'BRM42' };
      expect(await datastore.sledAdmit(id, admitted, audited())).toBe(true);
      expect(await datastore.sledAdmit(id, admitted, audited()), 'again').toBe(false);
      await expect(datastore.sledAdmit(other, admitted, wait)).rejects.toMatchObject(ofSled(id));
      expect(await datastore.sledKeyGet(id, hashOf('one'), wait)).toMatchObject({
        ...{ policy: 'in_service', key: { sledId: id }, current: { sledId: id } },
      });
      expect(await register(id, 'one')).toMatchObject({ changed: true });
      expect(await register(id, 'one'), 'known').toMatchObject({ changed: false });
      // Without an identity an operator has approved it by name, and without a config it is a new one.
      await datastore.sledUpsert(other, registration({ heads: [] }), withKey('two'));
      await datastore.sledUpsert(newId(SledId), registration({ heads }), wait);
      await datastore.sledSetPolicy(id, 'expunged', wait);
      await expect(datastore.sledAdmit(id, admitted, wait)).rejects.toMatchObject({
        code: 'SLED_DECOMMISSIONED',
      });
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
        { kind: 'sled_admitted', sledId: id, ...admitted },
      ]);
    });
  });
};
