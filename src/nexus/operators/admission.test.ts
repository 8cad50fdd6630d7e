/** Every route of every server, asked by every kind of caller: who is served, and who is told what to do. */
import { describe, expect, test } from 'vitest';
import { createMemoryDatabase } from '../../../sim/datastore/memory-database.ts';
import { debugApi } from '../../api/debug-api.ts';
import type { Admission, Api, Route } from '../../api/route.ts';
import type { RefusedRequest } from '../../core/facts/refusal.ts';
import { OperatorTokenId } from '../../core/ids.ts';
import { OPERATOR_ROLES, type OperatorRole } from '../../core/operator-role.ts';
import { seededRng } from '../../core/rng.ts';
import { openApiDocuments } from '../../http/openapi.ts';
import { serveApi } from '../../http/server.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { makeOperatorToken, tokenDigest } from '../../lib/operator-token.ts';
import { newId, wait } from '../datastore/conformance/records.fixture.ts';
import { metricsPage } from '../status/metrics.ts';
import { createKnownTokens } from './known-tokens.ts';
import { createOperatorCheck } from './operator-check.ts';

const CALLERS = [
  ...['none', 'not a bearer', 'malformed', 'not a token', 'unknown', 'revoked', 'expired'],
  ...OPERATOR_ROLES,
  'break-glass',
] as const;
type CallerKind = (typeof CALLERS)[number];

/** Refused as nobody (401), as one whose role is too low (403), or served. */
type Verdict = 401 | 403 | 'served';
const STRANGERS = {
  none: 401,
  'not a bearer': 401,
  malformed: 401,
  'not a token': 401,
  unknown: 401,
  revoked: 401,
  expired: 401,
} as const;
const ALL: Record<string, Verdict> = Object.fromEntries(CALLERS.map(kind => [kind, 'served']));

/** By the least role of a route; everybody reaches what is not for operators. */
const EXPECTED: Record<OperatorRole | 'not for operators', Record<string, Verdict>> = {
  viewer: {
    ...STRANGERS,
    ...{ viewer: 'served', operator: 'served', admin: 'served', 'break-glass': 'served' },
  },
  operator: {
    ...STRANGERS,
    ...{ viewer: 403, operator: 'served', admin: 'served', 'break-glass': 'served' },
  },
  admin: { ...STRANGERS, ...{ viewer: 403, operator: 403, admin: 'served', 'break-glass': 'served' } },
  'not for operators': ALL,
};

const BREAK_GLASS = 'the-word-of-a-token-file';
const DAY_MS = 24 * 3_600_000;

/** The header of each kind of caller, with the tokens in a database. */
const authorizations = async (
  datastore: ReturnType<ReturnType<typeof createMemoryDatabase>['openDatastore']>,
): Promise<Record<CallerKind, string | undefined>> => {
  const create = async (role: OperatorRole, lifeMs = DAY_MS): Promise<[OperatorTokenId, string]> => {
    const token = makeOperatorToken();
    const id = newId(OperatorTokenId);
    await datastore.operatorTokenCreate(
      { id, role, description: '', sha256: tokenDigest(token), lifeMs },
      wait,
    );
    return [id, `Bearer ${token}`];
  };
  const [, expired] = await create('admin', -1);
  const [revokedId, revoked] = await create('admin');
  await datastore.operatorTokenRevoke(revokedId, wait);
  return {
    none: undefined,
    'not a bearer': `Basic ${Buffer.from(`admin:${BREAK_GLASS}`).toString('base64')}`,
    malformed: `Bearer ${makeOperatorToken().slice(0, -1)}`,
    'not a token': `Bearer ${BREAK_GLASS}x`,
    unknown: `Bearer ${makeOperatorToken()}`,
    ...{ revoked, expired },
    viewer: (await create('viewer'))[1],
    operator: (await create('operator'))[1],
    admin: (await create('admin'))[1],
    'break-glass': `Bearer ${BREAK_GLASS}`,
  };
};

const SERVERS: Readonly<Record<string, readonly Api[]>> = {
  'the operator server': [...openApiDocuments['operator.json']!, debugApi],
  'the internal server': openApiDocuments['internal.json']!,
  'the sled agent': openApiDocuments['sled-agent.json']!,
  'the Repo Depot': openApiDocuments['repo-depot.json']!,
};

/** A server with the routes of these contracts, whose handlers only say that they were reached. */
const serve = async (name: string) => {
  const datastore = createMemoryDatabase({ nowMs: systemClock.nowMs }).openDatastore({
    ...{ clock: systemClock, rng: seededRng(1), log: silentLogger },
  });
  const tokens = createKnownTokens({ datastore, clock: systemClock, log: silentLogger });
  const handle = async (): Promise<never> => {
    throw new DepotError('NOT_FOUND', 'the handler was reached');
  };
  const apis = SERVERS[name]!;
  const isOperators = name === 'the operator server';
  const refusals: RefusedRequest[] = [];
  const server = await serveApi({
    apis: apis.map(({ routes, version }) => Object.values(routes).map(route => ({ route, version, handle }))),
    pages: isOperators ? [metricsPage(handle, 'operator')] : [],
    listen: { host: '127.0.0.1', port: 0 },
    ...(isOperators && { operators: createOperatorCheck(BREAK_GLASS, () => tokens) }),
    onRefused: refusal => refusals.push(refusal),
    log: silentLogger,
  });
  const routes: (Admission & Pick<Route, 'method' | 'path'>)[] = [
    ...apis.flatMap(api => Object.values(api.routes)),
    ...(isOperators ? [{ ...metricsPage(handle, 'operator'), method: 'GET' as const }] : []),
  ];
  return { server, routes, datastore, refusals };
};

