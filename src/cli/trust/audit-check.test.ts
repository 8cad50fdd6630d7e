import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type AuditRow, EMPTY_LOG, nextAuditRow } from '../../core/audit-chain.ts';
import { checkAuditLog } from './audit-check.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const log = (...contents: readonly string[]): AuditRow[] => {
  const rows: AuditRow[] = [];
  for (const content of contents) rows.push(nextAuditRow(rows.at(-1) ?? EMPTY_LOG, content, sha256));
  return rows;
};
const headOf = (rows: readonly AuditRow[]) => {
  const { seq, hash } = rows.at(-1) ?? EMPTY_LOG;
  return { seq, hash };
};
async function* inPages(rows: readonly AuditRow[], size = 2): AsyncGenerator<readonly AuditRow[]> {
  for (let start = 0; start < rows.length; start += size) yield rows.slice(start, start + size);
}
const rows = log('a', 'b', 'c', 'd', 'e');

test('a whole log is whole over the edges of its pages, and so is an empty one', async () => {
  expect(await checkAuditLog(inPages(rows), headOf(rows), undefined)).toEqual({
    state: 'whole',
    head: headOf(rows),
  });
  expect(await checkAuditLog(inPages([]), EMPTY_LOG, EMPTY_LOG.hash)).toEqual({
    state: 'whole',
    head: EMPTY_LOG,
  });
});

test('entries that are added while it is read do no harm', async () => {
  expect(await checkAuditLog(inPages(rows), headOf(rows.slice(0, 3)), undefined)).toMatchObject({
    state: 'whole',
  });
});

test('the first wrong entry is named, on whichever page it is (T6)', async () => {
  const altered = rows.with(3, { ...rows[3]!, content: 'x' });
  expect(await checkAuditLog(inPages(altered), headOf(rows), undefined)).toEqual({
    state: 'altered',
    seq: 4,
  });
  expect(await checkAuditLog(inPages(rows.toSpliced(2, 1)), headOf(rows), undefined)).toEqual({
    state: 'missing',
    seq: 3,
  });
});

test('a log that was cut at its end no longer has the newest entry of the database (T6)', async () => {
  const cut = rows.slice(0, 3);
  expect(await checkAuditLog(inPages(cut), headOf(rows), undefined)).toEqual({
    state: 'cut',
    head: headOf(cut),
    expected: headOf(rows),
  });
});

test('a log that was written anew, or cut together with its head, lacks the noted head (T6)', async () => {
  const noted = rows[3]!.hash;
  expect(await checkAuditLog(inPages(rows), headOf(rows), noted)).toMatchObject({ state: 'whole' });
  for (const other of [log('a', 'b', 'x', 'd', 'e'), rows.slice(0, 2)])
    expect(await checkAuditLog(inPages(other), headOf(other), noted)).toEqual({
      state: 'forked',
      head: headOf(other),
      noted,
    });
});
