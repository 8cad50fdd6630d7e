/** What every datastore keeps for invitations of Nexuses, and for the machines that join by them. */
import { describe, expect, test } from 'vitest';
import { parseAuditContent } from '../../../core/facts/audit.ts';
import { InvitationId, NexusId } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import type { NewNexusInvitation, NexusJoinRequest } from '../ports/nexus-invitation-port.ts';
import { hashOf, newId, type OpenDatastore, originBy, wait } from './records.fixture.ts';

const DAY_MS = 24 * 3_600_000;

const invitationOf = (name: string, differing: Partial<NewNexusInvitation> = {}): NewNexusInvitation => ({
  id: newId(InvitationId),
  sha256: hashOf(name),
  nexusId: newId(NexusId),
  isKnown: false,
  lifeMs: 60_000,
  ...differing,
});

const joinOf = (name: string, key: string, presentNexusId?: NexusId): NexusJoinRequest => ({
  sha256: hashOf(name),
  publicKeySha256: hashOf(`key ${key}`),
  presentNexusId,
});

const beat = async (datastore: Datastore, id: NexusId): Promise<void> => {
  await datastore.nexusHeartbeat({ id, operatorAddress: '[::1]:1', timeStartedMs: 0 }, wait);
};

export const nexusInvitationRules = (open: OpenDatastore): void => {
  describe('invitations of Nexuses', () => {
    test('are used once: the key that used one is answered again, any other is refused (NJ1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const invitation = invitationOf('a');
      const { id: invitationId, sha256, nexusId } = invitation;
      const created = await datastore.nexusInvitationCreate(invitation, wait);
      expect(created).toMatchObject({ id: invitationId, sha256, nexusId, used: null });
      expect(await datastore.nexusInvitationCreate(invitation, wait), 'again: the same one').toEqual(created);
      const joined = { nexusId, invitationId, revokedMs: null };
      const { nowMs, ...first } = await datastore.nexusJoin(joinOf('a', 'one'), wait);
      expect(first).toEqual({ ...joined, isRepeat: false });
      const { nowMs: laterMs, ...repeat } = await datastore.nexusJoin(joinOf('a', 'one'), wait);
      expect(repeat).toEqual({ ...joined, isRepeat: true });
      expect(laterMs).toBeGreaterThanOrEqual(nowMs);
      await expect(datastore.nexusJoin(joinOf('a', 'two'), wait)).rejects.toMatchObject({
        code: 'INVITATION_USED',
        message: expect.stringContaining(`Nexus ${nexusId} with invitation ${invitationId}`),
      });
      const { invitations } = await datastore.nexusInvitationList(wait);
      expect(invitations).toMatchObject([
        { id: invitationId, used: { timeMs: nowMs, publicKeySha256: hashOf('key one') } },
      ]);
    });

    test('are of one kind of process: the token of the other kind is unknown', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.nexusInvitationCreate(invitationOf('of a Nexus'), wait);
      const sled = {
        id: newId(InvitationId),
        sha256: hashOf('of a sled'),
        sledId: null,
        replacesSledId: null,
        serial: null,
      };
      await datastore.invitationCreate({ ...sled, lifeMs: 60_000 }, wait);
      const unknown = { code: 'INVITATION_INVALID' };
      await expect(datastore.nexusJoin(joinOf('of a sled', 'one'), wait)).rejects.toMatchObject(unknown);
      const asSled = { ...joinOf('of a Nexus', 'one'), newSledId: newId(NexusId) as never };
      await expect(
        datastore.sledJoin({ ...asSled, presentSledId: undefined, serial: undefined }, wait),
      ).rejects.toMatchObject(unknown);
      await datastore.nexusJoin(joinOf('of a Nexus', 'one'), wait);
    });

    test('that expired or were ended let nobody join, and a used one cannot be ended', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.nexusInvitationCreate(invitationOf('expired', { lifeMs: -1 }), wait);
      const { id } = await datastore.nexusInvitationCreate(invitationOf('ended'), wait);
      const used = await datastore.nexusInvitationCreate(invitationOf('used'), wait);
      await datastore.nexusJoin(joinOf('used', 'one'), wait);
      expect(await datastore.nexusInvitationEnd(id, wait)).toBe(true);
      expect(await datastore.nexusInvitationEnd(id, wait), 'again').toBe(false);
      expect(await datastore.nexusInvitationEnd(used.id, wait)).toBe(false);
      for (const name of ['expired', 'ended', 'unknown'])
        await expect(datastore.nexusJoin(joinOf(name, 'two'), wait)).rejects.toMatchObject({
          code: 'INVITATION_INVALID',
        });
    });

    test('for a Nexus that is there revoke its certificates, and end the repetition of its last answer (NJ1, RVK1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const nexusId = newId(NexusId);
      const as = { nexusId, isKnown: true };
      await expect(datastore.nexusInvitationCreate(invitationOf('a', as), wait)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      await beat(datastore, nexusId);
      await datastore.nexusInvitationCreate(invitationOf('a', as), wait);
      await datastore.nexusInvitationCreate(invitationOf('b', as), wait);
      expect(await datastore.nexusStanding(nexusId, wait)).toMatchObject({
        ...{ policy: 'in_service', revokedMs: null },
      });
      const first = await datastore.nexusJoin(joinOf('a', 'one', nexusId), wait);
      expect(first.revokedMs).toEqual(expect.any(Number));
      const second = await datastore.nexusJoin(joinOf('b', 'two'), wait);
      expect(second.revokedMs).toBeGreaterThan(first.revokedMs!);
      expect((await datastore.nexusStanding(nexusId, wait)).revokedMs).toBe(second.revokedMs);
      await expect(datastore.nexusJoin(joinOf('a', 'one'), wait)).rejects.toMatchObject({
        code: 'INVITATION_USED',
      });
    });

    test('are refused to a machine that is another Nexus already, and are not used by that (NJ2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const { nexusId } = await datastore.nexusInvitationCreate(invitationOf('a'), wait);
      const other = newId(NexusId);
      await expect(datastore.nexusJoin(joinOf('a', 'one', other), wait)).rejects.toMatchObject({
        code: 'NEXUS_ID_DIFFERS',
        detail: { nexus_id: other },
      });
      expect(await datastore.nexusJoin(joinOf('a', 'two', nexusId), wait)).toMatchObject({ isRepeat: false });
    });

    test('let nobody join as an expunged Nexus, also as one that never reached the database (NJ3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const { nexusId } = await datastore.nexusInvitationCreate(invitationOf('a'), wait);
      await expect(datastore.nexusExpunge(nexusId, 0, wait), 'before it joined').rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      await datastore.nexusJoin(joinOf('a', 'one'), wait);
      await datastore.nexusExpunge(nexusId, 0, { ...wait, audit: originBy() });
      const standing = { policy: 'expunged', revokedMs: expect.any(Number), nowMs: expect.any(Number) };
      expect(await datastore.nexusStanding(nexusId, wait)).toEqual(standing);
      const refused = { code: 'NEXUS_EXPUNGED' };
      await expect(datastore.nexusJoin(joinOf('a', 'one'), wait)).rejects.toMatchObject(refused);
      await beat(datastore, nexusId);
      expect(await datastore.nexusStanding(nexusId, wait), 'when it starts').toEqual(standing);
      const known = newId(NexusId);
      await beat(datastore, known);
      const as = { nexusId: known, isKnown: true };
      await datastore.nexusInvitationCreate(invitationOf('before', as), wait);
      await datastore.nexusExpunge(known, 0, wait);
      await expect(datastore.nexusInvitationCreate(invitationOf('b', as), wait)).rejects.toMatchObject(
        refused,
      );
      await expect(datastore.nexusJoin(joinOf('before', 'two'), wait)).rejects.toMatchObject(refused);
    });

    test('are forgotten long after they expired (NJ3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.nexusInvitationCreate(invitationOf('a', { lifeMs: -91 * DAY_MS }), wait);
      await datastore.nexusInvitationCreate(invitationOf('b', { lifeMs: -89 * DAY_MS }), wait);
      await datastore.nexusInvitationCreate(invitationOf('c'), wait);
      const { invitations } = await datastore.nexusInvitationList(wait);
      expect(invitations.map(({ sha256 }) => sha256).sort()).toEqual([hashOf('b'), hashOf('c')].sort());
    });

    test('are in the audit log: who invited and ended, and which machine joined (T6)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const audited = { ...wait, audit: originBy() };
      const { id, nexusId } = await datastore.nexusInvitationCreate(invitationOf('a'), audited);
      await datastore.nexusJoin(joinOf('a', 'one'), { ...wait, audit: originBy() });
      await datastore.nexusJoin(joinOf('a', 'one'), { ...wait, audit: originBy() });
      const ended = await datastore.nexusInvitationCreate(invitationOf('b'), wait);
      await datastore.nexusInvitationEnd(ended.id, { ...wait, audit: originBy() });
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      const actions = items.map(({ content }) => parseAuditContent(content)?.action);
      expect(actions).toMatchObject([
        { kind: 'nexus_invited', invitationId: id, invitedNexusId: nexusId },
        { kind: 'nexus_joined', joinedNexusId: nexusId, publicKeySha256: hashOf('key one') },
        { kind: 'nexus_invitation_ended', invitedNexusId: ended.nexusId },
      ]);
    });
  });
};
