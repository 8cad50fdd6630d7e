/** What every datastore keeps for keys that an admin denied. */
import { describe, expect, test } from 'vitest';
import { parseAuditContent } from '../../../core/facts/audit.ts';
import { InvitationId, SledId } from '../../../core/ids.ts';
import { keyInvitationSha256 } from '../../../identity/invitation-token.ts';
import { hashOf, newId, type OpenDatastore, originBy, wait } from './records.fixture.ts';

export const denialRules = (open: OpenDatastore): void => {
  describe('denied keys', () => {
    test('are denied until an invitation names them, once in the audit log, and one from before is ended (JH4, T6)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const key = hashOf('key one');
      const sha256 = keyInvitationSha256(key);
      const approve = () =>
        datastore.invitationCreate(
          {
            ...{ id: newId(InvitationId), sha256, keySha256: key },
            ...{ sledId: null, replacesSledId: null, serial: null, lifeMs: 60_000 },
          },
          wait,
        );
      const join = () =>
        datastore.sledJoin(
          {
            sha256,
            publicKeySha256: key,
            newSledId: newId(SledId),
            presentSledId: undefined,
            serial: undefined,
          },
          wait,
        );
      await approve();
      await datastore.keyDeny(key, { ...wait, audit: originBy() });
      await datastore.keyDeny(key, { ...wait, audit: originBy() });
      expect(await datastore.isKeyDenied(key, wait)).toBe(true);
      expect(await datastore.isKeyDenied(hashOf('key two'), wait)).toBe(false);
      expect(await datastore.keyDenialList(wait)).toEqual([
        { publicKeySha256: key, timeDeniedMs: expect.any(Number) },
      ]);
      await expect(join(), 'the approval from before').rejects.toMatchObject({ code: 'INVITATION_INVALID' });
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
        { kind: 'join_key_denied', publicKeySha256: key },
      ]);
      await approve();
      expect(await datastore.isKeyDenied(key, wait)).toBe(false);
      expect(await join()).toMatchObject({ isRepeat: false });
    });
  });
};
