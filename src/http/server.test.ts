import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { oneOperator, serveTestApi } from './api.fixture.ts';
import type { Caller } from './caller.ts';

const quick = { minBytes: 1, intervalMs: 60 };

/** Sends raw text and resolves with everything that came back. */
const exchange = async (port: number, text: string): Promise<string> => {
  const socket = connect(port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
};

test('every refusal has the same shape, with a request id that is also a header', async () => {
  await using server = await serveTestApi();
  const base = `http://${server.address}`;
  const json = { 'content-type': 'application/json' };
  const cases: [string, RequestInit, number, string, RegExp][] = [
    ['/nothing', {}, 404, 'NOT_FOUND', /nothing at \/nothing/],
    ['/note', { method: 'DELETE' }, 405, 'METHOD_NOT_ALLOWED', /only POST/],
    ['/greet/ab', {}, 400, 'INVALID_REQUEST', /query parameter times: /],
    ['/greet/abcdef?times=1', {}, 400, 'INVALID_REQUEST', /path parameter name: /],
    ['/greet/%zz?times=1', {}, 400, 'INVALID_REQUEST', /%zz/],
    ['/note', { method: 'POST', body: '{', headers: json }, 400, 'INVALID_REQUEST', /not valid JSON/],
    ['/note', { method: 'POST', body: '{}', headers: json }, 400, 'INVALID_REQUEST', /body text: /],
    ['/note', { method: 'POST', body: 'x' }, 400, 'INVALID_REQUEST', /Content-Type/],
  ];
  for (const [path, init, status, code, message] of cases) {
    const answer = await fetch(`${base}${path}`, init);
    const body = (await answer.json()) as { error_code: string; message: string; request_id: string };
    expect([path, answer.status, body.error_code]).toEqual([path, status, code]);
    expect(body.message).toMatch(message);
    if (path !== '/greet/%zz?times=1') expect(answer.headers.get('x-request-id')).toBe(body.request_id);
    if (status === 405) expect(answer.headers.get('allow')).toBe('POST');
  }
});

test('a request that is not HTTP is refused in the same shape', async () => {
  await using server = await serveTestApi();
  const answer = await exchange(server.port, 'nonsense\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({ error_code: 'INVALID_REQUEST' });
});

test('an unexpected error is logged, and its details do not reach the client', async () => {
  const logged: unknown[] = [];
  const log = { ...silentLogger, debug: () => undefined, error: (facts: unknown) => logged.push(facts) };
  const secret = new Error('the password is 1234');
  await using server = await serveTestApi({ greet: () => Promise.reject(secret) }, { log: log as never });
  const answer = await fetch(`http://${server.address}/greet/a?times=1`);
  const text = await answer.text();
  expect(answer.status).toBe(500);
  expect(text).toContain('INTERNAL');
  expect(text).not.toContain('1234');
  expect(logged).toEqual([expect.objectContaining({ err: secret, request_id: JSON.parse(text).request_id })]);
});

test('a known error carries its causes, its detail and its Retry-After', async () => {
  const cause = new DepotError('IO', 'the disk said no');
  const busy = new DepotError('SLED_BUSY', 'busy', { cause, detail: { limit: 4, retry_after_s: 3 } });
  await using server = await serveTestApi({ greet: () => Promise.reject(busy) });
  const answer = await fetch(`http://${server.address}/greet/a?times=1`);
  expect(answer.headers.get('retry-after')).toBe('3');
  expect(await answer.json()).toEqual({
    request_id: expect.any(String),
    error_code: 'SLED_BUSY',
    depot_code: 'SLED_BUSY',
    message: 'busy: the disk said no',
    detail: { limit: 4, retry_after_s: 3 },
  });
});

test('every route and page for operators requires a token', async () => {
  const page = { contentType: 'text/plain', content: async () => 'hello' };
  const pages = [
    { ...page, path: '/open', audience: 'public' as const },
    { ...page, path: '/closed', audience: 'operator' as const, role: 'viewer' as const },
  ];
  await using server = await serveTestApi({}, { operators: oneOperator('secret'), pages });
  const get = (path: string, authorization?: string) =>
    fetch(`http://${server.address}${path}`, {
      headers: { ...(authorization && { authorization }) },
    });
  expect((await get('/greet/a?times=1')).status).toBe(200);
  expect((await get('/guarded')).status).toBe(401);
  const wrong = await get('/guarded', 'Bearer secre');
  expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect((await get('/guarded', 'Bearer secret')).status).toBe(204);
  expect((await get('/closed')).status).toBe(401);
  const open = await get('/open');
  expect([await open.text(), open.headers.get('content-type')]).toEqual(['hello', 'text/plain']);
});

test('a handler receives the caller: its address, and the operator where the route is for operators', async () => {
  const callers: Caller[] = [];
  const seen = async ({ caller }: { caller: Caller }) => void callers.push(caller);
  const greet = async (request: { caller: Caller }) => {
    await seen(request);
    return { text: '' };
  };
  await using server = await serveTestApi({ greet, guarded: seen }, { operators: oneOperator('secret') });
  const headers = { authorization: 'Bearer secret' };
  await fetch(`http://${server.address}/greet/a?times=1`, { headers });
  await fetch(`http://${server.address}/guarded`, { headers });
  const address = '127.0.0.1';
  const connected = { address, isLocal: true, claimant: address, peer: { kind: 'plain' } };
  expect(callers).toEqual([
    { ...connected, operator: { kind: 'not_asked' } },
    {
      ...connected,
      operator: { kind: 'known', operator: { id: 'break-glass', role: 'admin' } },
    },
  ]);
});

test('a server without operators serves no route for operators, whatever token is sent', async () => {
  await using server = await serveTestApi();
  const headers = { authorization: 'Bearer secret' };
  const answer = await fetch(`http://${server.address}/guarded`, { headers });
  expect([answer.status, await answer.json()]).toMatchObject([401, { error_code: 'UNAUTHORIZED' }]);
});

test('a server refuses to listen beyond loopback, unless configured to', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org'])
    await expect(serveTestApi({}, { listen: { host, port: 0 } })).rejects.toMatchObject({
      code: 'LISTEN_NOT_LOOPBACK',
      message: expect.stringContaining('listen on a loopback address, or serve TLS'),
    });
  for (const host of ['127.0.0.2', '::1', 'localhost']) {
    await using server = await serveTestApi({}, { listen: { host, port: 0 } });
    expect((await fetch(`http://${server.address}/greet/a?times=1`)).status).toBe(200);
  }
  await using open = await serveTestApi(
    {},
    { listen: { host: '0.0.0.0', port: 0 }, servesNetworkInPlain: true },
  );
  expect(open.port).toBeGreaterThan(0);
});

test('a port in use is named, with the remedy', async () => {
  await using server = await serveTestApi();
  const listen = { host: '127.0.0.1', port: server.port };
  await expect(serveTestApi({}, { listen })).rejects.toMatchObject({
    code: 'ADDRESS_IN_USE',
    message: expect.stringContaining(`127.0.0.1:${server.port}`),
  });
});

test('a body whose announced length is over the limit is refused before its first byte', async () => {
  await using server = await serveTestApi({}, { limits: { streamBodyBytes: 10 } });
  const request = httpRequest({
    port: server.port,
    path: '/blob',
    method: 'PUT',
    headers: { 'content-length': 11, expect: '100-continue' },
  });
  let wasToldToContinue = false;
  request.on('continue', () => (wasToldToContinue = true));
  request.flushHeaders();
  const [answer] = await once(request, 'response');
  expect([answer.statusCode, wasToldToContinue]).toEqual([413, false]);
  request.destroy();
});

test.each([
  ['a form', 'Content-Type: multipart/form-data; boundary=x', 'form'],
  ['compressed', 'Content-Encoding: gzip', 'encoded'],
])(
  'a file that is sent as %s is refused before its first byte, with the way to send it',
  async (_, line, word) => {
    let isHandled = false;
    const put = async () => {
      isHandled = true;
      return { bytes: 0 };
    };
    await using server = await serveTestApi({ put });
    const head = `PUT /blob HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n${line}\r\n\r\n`;
    const answer = await exchange(server.port, head);
    expect(answer).toMatch(/ 400 .*INVALID_REQUEST/s);
    expect(answer).toContain(word);
    expect(answer).toContain('curl --upload-file FILE');
    expect(isHandled).toBe(false);
  },
);

test('a file may come as what curl calls the data of a form, without a form around it', async () => {
  await using server = await serveTestApi();
  const head = 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\nConnection: close';
  expect(await exchange(server.port, `PUT /blob HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\nabc`)).toMatch(
    / 200 .*"bytes":3/s,
  );
});

test('a client that waits for 100 Continue receives it when the handler reads the body', async () => {
  await using server = await serveTestApi();
  const headers = { 'content-length': 3, expect: '100-continue' };
  const request = httpRequest({ port: server.port, path: '/blob', method: 'PUT', headers });
  request.on('continue', () => request.end('abc'));
  request.flushHeaders();
  const [answer] = await once(request, 'response');
  expect(JSON.parse(String((await answer.toArray()).join('')))).toEqual({ bytes: 3, announced: 3 });
});

test('a body of unknown length is refused as soon as it exceeds the limit', async () => {
  await using server = await serveTestApi({}, { limits: { streamBodyBytes: 10, jsonBodyBytes: 10 } });
  const chunked =
    'Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nb\r\n12345678901\r\n';
  expect(await exchange(server.port, `PUT /blob HTTP/1.1\r\n${chunked}`)).toMatch(/ 413 .*BODY_TOO_LARGE/s);
  expect(await exchange(server.port, `POST /note HTTP/1.1\r\n${chunked}`)).toMatch(/ 413 .*BODY_TOO_LARGE/s);
});

test('an early refusal reaches a client that reads only when it has sent everything', async () => {
  const busy = new DepotError('SLED_BUSY', 'busy');
  await using server = await serveTestApi({ put: () => Promise.reject(busy) });
  const socket = connect(server.port, '127.0.0.1');
  socket.pause();
  const sizeBytes = 6_000_000;
  socket.write(`PUT /blob HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${sizeBytes}\r\n\r\n`);
  await new Promise<void>((resolve, reject) => {
    socket.write(Buffer.alloc(sizeBytes - 1), error => (error ? reject(error) : resolve()));
  });
  const [answer] = await once(socket.resume(), 'data');
  expect(String(answer)).toMatch(/^HTTP\/1\.1 429 .*connection: close.*SLED_BUSY/is);
  socket.destroy();
});

test('a client that stops sending is answered that it stalled, and a cut body is an error of the reader (B13)', async () => {
  const seen: unknown[] = [];
  const put = async ({ body }: { body: { chunks: AsyncIterable<Uint8Array> } }) => {
    try {
      for await (const _ of body.chunks);
    } catch (error) {
      seen.push((error as DepotError).message.replace(/;.*/, ''));
      throw error;
    }
    return { bytes: 0 };
  };
  await using server = await serveTestApi({ put }, { limits: { progress: quick } });
  const part = 'PUT /blob HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345';
  expect(await exchange(server.port, part)).toMatch(/^HTTP\/1\.1 408 .*BODY_STALLED/s);
  await using patient = await serveTestApi({ put });
  const cutting = connect(patient.port, '127.0.0.1');
  cutting.end(part);
  await expect
    .poll(() => seen)
    .toEqual(['the client sent less than 1 bytes in 0.06 s', 'the client disconnected after 5 of 10 bytes']);
});

test('a slow handler does not make its client count as stalled (B13)', async () => {
  // Time passes while the handler works, and at no other time, however busy this machine is.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const put = async ({ body }: { body: { chunks: AsyncIterable<Uint8Array> } }) => {
    let bytes = 0;
    for await (const chunk of body.chunks) {
      bytes += chunk.byteLength;
      vi.advanceTimersByTime(5_000);
    }
    return { bytes };
  };
  const progress = { minBytes: 1, intervalMs: 500 };
  await using server = await serveTestApi({ put }, { limits: { progress } });
  const answer = await fetch(`http://${server.address}/blob`, {
    method: 'PUT',
    body: new Uint8Array(2_000_000),
  });
  expect(await answer.json()).toEqual({ bytes: 2_000_000 });
});

