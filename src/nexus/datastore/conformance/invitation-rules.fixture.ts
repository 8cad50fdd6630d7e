/** What every datastore keeps for invitations, and for the machines that join by them. */
import { describe, expect, test } from 'vitest';
import { parseAuditContent } from '../../../core/facts/audit.ts';
import { InvitationId, SledId } from '../../../core/ids.ts';
import { isoTime } from '../../../lib/clock.ts';
import type { Datastore } from '../datastore.ts';
import { MAX_OPEN_INVITATIONS } from '../decisions/join.ts';
import type { JoinRequest, NewInvitation } from '../ports/invitation-port.ts';
import {
  hashOf,
  insertTrustRoot,
  newId,
  type OpenDatastore,
  originBy,
  plannedBy,
  registration,
  uploadOf,
  wait,
} from './records.fixture.ts';

const DAY_MS = 24 * 3_600_000;

const invitationOf = (name: string, differing: Partial<NewInvitation> = {}): NewInvitation => ({
  id: newId(InvitationId),
  sha256: hashOf(name),
  sledId: null,
  replacesSledId: null,
  serial: null,
  lifeMs: 60_000,
  ...differing,
});

const joinOf = (name: string, key: string, differing: Partial<JoinRequest> = {}): JoinRequest => ({
  sha256: hashOf(name),
  publicKeySha256: hashOf(`key ${key}`),
  newSledId: newId(SledId),
  presentSledId: undefined,
  serial: undefined,
  ...differing,
});

const registered = async (datastore: Datastore): Promise<SledId> => {
  const id = newId(SledId);
  await datastore.sledUpsert(id, registration(), wait);
  return id;
};

const policyOf = async (datastore: Datastore, id: SledId) => (await datastore.sledGet(id, wait))?.policy;

