/** Tokens of operators and the audit log, over a real Nexus and a real database. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { debugApi } from '../../api/debug-api.ts';
import { operatorAccessApi } from '../../api/operator-access-api.ts';
import { operatorAuditApi } from '../../api/operator-audit-api.ts';
import { operatorFleetApi } from '../../api/operator-fleet-api.ts';
import { operatorSourceApi } from '../../api/operator-source-api.ts';
import { operatorUpdateApi } from '../../api/operator-update-api.ts';
import { sledAgentInfo } from '../../api/sled-agent-info.fixture.ts';
import { EMPTY_LOG, followChain } from '../../core/audit-chain.ts';
import { NexusId, SledId } from '../../core/ids.ts';
import type { OperatorRole } from '../../core/operator-role.ts';
import { createApiClient } from '../../http/client.ts';
import { openApiDocuments } from '../../http/openapi.ts';
import { newId } from '../datastore/conformance/records.fixture.ts';
import { createCuttingProxy } from '../datastore/cutting-proxy.fixture.ts';
import {
  chunksOf,
  createTestWorld,
  type StartOptions,
  type TestNexus,
  type TestWorld,
} from '../process/nexus.fixture.ts';

const wait = { signal: new AbortController().signal };
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

let world: TestWorld;
let undo: AsyncDisposableStack;
beforeEach(async () => {
  undo = new AsyncDisposableStack();
  world = undo.use(await createTestWorld());
});
afterEach(() => undo.disposeAsync());

/** Everything that one person may ask of a Nexus. */
const clientsOf = ({ operatorAddress }: TestNexus, token: string) => {
  const options = { baseUrl: `http://${operatorAddress}`, token };
  return {
    updates: undo.use(createApiClient(operatorUpdateApi, options)),
    fleet: undo.use(createApiClient(operatorFleetApi, options)),
    sources: undo.use(createApiClient(operatorSourceApi, options)),
    access: undo.use(createApiClient(operatorAccessApi, options)),
    audit: undo.use(createApiClient(operatorAuditApi, options)),
    debug: undo.use(createApiClient(debugApi, options)),
  };
};
const startWith = async (role: OperatorRole, options: StartOptions = {}) => {
  const nexus = await world.startNexus(options);
  const breakGlass = clientsOf(nexus, nexus.token);
  const { token, id } = await breakGlass.access.tokenCreate({ body: { role } }, wait);
  return { nexus, breakGlass, id, token, person: clientsOf(nexus, token) };
};
const entriesOf = async ({ audit }: ReturnType<typeof clientsOf>) => {
  const query = { limit: 1000, sort_by: 'seq_ascending' as const };
  const { items } = await audit.auditList({ query }, wait);
  expect(followChain(EMPTY_LOG, items, sha256)).toEqual({ head: await audit.auditHead({}, wait) });
  return items;
};

