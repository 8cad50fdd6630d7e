/** What every datastore keeps for the tokens of operators. */
import { describe, expect, test } from 'vitest';
import { OperatorTokenId } from '../../../core/ids.ts';
import { MAX_VALID_TOKENS } from '../decisions/operator-token.ts';
import type { NewOperatorToken } from '../ports/operator-token-port.ts';
import { hashOf, newId, type OpenDatastore, originBy, wait } from './records.fixture.ts';

const tokenOf = (name: string, differing: Partial<NewOperatorToken> = {}): NewOperatorToken => ({
  id: newId(OperatorTokenId),
  role: 'viewer',
  description: `of ${name}`,
  sha256: hashOf(name),
  lifeMs: 60_000,
  ...differing,
});

export const operatorTokenRules = (open: OpenDatastore): void => {
  describe('tokens of operators', () => {
    test('are listed with their life by the clock of the database, the newest first', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const token = tokenOf('a', { role: 'admin', lifeMs: 90_000 });
      const created = await datastore.operatorTokenCreate(token, wait);
      const { lifeMs: _, ...stored } = token;
      expect(created).toEqual({
        ...stored,
        timeCreatedMs: expect.any(Number),
        timeExpiresMs: created.timeCreatedMs + 90_000,
        timeRevokedMs: null,
        timeLastUsedMs: null,
      });
      expect(await datastore.operatorTokenCreate(token, wait), 'again: the same one').toEqual(created);
      const { databaseMs, tokens } = await datastore.operatorTokenList(wait);
      expect(tokens).toEqual([created]);
      expect(databaseMs).toBeGreaterThanOrEqual(created.timeCreatedMs);
    });

    test('are revoked once, and stay in the list as such', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const { id } = await datastore.operatorTokenCreate(tokenOf('a'), wait);
      expect(await datastore.operatorTokenRevoke(id, wait)).toBe(true);
      expect(await datastore.operatorTokenRevoke(id, wait)).toBe(false);
      expect(await datastore.operatorTokenRevoke(newId(OperatorTokenId), wait)).toBe(false);
      const { tokens } = await datastore.operatorTokenList(wait);
      expect(tokens).toMatchObject([{ id, timeRevokedMs: expect.any(Number) }]);
    });

    test('have a last use, which is written once in a while', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [used, other] = [tokenOf('a'), tokenOf('b')];
      for (const token of [used, other]) await datastore.operatorTokenCreate(token, wait);
      await datastore.operatorTokensUsed([used.id], wait);
      const lastUses = async () => {
        const { tokens } = await datastore.operatorTokenList(wait);
        return new Map(tokens.map(({ id, timeLastUsedMs }) => [id, timeLastUsedMs]));
      };
      const first = await lastUses();
      expect(first.get(used.id)).toEqual(expect.any(Number));
      expect(first.get(other.id)).toBeNull();
      await datastore.operatorTokensUsed([used.id, newId(OperatorTokenId)], wait);
      await datastore.operatorTokensUsed([], wait);
      expect(await lastUses(), 'a moment later nothing is written').toEqual(first);
    });

    test('are forgotten long after their end, and the log keeps them', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const longAgo = tokenOf('a', { lifeMs: -91 * 24 * 3_600_000 });
      const lately = tokenOf('b', { lifeMs: -89 * 24 * 3_600_000 });
      for (const token of [longAgo, lately])
        await datastore.operatorTokenCreate(token, { ...wait, audit: originBy() });
      const { tokens } = await datastore.operatorTokenList(wait);
      expect(tokens.map(({ id }) => id)).toEqual([lately.id]);
      await datastore.operatorTokenCreate(tokenOf('c', { sha256: longAgo.sha256 }), wait);
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => content.includes(longAgo.id))).toEqual([true, false]);
    });

    test('are bounded in number, without those that ended', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.operatorTokenCreate(tokenOf('expired', { lifeMs: -1 }), wait);
      const { id } = await datastore.operatorTokenCreate(tokenOf('revoked'), wait);
      await datastore.operatorTokenRevoke(id, wait);
      for (let n = 0; n < MAX_VALID_TOKENS; n += 1)
        await datastore.operatorTokenCreate(tokenOf(`${n}`), wait);
      await expect(datastore.operatorTokenCreate(tokenOf('one more'), wait)).rejects.toMatchObject({
        code: 'TOO_MANY_TOKENS',
      });
    }, 60_000);
  });
};
