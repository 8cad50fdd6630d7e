/** What every datastore keeps for the statements of admin keys. */
import { describe, expect, test } from 'vitest';
import { parseAuditContent } from '../../../core/facts/audit.ts';
import { asGeneration } from '../../../core/ids.ts';
import { type Statement, type StatementEntry, statementText } from '../../../core/statement.ts';
import { hashOf, type OpenDatastore, originBy, wait } from './records.fixture.ts';

const entryOf = (n: number, signature = 'c2lnbmF0dXJl'): StatementEntry => {
  const statement: Statement = {
    kind: 'allow_deletion',
    point: { generation: asGeneration(n), digest: hashOf('a set') },
    fleet: 'test.example',
    id: `00000000-0000-4000-8000-${n.toString().padStart(12, '0')}`,
    time: '2026-01-01T00:00:00.000Z',
  };
  return { statement, signed: { statement: statementText(statement), signature, key: hashOf('a key') } };
};

export const statementRules = (open: OpenDatastore): void => {
  describe('statements', () => {
    test('are kept as they were sent, the newest first, each with an entry in the audit log (T6)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      expect(await datastore.statementList(wait)).toEqual([]);
      const [first, second] = [entryOf(1), entryOf(2)];
      const one = await datastore.statementInsert(first, { ...wait, audit: originBy() });
      expect(one).toEqual({ signed: first.signed, timeRecordedMs: expect.any(Number) });
      const other = await datastore.statementInsert(second, wait);
      expect(other.timeRecordedMs).toBeGreaterThanOrEqual(one.timeRecordedMs);
      const listed = await datastore.statementList(wait);
      expect(listed.map(({ signed }) => signed.statement).toSorted()).toEqual(
        [first, second].map(({ signed }) => signed.statement).toSorted(),
      );
      expect(listed[0]?.timeRecordedMs).toBe(other.timeRecordedMs);
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
        {
          kind: 'statement_recorded',
          statementId: first.statement.id,
          statementKind: 'allow_deletion',
          adminKeySha256: first.signed.key,
          subject: `allow_deletion 1:${hashOf('a set')}`,
        },
      ]);
    });

    test('that are sent again are one, without a second entry; another signature of one text is another one', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const entry = entryOf(1);
      const first = await datastore.statementInsert(entry, { ...wait, audit: originBy() });
      const again = await datastore.statementInsert(entry, { ...wait, audit: originBy() });
      expect(again).toEqual(first);
      expect((await datastore.auditHead(wait)).seq).toBe(1);
      await datastore.statementInsert(entryOf(1, 'b3RoZXI='), wait);
      expect(await datastore.statementList(wait)).toHaveLength(2);
    });
  });
};