test('a token has its role on every Nexus of the database, and is refused once it is revoked (T2)', async () => {
  const { nexus, breakGlass, id, token, person } = await startWith('viewer');
  const other = clientsOf(await world.startNexus({ name: 'other' }), token);
  const policy = { params: { sled_id: newId(SledId) }, body: { policy: 'expunged' as const } };
  for (const clients of [person, other]) {
    expect((await clients.fleet.fleetStatus({}, wait)).nexus_id).toBeDefined();
    await expect(clients.fleet.sledSetPolicy(policy, wait)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      detail: { needed_role: 'operator', role: 'viewer' },
    });
  }
  const answer = await fetch(`http://${nexus.operatorAddress}/metrics`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
  const { items } = await breakGlass.access.tokenList({}, wait);
  expect(items).toMatchObject([{ id, role: 'viewer', state: 'valid' }]);
  expect(JSON.stringify(items)).not.toContain(token);
  const [stored] = await world.database.query<{ text: string }>(
    'SELECT operator_token::text AS text FROM operator_token',
  );
  expect(stored!.text).toContain(sha256(token));
  expect(stored!.text).not.toContain(token);

  await breakGlass.access.tokenRevoke({ params: { token_id: id } }, wait);
  await expect(person.fleet.fleetStatus({}, wait)).rejects.toMatchObject({
    code: 'UNAUTHORIZED',
    message: expect.stringContaining(`token ${id} is revoked`),
  });
  await expect(breakGlass.access.tokenRevoke({ params: { token_id: id } }, wait)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('whoever has a token learns its role, and until when it is valid (T2)', async () => {
  const { breakGlass, id, person } = await startWith('viewer');
  await breakGlass.access.tokenCreate({ body: { role: 'operator', expires_in_s: 60 } }, wait);
  const { items } = await breakGlass.access.tokenList({}, wait);
  const { time_expires } = items.find(token => token.id === id)!;
  expect(await person.access.operatorSelf({}, wait)).toEqual({ role: 'viewer', token_id: id, time_expires });
  expect(await breakGlass.access.operatorSelf({}, wait)).toEqual({ role: 'admin' });
});

test('the last release is deleted by an admin alone, and its refusal is no change in the audit log (T2)', async () => {
  const { breakGlass, person } = await startWith('operator');
  const release = await world.release({ systemVersion: '1.0.0' });
  await breakGlass.updates.trustRootCreate(
    { body: JSON.parse(Buffer.from(release.trustRoot).toString()) },
    wait,
  );
  const bytes = await readFile(release.path);
  const body = { sizeBytes: bytes.length, chunks: chunksOf(bytes) };
  await person.updates.repositoryUpload({ query: { file_name: 'a.zip' }, body }, wait);
  const params = { system_version: '1.0.0' };
  await expect(person.updates.repositoryDelete({ params }, wait)).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringContaining('release 1.0.0 is the last one'),
  });
  const kinds = async () => (await entriesOf(breakGlass)).map(({ action }) => action?.kind);
  expect(await kinds()).toEqual(['token_created', 'trust_root_added', 'release_uploaded']);
  await breakGlass.updates.repositoryDelete({ params }, wait);
  expect((await kinds()).at(-1)).toBe('release_deleted');
});

test('only an admin may override the revocation of signing keys, and its refusal is no change in the audit log (T2)', async () => {
  const { breakGlass, id, person } = await startWith('operator');
  const upload = (by: typeof person, flag: 'true' | 'false') =>
    by.updates.repositoryUpload(
      {
        query: { file_name: 'a.zip', allow_revoked_keys: flag },
        body: { sizeBytes: 4, chunks: chunksOf(Buffer.from('none')) },
      },
      wait,
    );
  await expect(upload(person, 'true')).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringMatching(
      new RegExp(`with allow_revoked_keys needs the role admin, and token ${id} has the role operator`),
    ),
  });
  for (const [by, flag] of [
    [person, 'false'],
    [breakGlass, 'true'],
  ] as const)
    await expect(upload(by, flag)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  expect((await entriesOf(breakGlass)).map(({ action }) => action?.kind)).toEqual(['token_created']);
});

