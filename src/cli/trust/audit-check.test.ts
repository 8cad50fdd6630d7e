import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type AuditRow, EMPTY_LOG, nextAuditRow } from '../../core/audit-chain.ts';
import { type AuditAction, auditContent } from '../../core/facts/audit.ts';
import { asGeneration } from '../../core/ids.ts';
import { originBy } from '../../nexus/datastore/conformance/records.fixture.ts';
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
  expect(await checkAuditLog(inPages(rows), { expected: headOf(rows) })).toEqual({
    state: 'whole',
    head: headOf(rows),
    findings: [],
  });
  expect(await checkAuditLog(inPages([]), { expected: EMPTY_LOG, noted: EMPTY_LOG.hash })).toEqual({
    state: 'whole',
    head: EMPTY_LOG,
    findings: [],
  });
});

test('entries that are added while it is read do no harm', async () => {
  expect(await checkAuditLog(inPages(rows), { expected: headOf(rows.slice(0, 3)) })).toMatchObject({
    state: 'whole',
  });
});

test('the first wrong entry is named, on whichever page it is (T6)', async () => {
  const altered = rows.with(3, { ...rows[3]!, content: 'x' });
  expect(await checkAuditLog(inPages(altered), { expected: headOf(rows) })).toEqual({
    state: 'altered',
    seq: 4,
  });
  expect(await checkAuditLog(inPages(rows.toSpliced(2, 1)), { expected: headOf(rows) })).toEqual({
    state: 'missing',
    seq: 3,
  });
});

test('a log that was cut at its end no longer has the newest entry of the database (T6)', async () => {
  const cut = rows.slice(0, 3);
  expect(await checkAuditLog(inPages(cut), { expected: headOf(rows) })).toEqual({
    state: 'cut',
    head: headOf(cut),
    expected: headOf(rows),
  });
});

test('a log that was written anew, or cut together with its head, lacks the noted head (T6)', async () => {
  const noted = rows[3]!.hash;
  expect(await checkAuditLog(inPages(rows), { expected: headOf(rows), noted })).toMatchObject({
    state: 'whole',
  });
  for (const other of [log('a', 'b', 'x', 'd', 'e'), rows.slice(0, 2)])
    expect(await checkAuditLog(inPages(other), { expected: headOf(other), noted })).toEqual({
      state: 'forked',
      head: headOf(other),
      noted,
      findings: [],
    });
});

const keptBy = (sled: string, ...heads: readonly AuditRow[]) => ({
  sled,
  heads: heads.map(({ seq, hash }) => ({ seq, hash, timeMs: 7 })),
});

test('a log that ends before a head that sleds keep, or differs from it, is named with those sleds (T6a)', async () => {
  const kept = [keptBy('first', rows[4]!), keptBy('second', rows[4]!), keptBy('third', rows[1]!)];
  expect(await checkAuditLog(inPages(rows), { expected: headOf(rows), kept })).toMatchObject({
    state: 'whole',
    findings: [],
  });
  const { seq, hash } = rows[4]!;
  const sleds = ['first', 'second'].map(sled => ({ sled, timeMs: 7 }));
  const cut = rows.slice(0, 3);
  expect(await checkAuditLog(inPages(cut), { expected: headOf(cut), kept })).toEqual({
    state: 'contradicted',
    head: headOf(cut),
    findings: [{ kind: 'cut', seq, hash, logHash: undefined, sleds, explainedBy: undefined }],
  });
  const fork = log('a', 'b', 'c', 'd', 'x', 'y');
  const logHash = fork[4]!.hash;
  expect(await checkAuditLog(inPages(fork), { expected: headOf(fork), kept })).toEqual({
    state: 'contradicted',
    head: headOf(fork),
    findings: [{ kind: 'fork', seq, hash, logHash, sleds, explainedBy: undefined }],
  });
});

test('what the entry of a recovery names is explained by it, and nothing else is (AUC2, T6a)', async () => {
  const recovery = (...lost: readonly AuditRow[]): string => {
    const action: AuditAction = {
      kind: 'generation_recovered',
      ...{ generation: asGeneration(8), previousGeneration: asGeneration(2), accepted: [] },
      ...{ excludedSleds: [], givenUp: [], givenUpTotal: 0 },
      headsLost: lost.map(({ seq, hash }) => ({ seq, hash })),
    };
    return auditContent(originBy(), action, 0);
  };
  const kept = [keptBy('first', rows[4]!)];
  const restored = log('a', 'b', recovery(rows[4]!));
  expect(await checkAuditLog(inPages(restored), { expected: headOf(restored), kept })).toMatchObject({
    state: 'whole',
    findings: [{ kind: 'cut', seq: 5, explainedBy: 3 }],
  });
  const other = log('a', 'b', recovery(rows[3]!));
  expect(await checkAuditLog(inPages(other), { expected: headOf(other), kept })).toMatchObject({
    state: 'contradicted',
    findings: [{ explainedBy: undefined }],
  });
  const again = restored.slice(0, 3);
  const both = [...kept, keptBy('second', log('a', 'b', recovery(rows[4]!), 'cut again')[3]!)];
  expect(await checkAuditLog(inPages(again), { expected: headOf(again), kept: both })).toMatchObject({
    state: 'contradicted',
    findings: [
      { seq: 4, explainedBy: undefined },
      { seq: 5, explainedBy: 3 },
    ],
  });
});