export const invitationRules = (open: OpenDatastore): void => {
  describe('invitations', () => {
    test('are used once: the key that used one is answered again, any other is refused (JD1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const invitation = invitationOf('a');
      const created = await datastore.invitationCreate(invitation, wait);
      const { lifeMs, ...stored } = invitation;
      expect(created).toEqual({
        ...stored,
        timeCreatedMs: expect.any(Number),
        timeExpiresMs: created.timeCreatedMs + lifeMs,
        used: null,
      });
      expect(await datastore.invitationCreate(invitation, wait), 'again: the same one').toEqual(created);
      const first = joinOf('a', 'one');
      const joined = {
        ...{ sledId: first.newSledId, invitationId: invitation.id, expunged: undefined, revokedMs: null },
      };
      const { nowMs, ...answer } = await datastore.sledJoin(first, wait);
      expect(answer).toEqual({ ...joined, isRepeat: false });
      expect(await datastore.sledJoin(joinOf('a', 'one'), wait), 'as the same sled').toEqual({
        ...joined,
        isRepeat: true,
        nowMs: expect.any(Number),
      });
      await datastore.invitationCreate(invitationOf('b'), wait);
      const used = {
        code: 'INVITATION_USED',
        message: expect.stringContaining(`sled ${first.newSledId} joined with invitation ${invitation.id}`),
      };
      await expect(datastore.sledJoin(joinOf('a', 'two'), wait)).rejects.toMatchObject(used);
      await datastore.sledJoin(joinOf('b', 'two'), wait);
      await expect(datastore.sledJoin(joinOf('a', 'two'), wait), 'of a sled').rejects.toMatchObject(used);
      const key = {
        publicKeySha256: first.publicKeySha256,
        sledId: first.newSledId,
        timeJoinedMs: nowMs,
        timeReplacedMs: null,
        timeExpungedMs: null,
        serial: null,
      };
      expect(await datastore.sledKeyGet(first.newSledId, first.publicKeySha256, wait)).toEqual({
        ...{ policy: 'in_service', key, current: key, nowMs: expect.any(Number) },
      });
    });

    test('that are unknown or expired let nobody join, and nothing is left of it', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.invitationCreate(invitationOf('expired', { lifeMs: -1 }), wait);
      for (const name of ['unknown', 'expired']) {
        const request = joinOf(name, 'one');
        await expect(datastore.sledJoin(request, wait)).rejects.toMatchObject({ code: 'INVITATION_INVALID' });
        expect(await datastore.sledKeyGet(request.newSledId, request.publicKeySha256, wait)).toEqual({
          ...{ policy: undefined, key: undefined, current: undefined, nowMs: expect.any(Number) },
        });
      }
    });

    test('for a sled let a machine join as it with a new key, which replaces the old one (JD2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const sledId = await registered(datastore);
      await datastore.invitationCreate(invitationOf('a', { sledId }), wait);
      await datastore.invitationCreate(invitationOf('b', { sledId }), wait);
      expect(await datastore.sledJoin(joinOf('a', 'old'), wait)).toMatchObject({ sledId });
      expect(await datastore.sledJoin(joinOf('b', 'new'), wait)).toMatchObject({ sledId });
      const isReplaced = async (name: string) => {
        const { key, current } = await datastore.sledKeyGet(sledId, hashOf(`key ${name}`), wait);
        expect(key?.timeReplacedMs === null).toBe(current?.publicKeySha256 === key?.publicKeySha256);
        return key?.timeReplacedMs !== null;
      };
      expect([await isReplaced('old'), await isReplaced('new')]).toEqual([true, false]);
      await expect(datastore.sledJoin(joinOf('a', 'old'), wait), 'is replaced').rejects.toMatchObject({
        code: 'INVITATION_USED',
      });
      await datastore.invitationCreate(invitationOf('c', { sledId }), wait);
      await datastore.sledJoin(joinOf('c', 'old'), wait);
      expect([await isReplaced('old'), await isReplaced('new')], 'by an invitation of its own').toEqual([
        false,
        true,
      ]);
      expect(await policyOf(datastore, sledId)).toBe('in_service');
    });

    test('give a key that has a sled no other one, and a machine with a certificate no other name (JD2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      for (const name of ['a', 'b', 'c']) await datastore.invitationCreate(invitationOf(name), wait);
      const { sledId } = await datastore.sledJoin(joinOf('a', 'one'), wait);
      const refused = { code: 'SLED_KEY_IN_USE', detail: { sled_id: sledId } };
      await expect(datastore.sledJoin(joinOf('b', 'one'), wait)).rejects.toMatchObject(refused);
      const named = joinOf('b', 'two', { presentSledId: sledId });
      await expect(datastore.sledJoin(named, wait)).rejects.toMatchObject(refused);
      expect(await datastore.sledJoin(joinOf('b', 'two'), wait), 'is not used up').toMatchObject({
        isRepeat: false,
      });
      const other = await registered(datastore);
      await datastore.invitationCreate(invitationOf('of another', { sledId: other }), wait);
      await expect(datastore.sledJoin(joinOf('of another', 'one'), wait)).rejects.toMatchObject(refused);
    });

    test('are refused for a sled that is unknown or expunged, also when it is expunged later', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const sledId = await registered(datastore);
      for (const differing of [{ sledId: newId(SledId) }, { replacesSledId: newId(SledId) }])
        await expect(datastore.invitationCreate(invitationOf('a', differing), wait)).rejects.toMatchObject({
          code: 'NOT_FOUND',
        });
      await datastore.invitationCreate(invitationOf('before', { sledId }), wait);
      await datastore.invitationCreate(invitationOf('used before', { sledId }), wait);
      await datastore.sledJoin(joinOf('used before', 'one'), wait);
      await datastore.sledSetPolicy(sledId, 'expunged', wait);
      const refused = { code: 'SLED_DECOMMISSIONED' };
      await expect(datastore.invitationCreate(invitationOf('a', { sledId }), wait)).rejects.toMatchObject(
        refused,
      );
      await expect(datastore.sledJoin(joinOf('before', 'two'), wait)).rejects.toMatchObject(refused);
      await expect(datastore.sledJoin(joinOf('used before', 'one'), wait), 'again').rejects.toMatchObject(
        refused,
      );
    });

    test('lead to a sled that can be expunged before it registers, and then does not register', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.invitationCreate(invitationOf('a'), wait);
      const request = joinOf('a', 'one');
      const { sledId } = await datastore.sledJoin(request, wait);
      expect(await datastore.sledSetPolicy(sledId, 'expunged', { ...wait, audit: originBy() })).toBe(true);
      expect(await datastore.sledKeyGet(sledId, request.publicKeySha256, wait)).toMatchObject({
        ...{ policy: 'expunged', key: { sledId, timeExpungedMs: expect.any(Number) } },
      });
      const refused = { code: 'SLED_DECOMMISSIONED' };
      await expect(datastore.sledUpsert(sledId, registration(), wait)).rejects.toMatchObject(refused);
      await expect(datastore.sledJoin(request, wait), 'again').rejects.toMatchObject(refused);
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
        { kind: 'sled_policy_set', sledId, serial: '', policy: 'expunged', previousPolicy: 'in_service' },
      ]);
      expect(await datastore.sledSetPolicy(sledId, 'in_service', wait)).toBe(true);
      expect(await datastore.sledUpsert(sledId, registration(), wait)).toMatchObject({ changed: true });
    });

    test('give a key that joined as a sled which is forgotten another sled', async () => {
      await using opened = await open();
      const { datastore } = opened;
      for (const name of ['a', 'b']) await datastore.invitationCreate(invitationOf(name), wait);
      const { sledId } = await datastore.sledJoin(joinOf('a', 'one'), wait);
      await datastore.sledUpsert(sledId, registration(), wait);
      await datastore.sledSetPolicy(sledId, 'expunged', wait);
      await datastore.sledForget(sledId, { certificateLifeMs: 0 }, wait);
      await expect(datastore.sledJoin(joinOf('a', 'one'), wait)).rejects.toMatchObject({
        code: 'INVITATION_USED',
        message: expect.stringMatching(/, with this key, and its sled was forgotten since$/),
      });
      expect(await datastore.sledJoin(joinOf('b', 'one'), wait)).toMatchObject({ isRepeat: false });
    });

    test('lead to a sled that never registers, which is forgotten as any other (RI2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.invitationCreate(invitationOf('a'), wait);
      const { newSledId: sledId, publicKeySha256, ...request } = joinOf('a', 'one');
      await datastore.sledJoin({ newSledId: sledId, publicKeySha256, ...request }, wait);
      const forget = (certificateLifeMs: number) =>
        datastore.sledForget(sledId, { certificateLifeMs }, { ...wait, audit: originBy() });
      await expect(forget(0)).rejects.toMatchObject({ code: 'SLED_IN_SERVICE' });
      await datastore.sledSetPolicy(sledId, 'expunged', wait);
      const { key } = await datastore.sledKeyGet(sledId, publicKeySha256, wait);
      await expect(forget(DAY_MS)).rejects.toMatchObject({
        code: 'SLED_CERTIFICATE_VALID',
        detail: { until: isoTime((key?.timeExpungedMs ?? 0) + DAY_MS) },
      });
      expect(await forget(0)).toEqual({ serial: '', address: '' });
      await expect(forget(0)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(await datastore.sledKeyGet(sledId, publicKeySha256, wait)).toMatchObject({ key: undefined });
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
        { kind: 'sled_forgotten', sledId, serial: '', address: '' },
      ]);
    });

    test('that replace a sled expunge it in the join, and no drop that counted it succeeds (G4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const old = await registered(datastore);
      await datastore.invitationCreate(invitationOf('a', { replacesSledId: old }), wait);
      const release = uploadOf(await insertTrustRoot(datastore), '1.0.0', ['x']);
      const { uploadId, nexusId } = release;
      await datastore.releaseInsert(release, wait);
      const planned = await plannedBy(datastore, nexusId);
      expect(await policyOf(datastore, old), 'until a machine joins').toBe('in_service');
      const request = joinOf('a', 'one');
      expect(await datastore.sledJoin(request, wait)).toMatchObject({ expunged: old, isRepeat: false });
      expect(await policyOf(datastore, old)).toBe('expunged');
      await datastore.localRepoDrop({ uploadId, nexusId, planned }, wait);
      expect(await datastore.localRepoList(wait)).toHaveLength(1);
      expect(await datastore.sledJoin(request, wait)).toMatchObject({ expunged: undefined, isRepeat: true });
    });

    test('are listed, the newest first, with the sled that joined; an open one can be ended', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const named = ['used', 'expired', 'open'].map(name =>
        invitationOf(name, { lifeMs: name === 'expired' ? -1 : 60_000 }),
      );
      for (const each of named) await datastore.invitationCreate(each, wait);
      const [used, expired, last] = named.map(({ id }) => id);
      const { sledId } = await datastore.sledJoin(joinOf('used', 'one'), wait);
      const { databaseMs, invitations } = await datastore.invitationList(wait);
      expect(new Map(invitations.map(each => [each.id, each.joinedSledId]))).toEqual(
        new Map([
          [last, null],
          [expired, null],
          [used, sledId],
        ]),
      );
      const times = invitations.map(({ timeCreatedMs }) => timeCreatedMs);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
      expect(databaseMs).toBeGreaterThanOrEqual(Math.max(...times));
      const end = (id: InvitationId) => datastore.invitationEnd(id, { ...wait, audit: originBy() });
      for (const id of [used!, expired!, newId(InvitationId)]) expect(await end(id)).toBe(false);
      expect(await end(last!)).toBe(true);
      expect(await end(last!)).toBe(false);
      await expect(datastore.sledJoin(joinOf('open', 'two'), wait)).rejects.toMatchObject({
        code: 'INVITATION_INVALID',
      });
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
        { kind: 'sled_invitation_ended', invitationId: last },
      ]);
    });

    test('for a serial number let no other machine join, and are not used up by it (JD5)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const { id } = await datastore.invitationCreate(invitationOf('a', { serial: 'BRM4221' }), {
        ...{ ...wait, audit: originBy() },
      });
      for (const serial of ['BRM4222', undefined]) {
        const request = joinOf('a', 'one', { serial });
        await expect(datastore.sledJoin(request, wait)).rejects.toMatchObject({
          code: 'SLED_SERIAL_DIFFERS',
          message: expect.stringContaining(
            `invitation ${id} is for the machine with the serial number BRM4221`,
          ),
        });
        const { key } = await datastore.sledKeyGet(request.newSledId, request.publicKeySha256, wait);
        expect(key).toBeUndefined();
      }
      const { invitations } = await datastore.invitationList(wait);
      expect(invitations).toMatchObject([{ id, serial: 'BRM4221', used: null }]);
      const join = () => datastore.sledJoin(joinOf('a', 'two', { serial: 'BRM4221' }), wait);
      expect([await join(), await join()]).toMatchObject([{ isRepeat: false }, { isRepeat: true }]);
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toMatchObject([
        { kind: 'sled_invited', invitationId: id, serial: 'BRM4221' },
      ]);
    });

    test('of one key replace each other, but not one whose answer is repeated, and the log has the key (JD1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const keySha256 = hashOf('key one');
      const named = [invitationOf('of a key'), invitationOf('of a key'), invitationOf('of a key')];
      const ids = async () => (await datastore.invitationList(wait)).invitations.map(({ id }) => id);
      const [first, second, third] = named.map(each => ({ ...each, keySha256 }));
      await datastore.invitationCreate(first!, wait);
      await datastore.invitationCreate(second!, { ...wait, audit: originBy() });
      expect(await ids()).toEqual([second!.id]);
      const join = () => datastore.sledJoin(joinOf('of a key', 'one'), wait);
      const { sledId } = await join();
      for (const again of [third!, { ...third!, sledId }])
        await expect(datastore.invitationCreate(again, wait)).rejects.toMatchObject({
          code: 'INVITATION_USED',
          message: expect.stringContaining(`sled ${sledId} joined with invitation ${second!.id}`),
        });
      expect(await join()).toMatchObject({ sledId, isRepeat: true });
      await datastore.invitationCreate(invitationOf('of a machine that replaces it', { sledId }), wait);
      await datastore.sledJoin(joinOf('of a machine that replaces it', 'two'), wait);
      await datastore.invitationCreate({ ...third!, sledId }, wait);
      expect(await ids()).toContain(third!.id);
      expect(await ids()).not.toContain(second!.id);
      expect(await join()).toMatchObject({ sledId, isRepeat: false });
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toMatchObject([
        { kind: 'sled_invited', invitationId: second!.id, publicKeySha256: keySha256 },
      ]);
    });

    test('are in the audit log, and so is each join, once (T6)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const old = await registered(datastore);
      const { id: invitationId } = await datastore.invitationCreate(
        invitationOf('a', { replacesSledId: old }),
        { ...wait, audit: originBy() },
      );
      const request = joinOf('a', 'one');
      for (const entry of [originBy({ kind: 'invited_machine' }), originBy({ kind: 'invited_machine' })])
        await datastore.sledJoin(request, { ...wait, audit: entry });
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      const entries = items.map(({ content }) => parseAuditContent(content));
      expect(entries.map(entry => [entry?.actor.kind, entry?.action])).toEqual([
        [
          'break_glass',
          { kind: 'sled_invited', invitationId, replacesSledId: old, expiresMs: expect.any(Number) },
        ],
        [
          'invited_machine',
          {
            kind: 'sled_joined',
            sledId: request.newSledId,
            invitationId,
            publicKeySha256: request.publicKeySha256,
            expungedSledId: old,
          },
        ],
      ]);
    });

    test('are forgotten long after their end, and bounded in number while they are open', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.invitationCreate(invitationOf('a', { lifeMs: -91 * DAY_MS }), wait);
      await datastore.invitationCreate(invitationOf('b', { lifeMs: -89 * DAY_MS }), wait);
      await datastore.invitationCreate(invitationOf('c'), wait);
      const message = async (name: string) =>
        (await datastore
          .sledJoin(joinOf(name, 'one'), wait)
          .catch((error: Error) => error.message)) as string;
      expect(await message('a')).toMatch(/has no invitation/);
      expect(await message('b')).toMatch(/expired at/);
      for (let n = 1; n < MAX_OPEN_INVITATIONS; n += 1)
        await datastore.invitationCreate(invitationOf(`${n}`), wait);
      await expect(datastore.invitationCreate(invitationOf('one more'), wait)).rejects.toMatchObject({
        code: 'TOO_MANY_INVITATIONS',
      });
      await datastore.sledJoin(joinOf('c', 'two'), wait);
      await datastore.invitationCreate(invitationOf('one more'), wait);
    }, 60_000);
  });
};
