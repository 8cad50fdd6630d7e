import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { serveTestApi } from './api.fixture.ts';
import { canonicalHost, guardRequest } from './request-guard.ts';

const GET = 'GET /greet/a?times=1 HTTP/1.1';

/** The status and the error code of the answer to a raw request, whose connection is closed after it. */
const answerTo = async (port: number, lines: readonly string[], body = ''): Promise<string> => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return `${answer.slice(9, 12)} ${/"error_code":"(\w+)"/.exec(answer)?.[1] ?? 'ok'}`;
};

const greetApi = () => serveTestApi({ greet: async () => ({ text: 'hello' }) });

test('a request under the address at which it arrives is served, with any port or none (RQG1)', async () => {
  await using server = await greetApi();
  for (const host of [`127.0.0.1:${server.port}`, '127.0.0.1', 'LOCALHOST:1', 'localhost.'])
    expect([host, await answerTo(server.port, [GET, `Host: ${host}`])]).toEqual([host, '200 ok']);
});

test('a page that had its own name resolved to this server is refused, whatever it asks for (RQG1)', async () => {
  await using server = await greetApi();
  for (const host of [
    'evil.example',
    `evil.example:${server.port}`,
    '10.9.8.7',
    '[::1]',
    '127.0.0.1.evil.example',
  ])
    expect([host, await answerTo(server.port, [GET, `Host: ${host}`])]).toEqual([
      host,
      '421 HOST_NOT_SERVED',
    ]);
  expect(await answerTo(server.port, ['GET /nothing HTTP/1.1', 'Host: evil.example'])).toBe(
    '421 HOST_NOT_SERVED',
  );
});

test('a configured name is served too', async () => {
  await using server = await serveTestApi(
    { greet: async () => ({ text: 'hello' }) },
    { allowedHosts: ['Nexus.Example', '2001:db8::0:1'] },
  );
  for (const host of ['nexus.example:80', '[2001:db8::1]'])
    expect([host, await answerTo(server.port, [GET, `Host: ${host}`])]).toEqual([host, '200 ok']);
});

test('a Host that is no host is refused', async () => {
  await using server = await greetApi();
  for (const host of ['', 'user@127.0.0.1', '127.0.0.1/x', '[127.0.0.1]', '127.0.0.1:99999999', 'a b'])
    expect([host, await answerTo(server.port, [GET, `Host: ${host}`])]).toEqual([
      host,
      '400 INVALID_REQUEST',
    ]);
  expect(await answerTo(server.port, [GET])).toMatch(/^400 /);
});

test('a request that a page of another site caused is refused (RQG2)', async () => {
  await using server = await greetApi();
  const host = `Host: 127.0.0.1:${server.port}`;
  for (const header of [
    'Sec-Fetch-Site: cross-site',
    'Sec-Fetch-Site: same-site',
    'Origin: http://evil.example',
    'Origin: null',
    'Origin: http://127.0.0.1:1',
    `Origin: ftp://127.0.0.1:${server.port}`,
  ])
    expect([header, await answerTo(server.port, [GET, host, header])]).toEqual([
      header,
      '403 CROSS_SITE_REQUEST',
    ]);
  for (const header of [
    'Sec-Fetch-Site: same-origin',
    'Sec-Fetch-Site: none',
    `Origin: http://127.0.0.1:${server.port}`,
  ])
    expect([header, await answerTo(server.port, [GET, host, header])]).toEqual([header, '200 ok']);
});

