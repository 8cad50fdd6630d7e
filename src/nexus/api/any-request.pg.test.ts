/** Every route of a Nexus over its database: whatever a schema accepts, the parsers and columns behind it take too. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { debugApi } from '../../api/debug-api.ts';
import { internalApi } from '../../api/internal-api.ts';
import { operatorFleetApi } from '../../api/operator-fleet-api.ts';
import { operatorHistoryApi } from '../../api/operator-history-api.ts';
import { operatorRecoveryApi } from '../../api/operator-recovery-api.ts';
import { operatorSourceApi } from '../../api/operator-source-api.ts';
import { operatorUpdateApi } from '../../api/operator-update-api.ts';
import { operatorUploadApi } from '../../api/operator-upload-api.ts';
import type { Route } from '../../api/route.ts';
import { anyRequest, jsonRoutes } from '../../http/any-request.fixture.ts';
import { createTestWorld } from '../process/nexus.fixture.ts';
import { fakeConnection } from '../sleds/fleet.fixture.ts';

const RUNS = 25;
/** Registrations have many fields, and anybody may send one. */
const REGISTRATION_RUNS = 250;

/** One that fetches from the network, and one that begins work that nothing ends. */
const UNTRIED = ['source_sync', 'bgtask_activate'];
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
          const answer = await fetch(`${base}${path}`, { ...init, headers });
          const text = await answer.text();
          const seen = statuses.get(route.operationId) ?? new Set();
          statuses.set(route.operationId, seen.add(answer.status));
          if (answer.status === 500) faults.push(`${said} ─▶ ${text}`);
        }),
        { numRuns },
      );
  };
  await tryAll(`http://${nexus.internalAddress}`, jsonRoutes(internalApi), REGISTRATION_RUNS);
  await tryAll(
    `http://${nexus.operatorAddress}`,
    jsonRoutes(
      operatorUpdateApi,
      operatorUploadApi,
      operatorFleetApi,
      operatorRecoveryApi,
      operatorSourceApi,
      operatorHistoryApi,
      debugApi,
    ),
  );
  expect(faults).toEqual([]);
  // They reached what is behind the schemas.
  expect(statuses.get('sled_agent_put')).toContain(204);
  expect(statuses.get('sled_view')).toContain(404);
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