test("a handler's signal aborts when its client disconnects", async () => {
  const started = Promise.withResolvers<AbortSignal>();
  const greet = ({ signal }: { signal: AbortSignal }) => {
    started.resolve(signal);
    return once(signal, 'abort').then(() => ({ text: '' }));
  };
  await using server = await serveTestApi({ greet });
  const controller = new AbortController();
  const answer = fetch(`http://${server.address}/greet/a?times=1`, { signal: controller.signal });
  const signal = await started.promise;
  controller.abort();
  await expect(answer).rejects.toThrow();
  await expect.poll(() => signal.aborted).toBe(true);
});

test('a client that disconnects with pipelined requests leaves nothing behind', async () => {
  const started = Promise.withResolvers<void>();
  const greet = async ({ query, signal }: { query: { times: number }; signal: AbortSignal }) => {
    if (query.times === 2) started.resolve();
    if (query.times === 1) await once(signal, 'abort');
    return { text: '' };
  };
  const server = await serveTestApi({ greet }, { limits: { drainTimeoutMs: 1e9 } });
  const socket = connect(server.port, '127.0.0.1');
  const text = 'GET /greet/a?times=1 HTTP/1.1\r\nHost: localhost\r\n\r\n';
  socket.write(text + text.replace('=1', '=2'));
  await started.promise;
  socket.destroy();
  await server[Symbol.asyncDispose]();
});