test('headers that two readers would understand differently are refused (RQG3)', async () => {
  await using server = await greetApi();
  const host = `Host: 127.0.0.1:${server.port}`;
  const post = ['POST /note HTTP/1.1', host, 'Content-Type: application/json'];
  const cases: (readonly string[])[] = [
    [GET, host, host],
    [GET, host, 'Host: evil.example'],
    [...post, 'Content-Length: 2', 'Content-Length: 2'],
    [...post, 'Content-Length: 2', 'Content-Length: 3'],
    [...post, 'Content-Length: 2', 'Transfer-Encoding: chunked'],
    [...post, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    [...post, 'Transfer-Encoding: gzip, chunked'],
    [...post, 'Transfer-Encoding: chunked, identity'],
    [...post, 'Content-Length: +2'],
    [...post, 'Content-Length: 2, 2'],
    [GET, host, 'Authorization: Bearer a', 'Authorization: Bearer b'],
    [GET, host, 'Origin: http://evil.example', `Origin: http://127.0.0.1:${server.port}`],
  ];
  for (const lines of cases)
    expect([lines, await answerTo(server.port, lines, lines[0] === GET ? '' : '{}')]).toEqual([
      lines,
      '400 INVALID_REQUEST',
    ]);
});

/** What the guard itself says, whatever the parser before it accepts: `served`, or the text of its refusal. */
const guarded = (rawHeaders: readonly string[], localAddress = '127.0.0.1'): string => {
  const headers = Object.fromEntries(
    Array.from({ length: rawHeaders.length / 2 }, (_, at) => [
      rawHeaders[at * 2]!.toLowerCase(),
      rawHeaders[at * 2 + 1]!,
    ]),
  );
  try {
    guardRequest({ headers, rawHeaders: [...rawHeaders], socket: { localAddress } }, new Set());
    return 'served';
  } catch (error) {
    return error instanceof DepotError ? `${errorCodeOf(error)}: ${error.message}` : String(error);
  }
};

test('the guard itself refuses two lengths, whatever the parser before it accepts (RQG3)', () => {
  const host = ['Host', '127.0.0.1'];
  expect(guarded(host)).toBe('served');
  expect(guarded([...host, 'Transfer-Encoding', 'chunked'])).toBe('served');
  expect(guarded([...host, 'Content-Length', '1', 'Transfer-Encoding', 'chunked'])).toMatch(
    /^INVALID_REQUEST: .*exclude each other/,
  );
  expect(guarded([...host, 'Transfer-Encoding', 'x'])).toMatch(/^INVALID_REQUEST: .*only chunked is/);
});

test.each([
  ['Host', '127.0.0.1'],
  ['Content-Length', '1'],
  ['Transfer-Encoding', 'chunked'],
  ['Content-Type', 'application/json'],
  ['Authorization', 'Bearer a'],
  ['Expect', '100-continue'],
  ['Origin', 'http://127.0.0.1'],
  ['Sec-Fetch-Site', 'none'],
])('the guard itself refuses the header %s twice, also with equal values (RQG3)', (name, value) => {
  const host = name === 'Host' ? [] : ['Host', '127.0.0.1'];
  expect(guarded([...host, name, value])).toBe('served');
  expect(guarded([...host, name, value, name.toUpperCase(), value])).toBe(
    `INVALID_REQUEST: the header ${name.toLowerCase()} occurs twice; send it once`,
  );
});

test('localhost names this server only where the connection arrived at a loopback address (RQG1)', () => {
  expect(guarded(['Host', 'localhost'], '::1')).toBe('served');
  expect(guarded(['Host', 'localhost'], '10.0.0.1')).toMatch(/^HOST_NOT_SERVED: /);
});

test('an origin without a port is that of its scheme (RQG2)', () => {
  const from = (origin: string, host: string) => guarded(['Host', host, 'Origin', origin]);
  expect(from('http://127.0.0.1', '127.0.0.1:80')).toBe('served');
  expect(from('https://127.0.0.1', '127.0.0.1:443')).toBe('served');
  expect(from('https://127.0.0.1:8443', '127.0.0.1:8443')).toBe('served');
  expect(from('https://127.0.0.1', '127.0.0.1:80')).toMatch(/^CROSS_SITE_REQUEST: /);
  expect(from('http://127.0.0.1', '127.0.0.1:443')).toMatch(/^CROSS_SITE_REQUEST: /);
});

test('an address is compared in one form', () => {
  expect(canonicalHost('::ffff:10.0.0.1')).toBe('10.0.0.1');
  expect(canonicalHost('2001:0DB8::0001')).toBe('2001:db8::1');
  expect(canonicalHost('fe80::1%eth0')).toBe('fe80::1');
  expect(canonicalHost('Name.Example.')).toBe('name.example');
});
