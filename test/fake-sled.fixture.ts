/** Fake sleds: servers of the test that register like any sled, with handlers of the test. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { internalApi } from '../src/api/internal-api.ts';
import { createApiClient } from '../src/http/client.ts';
import { approvePlain, type TestNexus } from './fleet-members.fixture.ts';
import { wait } from './fleet-process.fixture.ts';

export type FakeSled = AsyncDisposable & { readonly baseUrl: string };

/** Starts a server with these handlers, and registers it as a sled agent and depot. */
export const registerSled = async (
  nexus: TestNexus,
  serial: string,
  behave: RequestListener,
): Promise<FakeSled> => {
  await using undo = new AsyncDisposableStack();
  const server = createServer(behave).listen(0, '127.0.0.1');
  undo.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using client = createApiClient(internalApi, { baseUrl: `http://${nexus.internalAddress()}` });
  const body = {
    sa_address: `127.0.0.1:${port}`,
    repo_depot_port: port,
    role: 'gimlet' as const,
    baseboard: { serial, part: 'rubbish', revision: 0 },
    usable_hardware_threads: 1,
    usable_physical_ram: 0,
    reservoir_size: 0,
    cpu_family: 'unknown' as const,
    generation: 1,
    decommissioned: false,
  };
  const sled_id = crypto.randomUUID();
  await approvePlain(nexus, sled_id);
  await client.sledAgentPut({ params: { sled_id }, body }, wait);
  const owned = undo.move();
  return { baseUrl: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => owned.disposeAsync() };
};

export type FakeConfig = { generation: number; artifacts: string[]; sizes: Record<string, number> };

/**
 * Accepts every config, and lists what `list` makes of it. It does not compare points, so Nexus reads its config.
 *
 * @param told the config that it reports
 */
export const obedient = (
  list: (config: FakeConfig) => object,
  otherwise: RequestListener,
  told: (config: FakeConfig) => FakeConfig = config => config,
): RequestListener => {
  let config: FakeConfig = { generation: 1, artifacts: [], sizes: {} };
  return async (request, response) => {
    if (request.method === 'PUT' && request.url === '/artifacts-config') {
      config = JSON.parse(await text(request)) as FakeConfig;
      response.writeHead(204).end();
    } else if (request.url === '/artifacts-config' || request.url === '/artifacts') {
      const answer = request.url === '/artifacts' ? list(config) : told(config);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    } else otherwise(request, response);
  };
};
