import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { replaceableCredentials, testFleetIdentity } from '../identity/identity.fixture.ts';
import { DepotError } from '../lib/errors.ts';
import { neverAborts, oneOperator, serveTestApi, testApi } from './api.fixture.ts';
import { createApiClient } from './client.ts';

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A peer that sends `answer` to every client, and reads the request only if `reads` is set. */
const peer = async (answer: string | undefined, { reads = true } = {}): Promise<string> => {
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (!reads) return void socket.pause();
    socket.once('data', () => answer !== undefined && socket.end(answer));
  });
  servers.push(server);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
};

const signal = neverAborts();
const greet = (baseUrl: string, timeouts = {}) =>
  createApiClient(testApi, { baseUrl, timeouts }).greet(
    { params: { name: 'a' }, query: { times: 1 } },
    { signal },
  );
const chunksOf = async function* (sizeBytes: number) {
  for (let left = sizeBytes; left > 0; left -= 100_000) yield new Uint8Array(Math.min(left, 100_000));
};

test('a client calls a server through the contract', async () => {
  await using server = await serveTestApi({}, { operators: oneOperator('t') });
  await using client = createApiClient(testApi, { baseUrl: `http://${server.address}/`, token: 't' });
  expect(await client.greet({ params: { name: 'a/b ä' }, query: { times: 3 } }, { signal })).toEqual({
    text: '3 a/b ä undefined',
  });
  expect(await client.guarded({}, { signal }), 'with its token').toBeUndefined();
  expect(await client.note({ body: { text: 'x' } }, { signal })).toEqual({
    body: undefined,
    headers: { 'x-floor': '7' },
  });
});

test('an upload streams, and reports its progress', async () => {
  await using server = await serveTestApi();
  await using client = createApiClient(testApi, { baseUrl: `http://${server.address}` });
  const sums: number[] = [];
  const body = {
    sizeBytes: 4_000_000,
    chunks: chunksOf(4_000_000),
    onProgress: (sent: number) => sums.push(sent),
  };
  expect(await client.put({ body }, { signal })).toEqual({ bytes: 4_000_000, announced: 4_000_000 });
  expect(sums.length, 'each chunk, some in pieces').toBeGreaterThanOrEqual(40);
  expect(sums.at(-1)).toBe(4_000_000);
  expect(sums).toEqual(sums.toSorted((a, b) => a - b));
});

test('a source may use the memory of a chunk again as soon as the next one is pulled', async () => {
  const CHUNKS = 20_000; // more than the queues of both ends hold
  const received: Uint8Array[] = [];
  await using server = await serveTestApi({
    put: async ({ body }) => {
      await delay(50); // so that what the source sends stands in queues for a while
      for await (const chunk of body.chunks) received.push(Uint8Array.from(chunk));
      return { bytes: 0, announced: 0 };
    },
  });
  await using client = createApiClient(testApi, { baseUrl: `http://${server.address}` });
  const memory = new Uint8Array(1_000);
  const chunks = async function* () {
    for (let n = 0; n < CHUNKS; n += 1) yield memory.fill(n % 251);
  };
  await client.put({ body: { sizeBytes: CHUNKS * 1_000, chunks: chunks() } }, { signal });
  const expected = Buffer.concat(Array.from({ length: CHUNKS }, (_, n) => Buffer.alloc(1_000, n % 251)));
  expect(Buffer.concat(received).equals(expected)).toBe(true);
});

test("a peer's error keeps its code, status, words, facts and when to come again", async () => {
  const refusal = new DepotError('NO_SPACE', 'full', { detail: { free_bytes: 3 } });
  await using server = await serveTestApi({
    greet: () => Promise.reject(refusal),
    put: () => Promise.reject(new DepotError('SLED_BUSY', 'busy', { detail: { retry_after_s: 4 } })),
  });
  const baseUrl = `http://${server.address}`;
  await expect(greet(baseUrl)).rejects.toMatchObject({
    code: 'NO_SPACE',
    message: `${server.address} answered 507: full`,
    detail: { status: 507, free_bytes: 3, peer: server.address },
  });
  // Refused while the body is still on its way.
  const body = { sizeBytes: 6_000_000, chunks: chunksOf(6_000_000) };
  await expect(createApiClient(testApi, { baseUrl }).put({ body }, { signal })).rejects.toMatchObject({
    code: 'SLED_BUSY',
    detail: { status: 429, retry_after_s: 4 },
  });
});