const verdictOf = async (
  address: string,
  { method, path }: Pick<Route, 'method' | 'path'>,
  authorization: string | undefined,
): Promise<{ readonly verdict: Verdict; readonly message: string }> => {
  const answer = await fetch(`http://${address}${path.replaceAll(/\{\w+\}/g, 'x')}`, {
    method,
    headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
    ...(method !== 'GET' && { body: '{}' }),
  });
  const { message } = (await answer.json()) as { message: string };
  const { status } = answer;
  expect(status, 'a refusal, or the word of the handler or of the parser').toBeGreaterThanOrEqual(400);
  return { verdict: status === 401 || status === 403 ? status : 'served', message };
};

describe.each(Object.keys(SERVERS))('%s', name => {
  test('serves each route to the callers of the table, and to no other (T2)', async () => {
    const { server, routes, datastore } = await serve(name);
    await using _ = server;
    const headers = await authorizations(datastore);
    for (const route of routes) {
      const verdicts: Record<string, Verdict> = {};
      for (const kind of CALLERS)
        verdicts[kind] = (await verdictOf(server.address, route, headers[kind])).verdict;
      expect(verdicts, `${route.method} ${route.path}`).toEqual(EXPECTED[route.role ?? 'not for operators']);
    }
  });
});

test('a viewer reads, an operator changes, and what decides whom the fleet trusts needs an admin (T2)', () => {
  const ADMIN = new Set([
    ...['system_update_trust_root_create', 'system_update_trust_root_delete', 'generation_recover'],
    ...['operator_token_list', 'operator_token_create', 'operator_token_revoke'],
    ...['sled_invitation_create', 'sled_invitation_end', 'sled_join_request_deny', 'sled_set_transport'],
    'pending_sled_approve',
    ...['nexus_invitation_create', 'nexus_invitation_end', 'statement_create'],
    'system_update_repository_exempt',
  ]);
  const routes = SERVERS['the operator server']!.flatMap(api => Object.values(api.routes));
  for (const { operationId, audience, role, method } of routes) {
    if (operationId === 'ping') {
      expect(audience, 'whether the server answers').toBe('public');
      continue;
    }
    expect(audience, operationId).toBe('operator');
    const least = ADMIN.has(operationId) ? 'admin' : method === 'GET' ? 'viewer' : 'operator';
    expect(role, operationId).toBe(least);
  }
});

test('a refusal says what is wrong with the token, or which role is needed (T2)', async () => {
  const { server, datastore } = await serve('the operator server');
  await using _ = server;
  const headers = await authorizations(datastore);
  const route = { method: 'POST', path: '/v1/system/update/trust-roots' } as const;
  const messageTo = async (kind: CallerKind) =>
    (await verdictOf(server.address, route, headers[kind])).message;
  expect(await messageTo('none')).toMatch(/needs a token with the role admin/);
  expect(await messageTo('malformed')).toMatch(/is damaged: its checksum is wrong/);
  expect(await messageTo('unknown')).toMatch(/^this token is unknown/);
  expect(await messageTo('revoked')).toMatch(/^token [-0-9a-f]{36} is revoked$/);
  expect(await messageTo('expired')).toMatch(/^token [-0-9a-f]{36} has expired$/);
  expect(await messageTo('operator')).toMatch(
    /^this request needs the role admin, and token [-0-9a-f]{36} has the role operator: an admin creates/,
  );
});

test('while the tokens cannot be read only the break-glass token counts, and others are told to wait (T2)', async () => {
  const check = createOperatorCheck(BREAK_GLASS, () => undefined);
  expect(await check(BREAK_GLASS, wait)).toMatchObject({ kind: 'known', operator: { role: 'admin' } });
  expect(await check(makeOperatorToken(), wait)).toEqual({
    kind: 'unverified',
    why: 'this Nexus is starting',
  });
});

test('a refusal of a token is shown with its reason, and with the token where the database knows it (T6)', async () => {
  const { server, datastore, refusals } = await serve('the operator server');
  await using _ = server;
  const headers = await authorizations(datastore);
  const route = { method: 'POST', path: '/v1/system/update/trust-roots' } as const;
  const shownOf = async (kind: CallerKind) => {
    await verdictOf(server.address, route, headers[kind]);
    return refusals
      .splice(0)
      .map(({ why, tokenId, request }) => ({ why, isNamed: tokenId !== undefined, request }));
  };
  const request = `${route.method} ${route.path}`;
  for (const [kind, why, isNamed] of [
    ['none', 'no_token', false],
    ['not a bearer', 'no_token', false],
    ['malformed', 'token_damaged', false],
    ['unknown', 'token_unknown', false],
    ['revoked', 'token_revoked', true],
    ['expired', 'token_expired', true],
    ['operator', 'role_too_small', true],
  ] as const)
    expect(await shownOf(kind), kind).toEqual([{ why, isNamed, request }]);
  expect(await shownOf('admin')).toEqual([]);
  await fetch(`http://${server.address}/metrics`, { headers: { 'sec-fetch-site': 'cross-site' } });
  expect(refusals.splice(0)).toMatchObject([{ why: 'cross_site', request: 'GET /metrics' }]);
});
