import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { MAX_LISTED_EVENTS } from '../api/sled-agent-api.ts';
import { asGeneration } from '../core/ids.ts';
import { DEFAULT_PROGRESS } from '../http/progress.ts';
import { rawGet } from '../http/raw-get.ts';
import { systemClock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { createCopies } from './copy.ts';
import { hashOf, neverAborts, startTestSled, type TestSled } from './sled.fixture.ts';
import { createSlots } from './slots.ts';

const signal = neverAborts();
/** A sled waits so long for a source that is only slow, on a busy machine. */
const PATIENT_S = 100;
const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) server.close();
});

/** A source that answers with whatever `answer` writes. */
const source = async (
  answer: (socket: Socket) => void,
): Promise<{ url: string; connections: () => number }> => {
  let connections = 0;
  const server = createServer(socket => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  });
  servers.push(server);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    connections: () => connections,
  };
};

const list = (sled: TestSled) => sled.client.artifactList({}, { signal });
const idle = (sled: TestSled) => expect.poll(async () => (await list(sled)).copies_in_flight).toEqual([]);
const head = (length: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;

test('two sleds copy from each other until both hold everything (S5, S19)', async () => {
  await using a = await startTestSled();
  await using b = await startTestSled();
  const [left, right] = [randomBytes(5_000_000), randomBytes(3_000_001)];
  const generation = await a.want(left, right);
  expect(await b.want(left, right)).toBe(generation);
  await a.put(left, generation);
  await b.put(right, generation);
  expect(await a.copy(hashOf(right), b.depotUrl)).toEqual({});
  expect(await b.copy(hashOf(left), a.depotUrl)).toEqual({});
  for (const sled of [a, b]) {
    await idle(sled);
    expect(await list(sled)).toMatchObject({
      list: { [hashOf(left)]: 2, [hashOf(right)]: 2 },
      copies_completed_total: 1,
      copies_failed_total: 0,
    });
    const answer = await fetch(`${sled.depotUrl}/artifact/sha256/${hashOf(left)}`);
    expect(hashOf(new Uint8Array(await answer.arrayBuffer()))).toBe(hashOf(left));
  }
});

test.each([
  ['sends HTML', (socket: Socket) => socket.end('<html></html>\r\n\r\n'), /status line/],
  ['does not hold it', (socket: Socket) => socket.end('HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n'), /404/],
  [
    'has another length',
    (socket: Socket) => socket.end(`${head(4)}abcd`),
    /has 4 bytes .* whose length is 3/,
  ],
  ['hangs up', (socket: Socket) => socket.destroy(), /closed the connection/],
  [
    'never ends its head',
    (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(4_000)}`),
    /16384/,
  ],
  ['says nothing', () => undefined, /did not begin to answer/, 0.2],
] as const)(
  'a source that %s is refused in the answer, and named in the list (P10)',
  async (_, answer, message, stall_s: number = PATIENT_S) => {
    await using sled = await startTestSled({ intervals: { stall_s } });
    await sled.want('abc');
    const { url } = await source(answer);
    await expect(sled.copy(hashOf('abc'), url)).rejects.toMatchObject({
      code: 'COPY_SOURCE',
      message: expect.stringMatching(message),
    });
    expect(await list(sled)).toMatchObject({
      list: {},
      copies_in_flight: [],
      copies_failed_total: 1,
      copies_failed: [
        {
          sha256: hashOf('abc'),
          depot_base_url: url,
          error_code: 'COPY_SOURCE',
          message: expect.stringMatching(message),
        },
      ],
    });
  },
);

test.each([
  ['an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nSECRET', /more than|whose length/],
  ['an error of its own', `HTTP/1.1 403 SECRET\r\nContent-Length: 6\r\n\r\nSECRET`, /answered 403/],
  [
    'an error of a depot',
    `HTTP/1.1 404 X\r\nContent-Length: 67\r\n\r\n${'{"request_id":"SECRET","error_code":"NOT_FOUND","message":"SECRET"}'}`,
    /answered 404/,
  ],
  ['a greeting of another protocol', 'SSH-2.0-SECRET\r\n\r\n', /status line/],
  ['an odd header', 'HTTP/1.1 200 OK\r\nSECRET\r\n\r\n', /header line/],
  [
    'an encoding',
    'HTTP/1.1 200 OK\r\nContent-Encoding: SECRET\r\nContent-Length: 4\r\n\r\n',
    /Content-Encoding/,
  ],
  ['an odd length', 'HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n', /Content-Length/],
  [
    'a redirect',
    'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/SECRET\r\nContent-Length: 0\r\n\r\n',
    /answered 302/,
  ],
])(
  'nothing of what a source sends is told to the one who ordered the copy: %s (T5)',
  async (_, answer, message) => {
    await using sled = await startTestSled({ intervals: { stall_s: PATIENT_S } });
    await sled.want('abcd');
    const { url, connections } = await source(socket => socket.end(answer));
    const refusal = await sled.copy(hashOf('abcd'), url).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'COPY_SOURCE', message: expect.stringMatching(message) });
    expect(JSON.stringify([refusal, (refusal as Error).message])).not.toContain('SECRET');
    expect(JSON.stringify(await list(sled))).not.toContain('SECRET');
    expect(connections()).toBe(1);
  },
);

test.each([
  ['is cut', (socket: Socket) => socket.end(`${head(3)}ab`), 'PEER_UNREACHABLE'],
  ['has other bytes', (socket: Socket) => socket.end(`${head(3)}abd`), 'ARTIFACT_HASH_MISMATCH'],
])('a copy that %s after its 202 fails in the list, and leaves nothing (B7, G5)', async (_, answer, code) => {
  await using sled = await startTestSled({ intervals: { stall_s: PATIENT_S } });
  await sled.want('abc');
  const { url } = await source(answer);
  await sled.copy(hashOf('abc'), url);
  await idle(sled);
  expect(await list(sled)).toMatchObject({
    list: {},
    copies_completed_total: 0,
    copies_failed_total: 1,
    copies_failed: [{ sha256: hashOf('abc'), error_code: code }],
  });
  const good = await source(socket => socket.end(`${head(3)}abc`));
  await sled.copy(hashOf('abc'), good.url);
  await idle(sled);
  expect((await list(sled)).list).toEqual({ [hashOf('abc')]: 2 });
});

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

test('a copy from a source that sends chunks without a length is stored, and bounded by the length of the config (P10, G5)', async () => {
  await using sled = await startTestSled({ intervals: { stall_s: PATIENT_S } });
  await sled.want('abc');
  const outcomes = [
    ['2\r\nab\r\n0\r\n\r\n', 'ARTIFACT_HASH_MISMATCH'],
    ['2\r\nab\r\n1\r\nx\r\n0\r\n\r\n', 'ARTIFACT_HASH_MISMATCH'],
    ['4\r\nabcd\r\n', 'PEER_BAD_ANSWER'],
    ['2\r\nab\r\n', 'PEER_UNREACHABLE'],
  ] as const;
  for (const [body, code] of outcomes) {
    const bad = await source(socket => socket.end(`${CHUNKED}${body}`));
    await sled.copy(hashOf('abc'), bad.url);
    await idle(sled);
    expect((await list(sled)).copies_failed?.at(-1), body).toMatchObject({ error_code: code });
  }
  expect((await list(sled)).list).toEqual({});
  const good = await source(socket => socket.end(`${CHUNKED}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`));
  await sled.copy(hashOf('abc'), good.url);
  await idle(sled);
  expect((await list(sled)).list).toEqual({ [hashOf('abc')]: 2 });
});

test('a copy whose source falls silent after its 202 fails, and leaves nothing (B7, B13)', async () => {
  await using sled = await startTestSled();
  const generation = await sled.want('abc');
  const { url } = await source(socket => socket.write(`${head(3)}ab`));
  await using copies = createCopies({
    ...{ store: sled.agent.store, clock: systemClock, log: silentLogger, slots: createSlots(1, 'copies') },
    maxArtifactBytes: 1_000,
    // A stall is noticed soon, but only after the answer has begun.
    progress: { minBytes: 1, intervalMs: 50 },
    fetchArtifact: (at, options) => rawGet(at, { ...options, answerTimeoutMs: PATIENT_S * 1_000 }),
  });
  await copies.start({ sha256: hashOf('abc'), generation, depotBaseUrl: url }, undefined);
  await expect.poll(() => copies.report().failedTotal).toBe(1);
  expect(copies.report()).toMatchObject({
    inFlight: [],
    completedTotal: 0,
    failed: [{ sha256: hashOf('abc'), errorCode: 'PEER_STALLED' }],
  });
  expect(await sled.put('abc', generation)).toEqual({ datasets: 2, successful_writes: 2 });
});

test('a copy in flight is listed, and a repeated request neither fails nor fetches twice (B7)', async () => {
  await using sled = await startTestSled();
  const generation = await sled.want('abc');
  const finish = Promise.withResolvers<void>();
  const { url, connections } = await source(async socket => {
    socket.write(`${head(3)}ab`);
    await finish.promise;
    socket.end('c');
  });
  await Promise.all([sled.copy(hashOf('abc'), url), sled.copy(hashOf('abc'), url)]);
  await sled.copy(hashOf('abc'), url);
  await expect
    .poll(async () => (await list(sled)).copies_in_flight)
    .toEqual([
      {
        sha256: hashOf('abc'),
        depot_base_url: url,
        received_bytes: 2,
        size_bytes: 3,
        time_started: expect.stringMatching(/Z$/),
      },
    ]);
  finish.resolve();
  await idle(sled);
  expect(connections()).toBe(1);
  expect(await list(sled)).toMatchObject({
    generation,
    copies_completed_total: 1,
    list: { [hashOf('abc')]: 2 },
  });
});

test('with every slot taken a copy is answered 429 (B14)', async () => {
  await using sled = await startTestSled({ limits: { copies: 1 } });
  await sled.want('abc', 'def');
  const { url } = await source(socket => socket.write(`${head(3)}a`));
  await sled.copy(hashOf('abc'), url);
  await expect(sled.copy(hashOf('def'), url)).rejects.toMatchObject({
    code: 'SLED_BUSY',
    detail: { status: 429, retry_after_s: 1 },
  });
});

test('a copy at another generation, or of an unwanted artifact, contacts no source (P2)', async () => {
  await using sled = await startTestSled();
  const generation = await sled.want('abc');
  const { url, connections } = await source(socket => socket.destroy());
  const copy = (text: string, at: number) =>
    sled.client.artifactCopyFromDepot(
      {
        params: { sha256: hashOf(text) },
        query: { generation: asGeneration(at) },
        body: { depot_base_url: url },
      },
      { signal },
    );
  await expect(copy('abc', generation - 1)).rejects.toMatchObject({ code: 'ARTIFACT_GENERATION' });
  await expect(copy('xyz', generation)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_IN_CONFIG' });
  await expect(
    fetch(
      `http://${sled.agent.agentAddress}/artifacts/${hashOf('abc')}/copy-from-depot?generation=${generation}`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ depot_base_url: 'file:///etc/passwd' }),
      },
    ).then(answer => answer.status),
  ).resolves.toBe(400);
  expect(connections()).toBe(0);
});

