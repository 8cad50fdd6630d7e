/** Starting and stopping, with a database that is down, a port or a directory in use. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BackgroundTaskView } from '../../api/debug-api.ts';
import { operatorUpdateApi } from '../../api/operator-update-api.ts';
import { createApiClient } from '../../http/client.ts';
import { systemClock } from '../../lib/clock.ts';
import {
  DeployedVersions,
  PrunerStatus,
  ReplicationStatus,
} from '../background/original-debugger.fixture.ts';
import { createCuttingProxy } from '../datastore/cutting-proxy.fixture.ts';
import { createTestDatabase } from '../datastore/database.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from './nexus.fixture.ts';

const wait = { signal: new AbortController().signal };
const query = { limit: 10 };

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

test('a Nexus that starts waits for its database, and answers requests with that reason', async () => {
  await using proxy = await createCuttingProxy(world.database.connection);
  proxy.setRefusing(true);
  const config = { database: { url: proxy.connection } };
  await using nexus = await world.startNexus({ config, untilStarted: false });
  const refusal = () => nexus.operator.repositoryList({ query }, wait).catch((error: unknown) => error);
  let refused = await refusal();
  while (!/database is unavailable/.test((refused as Error).message)) {
    expect(refused).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await delay(10);
    refused = await refusal();
  }
  expect(refused).toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: expect.stringMatching(/is starting\. .*database is unavailable/),
  });
  proxy.setRefusing(false);
  await nexus.started;
  expect((await nexus.operator.repositoryList({ query }, wait)).items).toEqual([]);
});

test('a Nexus that waits for its database can be stopped', async () => {
  await using proxy = await createCuttingProxy(world.database.connection);
  proxy.setRefusing(true);
  const config = { database: { url: proxy.connection } };
  const nexus = await world.startNexus({ config, untilStarted: false });
  await nexus[Symbol.asyncDispose]();
  await expect(nexus.started).rejects.toThrow();
});

test('a database that goes away while Nexus runs is an error of the requests, and not the end of Nexus', async () => {
  await using proxy = await createCuttingProxy(world.database.connection);
  const clock = { ...systemClock, nowMs: () => Date.now() + 365 * 86_400_000 };
  const config = { database: { url: proxy.connection } };
  await using nexus = await world.startNexus({ config, clock });
  const databaseTimeMs = (await nexus.services.databaseTimeMs(wait)) ?? 0;
  expect(Math.abs(databaseTimeMs - Date.now()), 'not the clock of this Nexus').toBeLessThan(3_600_000);
  proxy.setRefusing(true);
  expect(await nexus.services.databaseTimeMs(wait)).toBeUndefined();
  await expect(nexus.operator.repositoryList({ query }, wait)).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
  });
  proxy.setRefusing(false);
  expect((await nexus.operator.repositoryList({ query }, wait)).items).toEqual([]);
});

test('a database of another schema version ends the start, with the command to run (S14)', async () => {
  await using empty = await createTestDatabase({ migrated: false });
  const config = { database: { url: empty.connection } };
  await using nexus = await world.startNexus({ config, untilStarted: false });
  await expect(nexus.started).rejects.toMatchObject({
    code: 'SCHEMA_VERSION',
    message: expect.stringMatching(/tuf-depot db migrate/),
  });
});

test('a port in use is an error that names it, and frees the staging directory', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  for (const listen of ['operator_listen', 'internal_listen'])
    await expect(world.startNexus({ config: { [listen]: `127.0.0.1:${port}` } })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  other.close();
  await world.startNexus();
});

test('other addresses than loopback are refused, unless the configuration says otherwise', async () => {
  const config = { operator_listen: '0.0.0.0:0' };
  await expect(world.startNexus({ config })).rejects.toMatchObject({ code: 'LISTEN_NOT_LOOPBACK' });
});

test('a second Nexus on one staging directory is refused, naming the first (P12)', async () => {
  await world.startNexus();
  await expect(world.startNexus()).rejects.toMatchObject({
    code: 'IN_USE_BY_PROCESS',
    message: expect.stringContaining(`process ${process.pid}`),
  });
});

test('the operator API requires the token; the internal API, for sleds, has none', async () => {
  const nexus = await world.startNexus();
  for (const token of [undefined, 'wrong']) {
    const baseUrl = `http://${nexus.operatorAddress}`;
    await using client = createApiClient(operatorUpdateApi, { baseUrl, token });
    await expect(client.repositoryList({ query }, wait)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  }
  await expect(
    nexus.internal.sledAgentGet({ params: { sled_id: crypto.randomUUID() } }, wait),
  ).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a Nexus is listed under the id of its staging directory, with the address that it bound (P8)', async () => {
  const nexus = await world.startNexus();
  const id = (await readFile(`${nexus.stagingDirectory}/nexus-id`, 'utf8')).trim();
  const { items } = await nexus.fleet.nexusList({}, wait);
  expect(items).toMatchObject([
    { id, is_self: true, liveness: 'alive', operator_address: nexus.operatorAddress },
  ]);
});

test('a client may take as long for 64 KiB as limits.stall_s says, and no longer (B13)', async () => {
  await using nexus = await world.startNexus({ config: { limits: { stall_s: 1 } } });
  const { hostname, port } = new URL(`http://${nexus.operatorAddress}`);
  const socket = connect(Number(port), hostname);
  socket.write(
    `PUT /v1/system/update/repositories?file_name=slow.zip HTTP/1.1\r\nHost: ${nexus.operatorAddress}\r\n` +
      `Authorization: Bearer ${nexus.token}\r\nContent-Length: 100000\r\n\r\nPK`,
  );
  const [answer] = await once(socket, 'data');
  socket.destroy();
  expect(String(answer)).toMatch(/^HTTP\/1\.1 408 .*BODY_STALLED.*less than 65536 bytes in 1 s/s);
});

test('the debugger of the original reads background tasks and deployed versions without a token where the configuration says so, and nothing else', async () => {
  await using nexus = await world.startNexus({ config: { debug: { plain_listen: '127.0.0.1:0' } } });
  const at = (path: string, init: RequestInit = {}) => fetch(`http://${nexus.debugAddress}${path}`, init);
  await nexus.services.driver.idle();
  const listed = await at('/bgtasks');
  expect(listed.status).toBe(200);
  const tasks = (await listed.json()) as Record<string, BackgroundTaskView>;
  PrunerStatus.parse(await ran(nexus, tasks, 'tuf_repo_pruner', at));
  ReplicationStatus.parse(await ran(nexus, tasks, 'tuf_artifact_replication', at));
  expect((await at('/bgtasks/view/tuf_repo_pruner')).status).toBe(200);
  expect((await at('/bgtasks/view/none')).status).toBe(404);
  DeployedVersions.parse(await (await at('/deployment/update-status')).json());

  const body = JSON.stringify({ bgtask_names: ['tuf_repo_pruner'] });
  const post = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
  expect([404, 405]).toContain((await at('/bgtasks/activate', post)).status);
  expect([404, 405]).toContain((await at('/bgtasks', { method: 'DELETE' })).status);
  for (const path of ['/v1/system/update/repositories', '/v1/fleet/status', '/metrics', '/'])
    expect((await at(path)).status, path).toBe(404);
  expect((await requestWithHost(nexus.debugAddress!, 'evil.example')).status).toBe(421);
  expect((await nexus.fleet.fleetStatus({}, wait)).reasons).toContainEqual(
    expect.objectContaining({ code: 'DEBUG_LISTEN', remedy: expect.stringContaining('debug.plain_listen') }),
  );
});

test('without the setting nothing is read without a token', async () => {
  await using nexus = await world.startNexus();
  expect(nexus.debugAddress).toBeUndefined();
  const { reasons } = await nexus.fleet.fleetStatus({}, wait);
  expect(reasons.map(({ code }) => code)).not.toContain('DEBUG_LISTEN');
});

/** The details of a task in the list, once it has run. */
const ran = async (
  nexus: TestNexus,
  tasks: Record<string, BackgroundTaskView>,
  name: string,
  at: (path: string) => Promise<Response>,
): Promise<unknown> => {
  expect(tasks).toHaveProperty(name);
  nexus.services.driver.activate(name);
  await nexus.services.driver.idle();
  const { last } = ((await (await at('/bgtasks')).json()) as Record<string, BackgroundTaskView>)[name]!;
  if (last.last_result !== 'completed') throw new Error(`${name} has not run`);
  return last.details.details;
};

/** fetch sets the header itself. */
const requestWithHost = async (
  address: string,
  host: string,
): Promise<{ readonly status: number | undefined }> => {
  const request = get(`http://${address}/bgtasks`, { headers: { host }, agent: false });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.resume();
  return { status: answer.statusCode };
};
