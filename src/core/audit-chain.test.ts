import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AuditRow, EMPTY_LOG, followChain, nextAuditRow } from './audit-chain.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const chainOf = (contents: readonly string[]): AuditRow[] => {
  const rows: AuditRow[] = [];
  for (const content of contents) rows.push(nextAuditRow(rows.at(-1) ?? EMPTY_LOG, content, sha256));
  return rows;
};
const follow = (rows: readonly AuditRow[]) => followChain(EMPTY_LOG, rows, sha256);

const arbChain = fc.array(fc.string({ maxLength: 8 }), { minLength: 1, maxLength: 8 }).map(chainOf);
const arbPlace = fc.nat(7);

test('a chain that nobody touched is followed to its head, whole or in pieces', () => {
  fc.assert(
    fc.property(arbChain, arbPlace, (rows, place) => {
      const head = { seq: rows.length, hash: rows.at(-1)!.hash };
      expect(follow(rows)).toEqual({ head });
      const first = follow(rows.slice(0, place));
      expect('head' in first && followChain(first.head, rows.slice(place), sha256)).toEqual({ head });
    }),
  );
  expect(follow([])).toEqual({ head: EMPTY_LOG });
});

test('any change of one entry is found, at that entry (T6)', () => {
  const arbChange = fc.oneof(
    fc.string({ maxLength: 8 }).map(content => ({ content })),
    fc.string({ maxLength: 8 }).map(text => ({ hash: sha256(text) })),
    fc.nat(9).map(seq => ({ seq })),
  );
  fc.assert(
    fc.property(arbChain, arbPlace, arbChange, (rows, place, change) => {
      const at = place % rows.length;
      const altered = rows.map((row, index) => (index === at ? { ...row, ...change } : row));
      fc.pre(JSON.stringify(altered) !== JSON.stringify(rows));
      expect(follow(altered)).toEqual({
        fault: { seq: at + 1, because: 'seq' in change ? 'missing' : 'altered' },
      });
    }),
  );
});

test('an entry that is removed is found where it is missing, unless it was the last one (T6)', () => {
  fc.assert(
    fc.property(arbChain, arbPlace, fc.boolean(), (rows, place, isRenumbered) => {
      fc.pre(rows.length > 1);
      const at = place % (rows.length - 1);
      const rest = rows.toSpliced(at, 1);
      const shown = isRenumbered ? rest.map((row, index) => ({ ...row, seq: index + 1 })) : rest;
      expect(follow(shown)).toEqual({
        fault: { seq: at + 1, because: isRenumbered ? 'altered' : 'missing' },
      });
    }),
  );
});

test('entries in another order are found, with their own numbers or with new ones (T6)', () => {
  fc.assert(
    fc.property(arbChain, arbPlace, arbPlace, fc.boolean(), (rows, one, another, isRenumbered) => {
      const [i, j] = [one % rows.length, another % rows.length];
      fc.pre(i !== j && rows[i]!.content !== rows[j]!.content);
      const moved = rows.with(i, rows[j]!).with(j, rows[i]!);
      const shown = isRenumbered ? moved.map((row, index) => ({ ...row, seq: index + 1 })) : moved;
      expect(follow(shown)).toMatchObject({ fault: { seq: Math.min(i, j) + 1 } });
    }),
  );
});

test('an entry that is added between others is found (T6)', () => {
  fc.assert(
    fc.property(arbChain, arbPlace, fc.string({ maxLength: 8 }), (rows, place, content) => {
      const at = place % rows.length;
      const added = nextAuditRow(rows[at - 1] ?? EMPTY_LOG, content, sha256);
      fc.pre(added.hash !== rows[at]!.hash);
      const after = rows.slice(at).map(row => ({ ...row, seq: row.seq + 1 }));
      expect(follow([...rows.slice(0, at), added, ...after])).toMatchObject({ fault: { seq: at + 2 } });
    }),
  );
});

test('a chain that is cut at its end, or computed anew, no longer has a head that was noted (AC2)', () => {
  fc.assert(
    fc.property(arbChain, arbPlace, fc.string({ maxLength: 8 }), (rows, place, content) => {
      const at = place % rows.length;
      const noted = rows.at(-1)!.hash;
      const cut = rows.slice(0, at);
      const contents = rows.map(row => row.content).with(at, content);
      fc.pre(contents[at] !== rows[at]!.content);
      const forged = chainOf(contents);
      for (const chain of [cut, forged]) {
        expect(follow(chain)).toHaveProperty('head');
        expect(chain.map(({ hash }) => hash)).not.toContain(noted);
      }
    }),
  );
});