/** Each route that changes something, as a person uses it. */
const changes = async (nexus: TestNexus, person: ReturnType<typeof clientsOf>) => {
  const [first, second] = [
    await world.release({ systemVersion: '1.0.0' }),
    await world.release({
      systemVersion: '2.0.0',
      versions: { timestamp: 2, snapshot: 2, targets: 2 },
    }),
  ];
  const upload = async ({ path }: { readonly path: string }) => {
    const bytes = await readFile(path);
    const body = { sizeBytes: bytes.length, chunks: chunksOf(bytes) };
    await person.updates.repositoryUpload({ query: { file_name: 'release.zip' }, body }, wait);
  };
  const root = JSON.parse(Buffer.from(first.trustRoot).toString());
  const sled_id = newId(SledId);
  await nexus.internal.sledAgentPut({ params: { sled_id }, body: sledAgentInfo() }, wait);
  const gone = newId(NexusId);
  await world.database.query(
    "INSERT INTO nexus (id, operator_address, time_started, time_heartbeat) VALUES ($1, 'gone:1', now(), now() - interval '1 day')",
    [gone],
  );
  let trustRoot = '';
  let token = '';
  return {
    system_update_trust_root_create: async () => {
      trustRoot = (await person.updates.trustRootCreate({ body: root }, wait)).id;
    },
    system_update_repository_upload: async () => {
      await upload(first);
      await upload(second);
    },
    target_release_update: () =>
      person.updates.targetReleaseUpdate(
        { body: { system_version: '2.0.0' }, query: { force: 'true' } },
        wait,
      ),
    system_update_repository_exempt: () =>
      person.updates.repositoryExempt({ params: { system_version: '1.0.0' } }, wait),
    system_update_repository_delete: () =>
      person.updates.repositoryDelete({ params: { system_version: '1.0.0' } }, wait),
    system_update_trust_root_delete: () =>
      person.updates.trustRootDelete({ params: { trust_root_id: trustRoot } }, wait),
    sled_set_policy: () =>
      person.fleet.sledSetPolicy({ params: { sled_id }, body: { policy: 'expunged' } }, wait),
    sled_set_transport: () =>
      person.fleet.sledSetTransport({ params: { sled_id }, body: { transport: 'plain' } }, wait),
    sled_forget: async () => {
      await world.expireSled(sled_id);
      await person.fleet.sledForget({ params: { sled_id } }, wait);
    },
    nexus_expunge: () => person.fleet.nexusExpunge({ params: { nexus_id: gone }, query: {} }, wait),
    source_sync: () => person.sources.sourceSync({ body: { source: 'http://127.0.0.1:9/repo' } }, wait),
    bgtask_activate: () => person.debug.bgtaskActivate({ body: { bgtask_names: ['nexus_heartbeat'] } }, wait),
    operator_token_create: async () => {
      const body = { role: 'viewer' as const, description: 'a monitor' };
      token = (await person.access.tokenCreate({ body }, wait)).id;
    },
    operator_token_revoke: () => person.access.tokenRevoke({ params: { token_id: token } }, wait),
  } satisfies Record<string, () => Promise<unknown>>;
};

test('each route that changes something leaves who did it, from where, and what, in the audit log (T6)', async () => {
  const { nexus, breakGlass, id, person } = await startWith('admin');
  const done = await changes(nexus, person);
  for (const change of Object.values(done)) await change();
  const [created, ...entries] = await entriesOf(breakGlass);
  expect(created).toMatchObject({
    actor: { kind: 'break_glass' },
    nexus_id: nexus.id,
    action: { kind: 'token_created', token_id: id, role: 'admin' },
  });
  for (const entry of entries) {
    expect(entry).toMatchObject({
      actor: { kind: 'token', token_id: id, role: 'admin' },
      nexus_id: nexus.id,
      remote_address: '127.0.0.1',
      request_id: expect.stringMatching(/^[-0-9a-f]{36}$/),
      message: expect.stringMatching(/^[A-Z].*\.$/),
    });
    expect(Math.abs(Date.parse(entry.time!) - Date.now()), 'by the clock of this machine').toBeLessThan(
      3_600_000,
    );
  }
  expect(entries.map(({ action }) => action?.kind)).toEqual([
    ...[
      'trust_root_added',
      'release_uploaded',
      'release_uploaded',
      'target_release_set',
      'release_exempted',
      'release_deleted',
    ],
    ...[
      'trust_root_deleted',
      'sled_policy_set',
      'sled_transport_set',
      'sled_forgotten',
      'nexus_expunged',
      'source_sync_requested',
    ],
    ...['tasks_activated', 'token_created', 'token_revoked'],
  ]);

  // A recovery has tests of its own, with sleds that need one; the other route has nothing to finish.
  // An invitation needs an authority: test/joins.test.ts, test/nexus-joins.test.ts.
  const ELSEWHERE = [
    'generation_recover',
    'system_update_recovery_finish',
    // A statement needs a fleet: src/nexus/datastore/conformance/statement-rules.fixture.ts.
    'statement_create',
    'sled_invitation_create',
    'sled_invitation_end',
    'sled_join_request_deny',
    // A sled that waits: src/nexus/api/pending-sleds.pg.test.ts.
    'pending_sled_approve',
    'nexus_invitation_create',
    'nexus_invitation_end',
  ];
  const changing = [...openApiDocuments['operator.json']!, debugApi]
    .flatMap(api => Object.values(api.routes))
    .filter(({ method }) => method !== 'GET')
    .map(({ operationId }) => operationId);
  expect([...Object.keys(done), ...ELSEWHERE].sort()).toEqual(changing.sort());
});

