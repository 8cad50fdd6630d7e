import { expect, test } from 'vitest';
import type { AuditOrigin } from '../../core/facts/audit.ts';
import { asGeneration } from '../../core/ids.ts';
import type { SignedStatement, StatementContent } from '../../core/statement.ts';
import { type AdminKeys, generateAdminKey, NO_ADMIN_KEYS, signStatement } from '../../identity/admin-key.ts';
import { silentLogger } from '../../lib/log.ts';
import type { StatementRecord } from '../datastore/ports/statement-port.ts';
import { createOperatorStatementApi } from './operator-statement-api.ts';

const fleet = 'test.example';
const key = generateAdminKey();
const ALLOWED: StatementContent = {
  kind: 'allow_deletion',
  point: { generation: asGeneration(7), digest: 'a'.repeat(64) },
};
const ROOT = { rootSha256: 'b'.repeat(64) };
let made = 0;
const signed = (content: StatementContent = ALLOWED, { by = key, of = fleet } = {}): SignedStatement => {
  made += 1;
  const id = `00000000-0000-4000-8000-${made.toString().padStart(12, '0')}`;
  const time = new Date(Date.UTC(2026, 0, 1) + made).toISOString();
  return signStatement({ ...content, fleet: of, id, time }, by);
};

const serve = ({ adminKeys = { list: () => [key] } }: { adminKeys?: AdminKeys } = {}) => {
  const records: StatementRecord[] = [];
  let told = 0;
  const origin = {} as AuditOrigin;
  const api = createOperatorStatementApi({
    datastore: {
      statementList: async () => records.toReversed(),
      async statementInsert(entry, { audit }) {
        expect(audit).toBe(origin);
        const record = { signed: entry.signed, timeRecordedMs: 5 };
        records.push(record);
        return record;
      },
    },
    originOf: () => origin,
    fleet,
    adminKeys,
    announceStatements: () => {
      told += 1;
    },
  });
  const common = { signal: new AbortController().signal, log: silentLogger };
  const create = (body: SignedStatement) =>
    api.statementCreate({ ...common, body } as unknown as Parameters<typeof api.statementCreate>[0]);
  const list = () => api.statementList(common as unknown as Parameters<typeof api.statementList>[0]);
  return { records, create, list, told: () => told };
};

test('a statement that the admin key has signed is recorded and told to the sleds; no other is (STA1)', async () => {
  const api = serve();
  const statement = signed();
  expect(await api.create(statement)).toMatchObject({
    ...statement,
    kind: 'allow_deletion',
    subject: `allow_deletion 7:${'a'.repeat(64)}`,
    state: 'verified',
    counts: true,
  });
  expect(api.told()).toBe(1);
  const others = [
    [signed(ALLOWED, { by: generateAdminKey() }), 'is not pinned here'],
    [signed(ALLOWED, { of: 'other.example' }), 'of the fleet other.example'],
    [{ ...statement, statement: statement.statement.replace('"7:', '"8:') }, 'has not signed this text'],
  ] as const;
  for (const [other, reason] of others)
    await expect(api.create(other)).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      message: expect.stringContaining(reason),
    });
  expect(api.records).toHaveLength(1);
  expect(api.told()).toBe(1);
});

test('without the admin key a statement of this fleet is recorded as unverified (STA1)', async () => {
  const unverifying = serve({ adminKeys: NO_ADMIN_KEYS });
  expect(await unverifying.create(signed())).toMatchObject({ state: 'unverified', counts: true });
  await expect(unverifying.create(signed(ALLOWED, { of: 'other.example' }))).rejects.toThrow('other.example');
  await expect(unverifying.create({ ...signed(), statement: '{}' })).rejects.toThrow(
    'is not a statement of version 1',
  );
});

test('the list has the newest first, names the fleet and the keys, and says which counts of several about one root', async () => {
  const api = serve();
  const [trusted, distrusted] = [
    signed({ kind: 'trust_root', ...ROOT }),
    signed({ kind: 'distrust_root', ...ROOT }),
  ];
  await api.create(trusted);
  await api.create(distrusted);
  const { items, ...rest } = await api.list();
  expect(rest).toEqual({ fleet, admin_keys: [key.digest] });
  expect(items.map(({ kind, counts }) => [kind, counts])).toEqual([
    ['distrust_root', true],
    ['trust_root', false],
  ]);
});

test('a later record with a false signature does not outweigh the verified one, which sleds count (STA2)', async () => {
  const api = serve();
  const trusted = signed({ kind: 'trust_root', ...ROOT });
  await api.create(trusted);
  const { statement } = signed({ kind: 'distrust_root', ...ROOT });
  api.records.push({ signed: { ...trusted, statement }, timeRecordedMs: 6 });
  expect((await api.list()).items).toMatchObject([
    { kind: 'distrust_root', state: 'refused', counts: false },
    { kind: 'trust_root', state: 'verified', counts: true },
  ]);
});