test('a stop ends copies in flight, however long they might still take (S15)', async () => {
  const sled = await startTestSled({ intervals: { stall_s: 86_400 } });
  await sled.want('abc');
  const { url } = await source(socket => socket.write(`${head(3)}a`));
  await sled.copy(hashOf('abc'), url);
  await sled[Symbol.asyncDispose]();
});

test('however many copies fail, the list of failures stays bounded and the total does not (B12)', async () => {
  const refuse = {
    config: () => undefined,
    beginWrite: () => Promise.reject(new DepotError('NO_SPACE', 'full')),
  };
  const dependencies = {
    clock: systemClock,
    log: silentLogger,
    slots: createSlots(4, 'copies'),
    maxArtifactBytes: 1_000,
    progress: DEFAULT_PROGRESS,
  };
  await using copies = createCopies({ ...dependencies, fetchArtifact: rawGet, store: refuse });
  for (let at = 0; at < MAX_LISTED_EVENTS + 10; at += 1) {
    const request = {
      sha256: hashOf(String(at)),
      generation: asGeneration(1),
      depotBaseUrl: 'http://127.0.0.1:1',
    };
    await expect(copies.start(request, undefined)).rejects.toMatchObject({ code: 'NO_SPACE' });
  }
  const { failed, failedTotal } = copies.report();
  expect([failed.length, failedTotal]).toEqual([MAX_LISTED_EVENTS, MAX_LISTED_EVENTS + 10]);
  expect(failed.at(-1)?.sha256).toBe(hashOf(String(MAX_LISTED_EVENTS + 9)));
});