test('stopping lets running requests finish, refuses new ones, and frees the port (S15)', async () => {
  const [started, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const greet = async ({ query, signal }: { query: { times: number }; signal: AbortSignal }) => {
    started.resolve();
    await release.promise;
    signal.throwIfAborted();
    return { text: `${query.times}` };
  };
  const stop = new AbortController();
  const refused = Promise.withResolvers<void>();
  const noteRefusal = ({ err }: { err?: unknown }) => {
    if (errorCodeOf(err) === 'SHUTTING_DOWN') refused.resolve();
  };
  const log = { ...silentLogger, debug: noteRefusal, error: noteRefusal };
  const server = await serveTestApi({ greet }, { signal: stop.signal, log });
  const text = 'GET /greet/a?times=1 HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const socket = connect(server.port, '127.0.0.1');
  const answers = socket.toArray();
  socket.write(text);
  await started.promise;
  stop.abort();
  await expect(fetch(`http://${server.address}/greet/a?times=3`)).rejects.toThrow();
  socket.write(text);
  await refused.promise;
  release.resolve();
  await server[Symbol.asyncDispose]();
  expect((await answers).join('')).toMatch(/200 OK.*"text":"1".*503 .*SHUTTING_DOWN/s);
  await using _again = await serveTestApi({}, { listen: { host: '127.0.0.1', port: server.port } });
});

test('a request that does not finish by itself is aborted at the drain deadline (S15)', async () => {
  const started = Promise.withResolvers<void>();
  const greet = async ({ signal }: { signal: AbortSignal }): Promise<never> => {
    started.resolve();
    await once(signal, 'abort');
    throw signal.reason;
  };
  const server = await serveTestApi({ greet }, { limits: { drainTimeoutMs: 30 } });
  const answer = fetch(`http://${server.address}/greet/a?times=1`);
  await started.promise;
  await server[Symbol.asyncDispose]();
  expect(await (await answer).json()).toMatchObject({ error_code: 'SHUTTING_DOWN' });
});
