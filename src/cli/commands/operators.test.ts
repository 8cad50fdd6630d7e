import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { OperatorTokenView } from '../../api/operator-access-api.ts';
import { type AuditRow, EMPTY_LOG, nextAuditRow } from '../../core/audit-chain.ts';
import { type AuditAction, auditContent } from '../../core/facts/audit.ts';
import { OperatorTokenId, SledId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { originBy } from '../../nexus/datastore/conformance/records.fixture.ts';
import { serveTestNexus, TEST_TOKEN, type TestHandlers, TIME } from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

const ID = OperatorTokenId.parse('00000000-0000-4000-8000-0000000000bb');
const TOKEN: OperatorTokenView = {
  id: ID,
  role: 'viewer',
  description: 'the monitor',
  state: 'valid',
  time_created: TIME,
  time_expires: '2026-04-02T03:04:05.000Z',
};

const against = async (handlers: TestHandlers, ...args: string[]) => {
  await using nexus = await serveTestNexus(handlers);
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  return await runTestCli(args, { environment });
};

test('token create prints the token alone on standard output, once, and the rest beside it (T2)', async () => {
  const bodies: unknown[] = [];
  const run = await against(
    {
      access: {
        async tokenCreate({ body }) {
          bodies.push(body);
          return { ...TOKEN, token: 'tufdepot_1234' };
        },
      },
    },
    ...['token', 'create', '--role', 'viewer', '--for', '90d', '--description', 'the monitor'],
  );
  expect(run).toMatchObject({ exitCode: 0, out: 'tufdepot_1234\n' });
  expect(run.err).toMatch(`Token ${ID} has the role viewer until 2026-04-02T03:04:05.000Z.`);
  expect(bodies).toEqual([{ role: 'viewer', expires_in_s: 90 * 86_400, description: 'the monitor' }]);
});

test.each([
  [['--role', 'root'], 'root is not a role'],
  [['--role', 'viewer', '--for', '10'], '--for 10 is not a time'],
  [['--role', 'viewer', '--for', '59s'], '--for 59s is not a time'],
  [['--role', 'viewer', '--for', '9999d'], '--for 9999d is not a time'],
  [[], "required option '--role <role>' not specified"],
])('token create %j is wrong usage: %s', async (args, message) => {
  const run = await against({}, 'token', 'create', ...args);
  expect(run).toMatchObject({ exitCode: 2, out: '' });
  expect(run.err).toContain(message);
});

test('token list has role, state and last use; token revoke names the token', async () => {
  const revoked: unknown[] = [];
  const access: TestHandlers['access'] = {
    tokenList: async () => ({ items: [TOKEN, { ...TOKEN, state: 'revoked', time_last_used: TIME }] }),
    async tokenRevoke({ params }) {
      revoked.push(params);
    },
  };
  const list = await against({ access }, 'token', 'list');
  expect(list.out).toMatch(/ID +ROLE +STATE +CREATED +EXPIRES +LAST USED +DESCRIPTION/);
  expect(list.out).toMatch(new RegExp(`${ID} +viewer +valid .* 2026-04-02 +- +the monitor`));
  const revoke = await against({ access }, 'token', 'revoke', ID);
  expect(revoke).toMatchObject({ exitCode: 0, out: `Token ${ID} is revoked.\n` });
  expect(revoked).toEqual([{ token_id: ID }]);
  expect(await against({ access }, 'token', 'revoke', 'x')).toMatchObject({ exitCode: 2 });
});

test('a role that is too low is an error with the role that is needed, and what to do (T2)', async () => {
  const tokenList = async (): Promise<never> => {
    throw new DepotError(
      'FORBIDDEN',
      `this request needs the role admin, and token ${ID} has the role viewer`,
    );
  };
  const run = await against({ access: { tokenList } }, 'token', 'list');
  expect(run.exitCode).toBe(1);
  expect(run.err).toMatch(
    /needs the role admin.* \[FORBIDDEN\]\nfix: Use the identity, or a token with the role/,
  );
});

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const ACTIONS: readonly AuditAction[] = [
  { kind: 'tasks_activated', tasks: ['tuf_repo_pruner'] },
  { kind: 'token_revoked', tokenId: ID, role: 'viewer', description: 'the monitor' },
  { kind: 'source_sync_requested', source: 'vendor', metadataUrl: 'https://example.com/metadata' },
];
const log = (actions: readonly AuditAction[] = ACTIONS): AuditRow[] => {
  const rows: AuditRow[] = [];
  for (const action of actions) {
    const content = auditContent(originBy(), action, Date.parse(TIME));
    rows.push(nextAuditRow(rows.at(-1) ?? EMPTY_LOG, content, sha256));
  }
  return rows;
};
/** In pages of two. */
const serving = (rows: readonly AuditRow[], head = rows.at(-1) ?? EMPTY_LOG): TestHandlers => ({
  audit: {
    auditHead: async () => ({ seq: head.seq, hash: head.hash }),
    async auditList({ query }) {
      const ordered = query.sort_by === 'seq_ascending' ? rows : rows.toReversed();
      const start = Number(query.page_token ?? 0);
      const size = Math.min(query.limit, 2);
      return {
        items: ordered
          .slice(start, start + size)
          .map(row => ({ ...row, message: 'not what the hash covers' })),
        next_page: start + size < ordered.length ? String(start + size) : null,
      };
    },
  },
});

test('audit list shows what the hashes cover, the newest last, and in JSON the newest first', async () => {
  const rows = log();
  const table = await against(serving(rows), 'audit', 'list');
  expect(table.out).toMatch(/NO +TIME +BY +FROM +WHAT/);
  expect(
    table.out
      .split('\n')
      .slice(1, 4)
      .map(line => line.trim().split(' ')[0]),
  ).toEqual(['1', '2', '3']);
  expect(table.out).toMatch(/break-glass token of Nexus [-0-9a-f]{36} +127\.0\.0\.1 +Tasks were activated/);
  expect(table.out).not.toContain('not what the hash covers');
  const json = await against(serving(rows), 'audit', 'list', '--json', '--limit', '2');
  expect(JSON.parse(json.out).map(({ seq }: AuditRow) => seq)).toEqual([3, 2]);
});

test('audit verify prints the head to note, and takes it again (T6)', async () => {
  const rows = log();
  const { hash } = rows[1]!;
  const run = await against(serving(rows), 'audit', 'verify');
  expect(run.exitCode).toBe(0);
  expect(run.out).toContain(`whole, up to entry 3.\nIts head is ${rows[2]!.hash}\n`);
  expect(await against(serving(rows), 'audit', 'verify', '--head', hash)).toMatchObject({ exitCode: 0 });
  expect(await against(serving([]), 'audit', 'verify')).toMatchObject({
    exitCode: 0,
    out: 'The audit log is empty.\n',
  });
});

test('audit verify names the first wrong entry, a cut, and a noted head that is gone, and exits with 1 (T6)', async () => {
  const rows = log();
  const altered = rows.with(1, { ...rows[1]!, content: rows[0]!.content });
  for (const [handlers, args, message] of [
    [serving(altered), [], 'Entry 2 of the audit log was altered'],
    [serving(rows.toSpliced(1, 1)), [], 'Entry 2 of the audit log is missing'],
    [serving(rows.slice(0, 2), rows[2]), [], 'ends with entry 2, and does not have entry 3'],
    [serving(rows.slice(0, 2)), ['--head', rows[2]!.hash], `has the noted hash ${rows[2]!.hash}`],
  ] as const) {
    const run = await against(handlers, 'audit', 'verify', ...args);
    expect(run).toMatchObject({ exitCode: 1, err: '' });
    expect(run.out).toContain(message);
  }
  const json = await against(serving(altered), 'audit', 'verify', '--json');
  expect(JSON.parse(json.out)).toEqual({ state: 'altered', seq: 2, asked: [], not_asked: [] });
  expect(await against(serving(rows), 'audit', 'verify', '--head', 'abc')).toMatchObject({ exitCode: 2 });
});

const SLED_IDS = [1, 2, 3].map(n => SledId.parse(`00000000-0000-4000-8000-00000000000${n}`));
/** Two sleds that keep the newest head of this log, and a third one that does not tell. */
const keptOf = (rows: readonly AuditRow[]): NonNullable<TestHandlers['audit']> => ({
  async auditSledHeads() {
    const { seq, hash } = rows.at(-1)!;
    const [first, second, third] = SLED_IDS.map((sled_id, at) => ({ sled_id, serial: `sled-${at + 1}` }));
    const heads = [{ seq, hash, time: TIME }];
    return {
      sleds: [
        { ...first!, heads },
        { ...second!, heads },
        { ...third!, message: 'it does not answer in time' },
      ],
    };
  },
});

test('audit verify names a cut and a fork by the heads that sleds keep, with these sleds, and exits with 1 (T6a)', async () => {
  const rows = log();
  const { hash } = rows[2]!;
  const against3 = (now: readonly AuditRow[], ...args: readonly string[]) =>
    against({ audit: { ...serving(now).audit, ...keptOf(rows) } }, 'audit', 'verify', ...args);
  const same = await against3(rows);
  expect(same).toMatchObject({ exitCode: 0, err: '' });
  expect(same.out).toContain('whole, up to entry 3');
  expect(same.out).toContain('2 sleds were asked');
  expect(same.out).toContain('Sled sled-3 was not asked: it does not answer in time');

  const cut = await against3(rows.slice(0, 2));
  expect(cut).toMatchObject({ exitCode: 1, err: '' });
  const tellers = `sled-1 (told at ${TIME}), sled-2 (told at ${TIME})`;
  expect(cut.out).toContain(`it ends before entry 3, whose hash was ${hash}, by ${tellers}.`);
  expect(cut.out).not.toContain('is whole, up to');

  const forked = [...rows.slice(0, 2), nextAuditRow(rows[1]!, 'x', sha256)];
  const fork = await against3(forked);
  expect(fork.exitCode).toBe(1);
  expect(fork.out).toContain(`its entry 3 has the hash ${forked[2]!.hash}, and had ${hash}, by ${tellers}.`);

  const json = JSON.parse((await against3(forked, '--json')).out);
  const sleds = SLED_IDS.map((sled_id, at) => ({ sled_id, serial: `sled-${at + 1}` }));
  expect(json).toMatchObject({
    state: 'contradicted',
    asked: sleds.slice(0, 2),
    not_asked: [{ ...sleds[2], message: 'it does not answer in time' }],
  });
  expect(json.findings).toEqual([
    {
      ...{ kind: 'fork', seq: 3, hash, log_hash: forked[2]!.hash, explained_by: null },
      sleds: sleds.slice(0, 2).map(sled => ({ ...sled, time: TIME })),
    },
  ]);
});

test('audit verify checks the log of a Nexus whose version asks no sleds (T6a)', async () => {
  const audit = {
    ...serving(log()).audit,
    auditSledHeads: async () => {
      throw new DepotError('NOT_FOUND', 'there is nothing at that path');
    },
  };
  const run = await against({ audit }, 'audit', 'verify');
  expect(run).toMatchObject({ exitCode: 0, err: '' });
  expect(run.out).not.toContain('asked');
});