const http = (text: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;

test.each([
  ['HTML', http('<html>'), /not JSON: "<html>"/],
  ['JSON of another shape', http('{"text":3}'), /violates its contract: text: /],
  ['another status', http('{"text":"a"}', '201 Created'), /answered 201/],
  ['a redirect', http('', '302 Found'), /answered 302/],
  ['an error page', http('<html>', '502 Bad Gateway'), /answered 502 with "<html>"/],
  [
    'an error code that is not ours',
    http('{"request_id":"r","error_code":"X","message":"m"}', '500 X'),
    /500: m/,
  ],
  ['no HTTP', 'SSH-2.0-x\r\n\r\n', /did not answer with valid HTTP/],
])('a peer that answers with %s is a bad answer', async (_, answer, message) => {
  await expect(greet(await peer(answer))).rejects.toMatchObject({
    code: 'PEER_BAD_ANSWER',
    message: expect.stringMatching(message),
  });
});

test('a server with TLS that is asked over http:// is named, with the address to try', async () => {
  const identity = testFleetIdentity();
  const credentials = replaceableCredentials(identity.issue('nexus'));
  await using server = await serveTestApi({}, { credentials });
  await expect(greet(`http://${server.address}`)).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    message: expect.stringContaining('as a server does that speaks TLS (https) alone'),
  });
});

test('a peer that refuses or drops the connection is unreachable', async () => {
  await expect(greet('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
  await expect(greet(await peer(''))).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
  await expect(greet('http://no-such-host.invalid')).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
});

test('a peer that does not answer, or stops in the middle, is stalled', async () => {
  const timeouts = { answerTimeoutMs: 50 };
  await expect(greet(await peer(undefined), timeouts)).rejects.toMatchObject({
    code: 'PEER_STALLED',
    message: expect.stringContaining('greet'),
  });
  const server = await peer('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{');
  await expect(greet(server, timeouts)).rejects.toMatchObject({
    code: expect.stringMatching(/STALLED|UNREACHABLE/),
  });
});

test('a peer that stops reading an upload is stalled, however long the whole may take (B13)', async () => {
  const baseUrl = await peer(undefined, { reads: false });
  const client = createApiClient(testApi, {
    baseUrl,
    timeouts: { progress: { minBytes: 1, intervalMs: 80 } },
  });
  const body = { sizeBytes: 50_000_000, chunks: chunksOf(50_000_000) };
  await expect(client.put({ body }, { signal })).rejects.toMatchObject({ code: 'PEER_STALLED' });
});

test('a slow peer that goes on reading is not stalled, although a large chunk takes it longer than the deadline (B13)', async () => {
  const sizeBytes = 24 * 1024 ** 2;
  let readBytes = 0;
  const slow = createServer(socket => {
    socket.on('error', () => undefined);
    socket.on('data', data => {
      readBytes += data.length;
      socket.pause();
      setTimeout(() => socket.resume(), (data.length / 4_000_000) * 1000);
      if (readBytes >= sizeBytes)
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{"bytes":1,"announced":1}');
    });
  });
  await new Promise<void>(resolve => slow.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = slow.address() as AddressInfo;
    const client = createApiClient(testApi, {
      baseUrl: `http://127.0.0.1:${port}`,
      timeouts: { progress: { minBytes: 64 * 1024, intervalMs: 1000 } },
    });
    // Four megabytes a second, in chunks that take it three seconds.
    const chunks = async function* () {
      for (let sent = 0; sent < sizeBytes; sent += sizeBytes / 2) yield new Uint8Array(sizeBytes / 2);
    };
    expect(await client.put({ body: { sizeBytes, chunks: chunks() } }, { signal })).toBeDefined();
  } finally {
    slow.close();
  }
});

test("a fault of the upload's source is passed on, and its generator is closed", async () => {
  await using server = await serveTestApi();
  const client = createApiClient(testApi, { baseUrl: `http://${server.address}` });
  let isClosed = false;
  const failing = async function* () {
    try {
      yield new Uint8Array(10);
      throw new Error('the disk is gone');
    } finally {
      isClosed = true;
    }
  };
  await expect(client.put({ body: { sizeBytes: 20, chunks: failing() } }, { signal })).rejects.toThrow(
    'the disk is gone',
  );
  expect(isClosed).toBe(true);
  await expect(
    client.put({ body: { sizeBytes: 20, chunks: chunksOf(10) } }, { signal }),
  ).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringContaining('10 bytes, not 20'),
  });
});

test('an abort ends a call with its reason', async () => {
  const controller = new AbortController();
  const client = createApiClient(testApi, { baseUrl: await peer(undefined) });
  const call = client.note({ body: { text: '' } }, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 20);
  await expect(call).rejects.toThrow('enough');
});

test('a call that was answered before its source ended leaves no timer behind, which would keep the process alive', async () => {
  await using server = await serveTestApi();
  await using client = createApiClient(testApi, {
    baseUrl: `http://${server.address}`,
    timeouts: { answerTimeoutMs: 54_321 },
  });
  const [answered, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const started = vi.spyOn(globalThis, 'setTimeout');
  const chunks = (async function* () {
    try {
      yield new Uint8Array(1_000);
      await answered.promise;
    } finally {
      ended.resolve();
    }
  })();
  await client.put({ body: { sizeBytes: 1_000, chunks } }, { signal });
  answered.resolve();
  await ended.promise;
  await new Promise(resolve => setImmediate(resolve));
  expect(started.mock.calls.filter(([, ms]) => ms === 54_321)).toEqual([]);
  started.mockRestore();
});
