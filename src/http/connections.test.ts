/** Real sockets on loopback, whose addresses 127.0.0.1, 127.0.0.2 … are peers of their own. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket, type TcpNetConnectOpts } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../lib/log.ts';
import { serveTestApi } from './api.fixture.ts';
import { createConnections } from './connections.ts';

const GET = 'GET /greet/a?times=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

const open = (port: number, localAddress: string): Promise<Socket> =>
  opened({ port, host: '127.0.0.1', localAddress });

const opened = async (to: TcpNetConnectOpts): Promise<Socket> => {
  const socket = connect(to);
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
};

/** `closed`, or the status of the answer to a request on this connection. */
const ask = async (socket: Socket, request = GET): Promise<string> => {
  const answer = once(socket, 'data').then(([chunk]) => String(chunk).slice(9, 12));
  const closed = once(socket, 'close').then(() => 'closed');
  socket.write(request);
  return Promise.race([answer, closed]);
};

/** Read from now on, so that a reset at its end takes nothing away. */
const textUntilClosed = async (socket: Socket): Promise<string> => {
  let text = '';
  socket.on('data', chunk => {
    text += chunk;
  });
  await once(socket, 'close');
  return text;
};

/** A server whose handler waits, so that requests run until the test lets them end. */
const serveWaiting = async (options: Parameters<typeof serveTestApi>[1]) => {
  const begun: string[] = [];
  const release = Promise.withResolvers<void>();
  const server = await serveTestApi(
    {
      async greet({ params: { name }, caller: { address = '' } }) {
        if (name === 'wait') {
          begun.push(address);
          await release.promise;
        }
        return { text: name };
      },
    },
    options,
  );
  return {
    server,
    begun,
    release,
    async [Symbol.asyncDispose]() {
      release.resolve();
      await server[Symbol.asyncDispose]();
    },
  };
};
const WAIT = GET.replace('/greet/a', '/greet/wait');

const limits = (total: number, perPeer: number, kept: number) => ({
  limits: { connections: { total, perPeer, kept } },
});

test('idle connections of one address shut nobody out, not even that address: the longest idle one is closed (T5, CNX1)', async () => {
  await using served = await serveWaiting(limits(64, 4, 0));
  const { port } = served.server;
  const idle: Socket[] = [];
  for (let count = 0; count < 4; count += 1) idle.push(await open(port, '127.0.0.1'));
  const [first, second, third] = idle as [Socket, Socket, Socket];
  // The oldest one was used since; when its second answer begins, the first one has ended.
  for (let count = 0; count < 2; count += 1) expect(await ask(first)).toBe('200');
  expect(await ask(await open(port, '127.0.0.1'))).toBe('200');
  await expect.poll(() => second.closed).toBe(true);
  expect(await ask(first)).toBe('200');
  expect(await ask(third)).toBe('200');
  expect(await ask(await open(port, '127.0.0.2'))).toBe('200');
});

/** Both listen on one port, as one server on all addresses does. */
const serveBoth = async (opened: (socket: Socket) => void) => {
  const [first, second] = [createServer(opened), createServer(opened)];
  onTestFinished(() => {
    for (const server of [first, second]) server.close();
  });
  await once(first.listen(0, '127.0.0.1'), 'listening');
  const { port } = first.address() as AddressInfo;
  await once(second.listen(port, '127.0.0.3'), 'listening');
  return port;
};

test('connections from one port to two addresses of a server count as two: the idle one gives way, not the busy one (CNX1, CNX2)', async () => {
  const taken: Socket[] = [];
  const { limits: bounds } = limits(2, 2, 0);
  const connections = createConnections(bounds.connections, { known: undefined, log: silentLogger });
  const port = await serveBoth(socket => {
    taken.push(socket);
    connections.opened(socket);
  });
  const from = { port, localAddress: '127.0.0.2' };
  const busy = await opened({ ...from, host: '127.0.0.1' });
  const idle = await opened({ ...from, host: '127.0.0.3', localPort: busy.localPort! });
  await expect.poll(() => taken.length).toBe(2);
  connections.began(taken.find(({ localAddress }) => localAddress === '127.0.0.1')!);
  await opened({ ...from, host: '127.0.0.1' });
  await once(idle, 'close');
  await expect.poll(() => taken.map(({ destroyed }) => destroyed)).toEqual([false, true, false]);
  connections.closeAll();
  expect(taken.map(({ destroyed }) => destroyed)).toEqual([true, true, true]);
});

test('idle connections of known peers give way too, when they are all there are (CNX1)', async () => {
  const known = ['127.0.0.1', '127.0.0.2'];
  await using served = await serveWaiting({ ...limits(6, 2, 3), knownPeers: () => new Set(known) });
  for (const address of known)
    for (let count = 0; count < 3; count += 1) await open(served.server.port, address);
  expect(await ask(await open(served.server.port, '127.0.0.9'))).toBe('200');
  expect(await ask(await open(served.server.port, '127.0.0.1'))).toBe('200');
});

