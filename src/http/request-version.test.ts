import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { debugApi } from '../api/debug-api.ts';
import { depotArtifactUrl } from '../api/depot-api.ts';
import { internalApi } from '../api/internal-api.ts';
import { operatorUpdateApi } from '../api/operator-update-api.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import { ArtifactHash } from '../core/ids.ts';
import { neverAborts, serveTestApi } from './api.fixture.ts';
import { createApiClient } from './client.ts';
import { openApiDocuments } from './openapi.ts';
import { rawGet } from './raw-get.ts';

const signal = neverAborts();

/** Sends the header as often as it has values. */
const ask = async (address: string, versions: readonly string[]) => {
  const sent = request(`http://${address}/greet/you?times=1`, {
    headers: { 'Api-Version': [...versions] },
  }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, body: (await json(answer)) as Record<string, unknown> };
};

test('a request names no version, or one that the server knows', async () => {
  await using server = await serveTestApi();
  for (const versions of [[], ['2.1.0'], ['2.0.0'], [' 2.0.0 ']])
    expect(await ask(server.address, versions), versions.join()).toMatchObject({ status: 200 });
});

test('a version that is unknown, malformed or repeated is refused with the list of known ones', async () => {
  await using server = await serveTestApi();
  for (const versions of [
    ['1.0.0'],
    ['2.0'],
    [''],
    ['x'.repeat(4_000)],
    ['2.0.0', '2.0.0'],
    ['2.0.0, 2.0.0'],
  ])
    expect(await ask(server.address, versions), versions.join().slice(0, 20)).toMatchObject({
      status: 400,
      body: {
        error_code: expect.any(String),
        message: expect.stringMatching(
          /^the header api-version .{1,120} knows the versions 2\.1\.0, 2\.0\.0$/,
        ),
        detail: { known_versions: '2.1.0, 2.0.0' },
      },
    });
});

/** A peer that keeps the headers of each request, and answers nothing of use. */
const startPeer = async () => {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((asked, response) => {
    seen.push(asked.headers);
    response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return { seen, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

test('requests between processes name the version of their contract, and those of operators name none (AV3)', async () => {
  const { seen, baseUrl } = await startPeer();
  const sha256 = ArtifactHash.parse('a'.repeat(64));
  const params = { sled_id: '00000000-0000-4000-8000-000000000001' };
  await using sled = createApiClient(sledAgentApi, { baseUrl });
  await using nexus = createApiClient(internalApi, { baseUrl });
  await using operator = createApiClient(operatorUpdateApi, { baseUrl });
  await using tasks = createApiClient(debugApi, { baseUrl });
  for (const asked of [
    () => sled.artifactList({}, { signal }),
    () => sled.statementsGet({}, { signal }),
    () => nexus.sledAgentGet({ params: params as never }, { signal }),
    () => rawGet(depotArtifactUrl(baseUrl, sha256), { signal }),
    () => operator.updateStatus({}, { signal }),
    () => tasks.bgtaskList({}, { signal }),
  ])
    await expect(asked()).rejects.toMatchObject({ detail: { status: 404 } });
  expect(seen.map(headers => headers['api-version'])).toEqual([
    '48.0.0',
    '48.0.0',
    '1.0.0',
    '1.0.0',
    undefined,
    undefined,
  ]);
});

test('the APIs of one server and document know the same versions, with that of the document', () => {
  for (const [name, apis] of Object.entries(openApiDocuments)) {
    const [{ version }] = apis;
    for (const api of apis) expect(api.version, `${name}: ${api.title}`).toBe(version);
    expect(version.known, name).toContain(version.contract);
  }
});
