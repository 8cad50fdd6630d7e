/** What every datastore keeps for invitations that a recovery ends. */
import { describe, expect, test } from 'vitest';
import { parseAuditContent } from '../../../core/facts/audit.ts';
import { asGeneration, InvitationId, NexusId, SledId } from '../../../core/ids.ts';
import { hashOf, newId, type OpenDatastore, originBy, wait } from './records.fixture.ts';

const sledInvitation = (name: string) => ({
  ...{ id: newId(InvitationId), sha256: hashOf(name) },
  ...{ sledId: null, replacesSledId: null, serial: null, lifeMs: 60_000 },
});
const nexusInvitation = (name: string) => ({
  ...{ id: newId(InvitationId), sha256: hashOf(name) },
  ...{ nexusId: newId(NexusId), isKnown: false, lifeMs: 60_000 },
});
const joinOf = (name: string, key: string) => ({
  ...{ sha256: hashOf(name), publicKeySha256: hashOf(key) },
  ...{ newSledId: newId(SledId), presentSledId: undefined, serial: undefined },
});
const decided = { excludedSleds: [], givenUp: [], givenUpTotal: 0 };

export const voidInvitationRules = (open: OpenDatastore): void => {
  describe('invitations at a recovery', () => {
    test('end in its transaction, of sleds and of Nexuses, and its entry has their number; used ones are answered again (JD4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const raise = (to: number) =>
        datastore.generationRaise(
          { to: asGeneration(to) },
          { ...wait, audit: { ...decided, origin: originBy() } },
        );
      for (const name of ['used', 'a', 'b']) await datastore.invitationCreate(sledInvitation(name), wait);
      await datastore.invitationCreate({ ...sledInvitation('expired'), lifeMs: -1 }, wait);
      await datastore.nexusInvitationCreate(nexusInvitation('c'), wait);
      const { sledId } = await datastore.sledJoin(joinOf('used', 'one'), wait);
      await expect(raise(1), 'that is refused').rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      expect(await raise(10)).toMatchObject({ generation: 10, invitationsEnded: 3 });
      expect(await raise(11)).toMatchObject({ generation: 11, invitationsEnded: 0 });
      const over = { code: 'INVITATION_INVALID', message: expect.stringContaining('expired') };
      for (const name of ['a', 'b'])
        await expect(datastore.sledJoin(joinOf(name, 'two'), wait)).rejects.toMatchObject(over);
      const asNexus = { sha256: hashOf('c'), publicKeySha256: hashOf('two'), presentNexusId: undefined };
      await expect(datastore.nexusJoin(asNexus, wait)).rejects.toMatchObject(over);
      expect(await datastore.sledJoin(joinOf('used', 'one'), wait)).toMatchObject({ sledId, isRepeat: true });
      await datastore.invitationCreate(sledInvitation('a new one'), wait);
      await datastore.sledJoin(joinOf('a new one', 'two'), wait);
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
        {
          ...{ kind: 'generation_recovered', generation: 10, previousGeneration: 1 },
          ...{ accepted: [], ...decided, invitationsEnded: 3 },
        },
        {
          ...{ kind: 'generation_recovered', generation: 11, previousGeneration: 10 },
          ...{ accepted: [], ...decided },
        },
      ]);
    });
  });
};
