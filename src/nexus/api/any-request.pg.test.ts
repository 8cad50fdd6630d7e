/** Every route of a Nexus over its database: whatever a schema accepts, the parsers and columns behind it take too. */
import fc from 'fast-check';
import { fetch as undiciFetch } from 'undici';
import { expect, test } from 'vitest';
import type { Route } from '../../api/route.ts';
import { anyRequest, leastRequest, ODD_TEXTS, routesOf } from '../../http/any-request.fixture.ts';
import { createTestWorld } from '../process/nexus.fixture.ts';
import { fakeConnection } from '../sleds/fleet.fixture.ts';

const RUNS = 25;
/** Registrations have many fields, and anybody may send one. */
const REGISTRATION_RUNS = 250;

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
/** As whom a request is sent whose path has no id. */
const NOBODY = '00000000-0000-4000-8000-000000000000';

/** One that fetches from the network, and one that begins work that nothing ends. */
const UNTRIED = ['source_sync', 'bgtask_activate'];
/** Of these every request is refused: no text is a signed root or an archive, and no recovery can be finished in this way. */
const REFUSED_BEHIND_ITS_SCHEMA = [
  'statement_create',
  'system_update_recovery_finish',
  'system_update_repository_upload',
  'system_update_trust_root_create',
];

test('no request that a schema accepts, or almost accepts, is a fault of Nexus', async () => {
  await using world = await createTestWorld();
  const connectSleds = () => ({ ...fakeConnection([]), [Symbol.asyncDispose]: async () => undefined });
  const nexus = await world.startNexus({ replace: { connectSleds } });
  const faults: string[] = [];
  const statuses = new Map<string, Set<number>>();
  const tryAll = async (base: string, routes: readonly Route[], numRuns = RUNS): Promise<void> => {
    for (const route of routes.filter(({ operationId }) => !UNTRIED.includes(operationId)))
      await fc.assert(
        fc.asyncProperty(anyRequest(route), async ({ path, init, said }) => {
          const headers = { ...init.headers, authorization: `Bearer ${nexus.token}` };
          const [id = NOBODY] = UUID.exec(path) ?? [];
          const dispatcher = nexus.asSled(id.toLowerCase());
          const answer = base.startsWith('https:')
            ? await undiciFetch(`${base}${path}`, {
                ...(init as object),
                headers: headers as Record<string, string>,
                dispatcher,
              })
            : await fetch(`${base}${path}`, { ...init, headers });
          const text = await answer.text();
          const seen = statuses.get(route.operationId) ?? new Set();
          statuses.set(route.operationId, seen.add(answer.status));
          if (answer.status === 500) faults.push(`${said} ─▶ ${text}`);
        }),
        { numRuns, examples: [[leastRequest(route)]] },
      );
  };
  await tryAll(`https://${nexus.internalAddress}`, routesOf('internal'), REGISTRATION_RUNS);
  await tryAll(`http://${nexus.operatorAddress}`, routesOf('operator'));
  expect(faults).toEqual([]);
  // They reached what is behind the schemas.
  const onlyRefused = [...statuses].filter(([, seen]) => [...seen].every(status => status === 400));
  expect(onlyRefused.map(([id]) => id).sort()).toEqual(REFUSED_BEHIND_ITS_SCHEMA);
  expect(statuses.get('sled_agent_put')).toContain(204);
});

test('a list of ids of which one is none is refused, and so is an empty number', async () => {
  await using world = await createTestWorld();
  const nexus = await world.startNexus();
  const messageOf = async (path: string): Promise<string> => {
    const headers = { authorization: `Bearer ${nexus.token}` };
    const answer = await fetch(`http://${nexus.operatorAddress}${path}`, { headers });
    const { message } = (await answer.json()) as { message: string };
    return `${answer.status} ${message}`;
  };
  const recovery = '/v1/system/fleet/recovery/generation?exclude_sleds=';
  for (const ids of ['0'.repeat(36), '-'.repeat(36), '', ',', 'x'])
    expect(await messageOf(`${recovery}${ids}`)).toMatch(/^400 query parameter exclude_sleds/);
  for (const limit of ['', '%20', '0', '1e3', '0x10'])
    expect(await messageOf(`/v1/system/fleet/sleds?limit=${limit}`)).toMatch(/^400 query parameter limit/);
});

test('a token of a page with any text as its key continues the list or is refused, and is no fault', async () => {
  await using world = await createTestWorld();
  const nexus = await world.startNexus();
  const lists = routesOf('operator').filter(
    ({ query }) => query !== undefined && 'page_token' in query.shape,
  );
  const faults: string[] = [];
  for (const { operationId: list, path } of lists)
    for (const at of [...ODD_TEXTS, '9'.repeat(30), NOBODY, '1.0.0', `${NOBODY}/`]) {
      const token = Buffer.from(JSON.stringify({ v: 1, list, query: {}, at })).toString('base64url');
      const headers = { authorization: `Bearer ${nexus.token}` };
      const url = `http://${nexus.operatorAddress}${path.replaceAll(/\{\w+\}/g, '1.0.0')}?page_token=${token}`;
      const answer = await fetch(url, { headers });
      if (![200, 400, 404].includes(answer.status)) faults.push(`${list} ${at} ─▶ ${await answer.text()}`);
    }
  expect(lists.length).toBeGreaterThan(5);
  expect(faults).toEqual([]);
});