test('idle connections from many addresses do not either', async () => {
  await using served = await serveWaiting(limits(12, 4, 4));
  for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.4'])
    for (let count = 0; count < 4; count += 1) await open(served.server.port, address);
  expect(await ask(await open(served.server.port, '127.0.0.9'))).toBe('200');
});

test('an address whose connections are all busy is refused more, and no other one is (CNX2)', async () => {
  await using served = await serveWaiting(limits(64, 3, 0));
  const { port } = served.server;
  for (let count = 0; count < 3; count += 1) (await open(port, '127.0.0.2')).write(WAIT);
  await expect.poll(() => served.begun.length).toBe(3);
  expect(await ask(await open(port, '127.0.0.2'))).toBe('closed');
  expect(await ask(await open(port, '127.0.0.3'))).toBe('200');
});

test('busy strangers from many addresses leave places for a known peer', async () => {
  await using served = await serveWaiting({ ...limits(6, 2, 2), knownPeers: () => new Set(['127.0.0.1']) });
  const { port } = served.server;
  for (const address of ['127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.3'])
    (await open(port, address)).write(WAIT);
  await expect.poll(() => served.begun.length).toBe(4);
  expect(await ask(await open(port, '127.0.0.4'))).toBe('closed');
  expect(await ask(await open(port, '127.0.0.1'))).toBe('200');
});

test('a connection on which no request arrives in time is closed, and says so', async () => {
  await using server = await serveTestApi({}, { limits: { headTimeoutMs: 100 } });
  const silent = await open(server.port, '127.0.0.1');
  const answers = [textUntilClosed(silent)];
  const slow = await open(server.port, '127.0.0.1');
  answers.push(textUntilClosed(slow));
  slow.write('GET /greet/a HTTP/1.1\r\nHost: 127.0.0.1\r\n');
  for (const answer of await Promise.all(answers))
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*no request arrived within 0\.1 s/s);
});

test('more requests at once than an address may have are refused with a time to wait, pipelined ones too', async () => {
  await using served = await serveWaiting({ limits: { requests: { total: 64, perPeer: 2, kept: 0 } } });
  const { port } = served.server;
  (await open(port, '127.0.0.2')).write(WAIT.repeat(2));
  await expect.poll(() => served.begun.length).toBe(2);
  const refused = await open(port, '127.0.0.2');
  refused.write(GET);
  const [head] = await once(refused, 'data');
  expect(String(head)).toMatch(/^HTTP\/1\.1 429 [\s\S]*retry-after: 1/i);
  expect(await ask(await open(port, '127.0.0.3'))).toBe('200');
  served.release.resolve();
  await expect.poll(async () => ask(await open(port, '127.0.0.2'))).toBe('200');
});

test('a client that does not take its answer loses the connection, and the request ends (AN3)', async () => {
  const answered = Promise.withResolvers<void>();
  const logged = { ...silentLogger, debug: () => answered.resolve(), warn: () => undefined } as never;
  const progress = { minBytes: 64 * 1024, intervalMs: 300 };
  await using server = await serveTestApi(
    { greet: async () => ({ text: 'x'.repeat(64 * 1024 * 1024) }) },
    { log: logged, limits: { progress } },
  );
  const socket = await open(server.port, '127.0.0.1');
  socket.pause();
  socket.write(GET);
  await answered.promise;
  socket.resume();
  await once(socket, 'close');
  expect(socket.bytesRead).toBeLessThan(64 * 1024 * 1024);
});

test('long JSON bodies are few at once for each address, so that they do not fill the memory', async () => {
  const limits = { jsonBodyBytes: 16 };
  await using server = await serveTestApi({}, { limits, knownPeers: () => new Set(['127.0.0.9']) });
  const long = async (from: string) => {
    const socket = await open(server.port, from);
    const head =
      'POST /long HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n';
    return { socket, answer: ask(socket, head) };
  };
  /** Those that are served wait for their bodies, so that the first answer of all is the one of a refusal. */
  const firstAnswer = async (...from: readonly string[]) => {
    const answers: Promise<string>[] = [];
    for (const each of from) answers.push((await long(each)).answer);
    return Promise.race(answers);
  };
  expect(await firstAnswer('127.0.0.2', '127.0.0.2', '127.0.0.2')).toBe('429');
  expect(await firstAnswer('127.0.0.3', '127.0.0.3', '127.0.0.4')).toBe('429');
  const { socket, answer } = await long('127.0.0.9');
  socket.write(JSON.stringify({ text: 'x'.repeat(89) }));
  expect(await answer).toBe('204');
});