test('a flood of requests that nobody may send is one entry of the audit log, with each caller, and pushes out no other (T6, T5)', async () => {
  const { nexus, breakGlass, id, token } = await startWith('admin');
  const stolen = clientsOf(nexus, token);
  await breakGlass.access.tokenRevoke({ params: { token_id: id } }, wait);
  const guess = async () =>
    (
      await fetch(`http://${nexus.operatorAddress}/v1/system/fleet/sleds`, {
        headers: { authorization: 'Bearer guess' },
      })
    ).status;
  const answers: number[] = [];
  for (let round = 0; round < 25; round += 1)
    answers.push(...(await Promise.all(Array.from({ length: 20 }, guess))));
  expect(new Set(answers)).toEqual(new Set([401]));
  await expect(stolen.fleet.fleetStatus({}, wait)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  const page = await fetch(`http://${nexus.operatorAddress}/`, {
    headers: { 'sec-fetch-site': 'cross-site' },
  });
  expect(page.status).toBe(403);

  nexus.services.driver.activate('refused_requests');
  const kinds = async () => (await entriesOf(breakGlass)).map(({ action }) => action?.kind);
  await expect.poll(kinds).toEqual(['token_created', 'token_revoked', 'requests_refused']);
  const { actor, action, message } = (await entriesOf(breakGlass)).at(-1)!;
  expect(actor).toEqual({ kind: 'nexus' });
  expect(action).toMatchObject({
    total: answers.length + 2,
    refusals: [
      {
        why: 'token_unknown',
        address: '127.0.0.1',
        request: 'GET /v1/system/fleet/sleds',
        count: answers.length,
      },
      { why: 'token_revoked', token_id: id, count: 1 },
      { why: 'cross_site', count: 1 },
    ],
  });
  expect(message).toMatch(
    /^502 requests were refused from .*: 500 with an unknown token, from 127\.0\.0\.1, the first was GET \/v1\/system\/fleet\/sleds; 1 with a revoked token/,
  );
});

test('what was refused before a stop is in the audit log after it (T6)', async () => {
  const { nexus } = await startWith('viewer');
  await fetch(`http://${nexus.operatorAddress}/metrics`);
  await nexus[Symbol.asyncDispose]();
  const again = await world.startNexus();
  const last = (await entriesOf(clientsOf(again, again.token))).at(-1)!;
  expect(last.action).toMatchObject({ kind: 'requests_refused', total: 1, refusals: [{ why: 'no_token' }] });
});

test('while the database is away a token still counts, and the status says how old it is (T2)', async () => {
  const proxy = undo.use(await createCuttingProxy(world.database.connection));
  const config = { database: { url: proxy.connection } };
  const { nexus, person } = await startWith('viewer', { config });
  await person.fleet.fleetStatus({}, wait);
  proxy.setRefusing(true);
  nexus.services.tokens.changed();
  expect(await person.access.operatorSelf({}, wait), 'a person can log in').toMatchObject({ role: 'viewer' });
  const away = await person.fleet.fleetStatus({}, wait);
  expect(away.reasons.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['DATABASE_UNAVAILABLE', 'OPERATOR_TOKENS_STALE']),
  );
  proxy.setRefusing(false);
  const codes = async () => (await person.fleet.fleetStatus({}, wait)).reasons.map(({ code }) => code);
  await expect.poll(codes, { timeout: 50_000 }).not.toContain('OPERATOR_TOKENS_STALE');
});

test('an entry that was changed behind the back of Nexus is still listed, and breaks the chain (T6)', async () => {
  const { breakGlass, person } = await startWith('viewer');
  await breakGlass.debug.bgtaskActivate({ body: { bgtask_names: ['nexus_heartbeat'] } }, wait);
  await world.database.query("UPDATE audit_entry SET content = 'nonsense' WHERE seq = 1");
  const { items } = await person.audit.auditList({ query: { limit: 10, sort_by: 'seq_ascending' } }, wait);
  expect(items[0]).toMatchObject({ seq: 1, content: 'nonsense', message: expect.any(String) });
  expect(followChain(EMPTY_LOG, items, sha256)).toEqual({ fault: { seq: 1, because: 'altered' } });
});
