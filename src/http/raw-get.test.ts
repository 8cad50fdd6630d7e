import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { testFleetIdentity } from '../identity/identity.fixture.ts';
import { clientTls, serverTls } from '../identity/tls.ts';
import { type RawGetOptions, rawGet } from './raw-get.ts';

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

const fleet = testFleetIdentity();
const SLED = fleet.issue('sled');
const SCHEMES = ['http', 'https'] as const;
/** Of the peers of a test. */
let scheme: (typeof SCHEMES)[number] = 'http';

/** A peer that answers every request with what `answer` writes to the socket. */
const peer = async (
  answer: (socket: Socket, request: string) => void,
  host = '127.0.0.1',
): Promise<string> => {
  const accept = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', data => answer(socket, data.toString()));
  };
  const server = scheme === 'http' ? createServer(accept) : createTlsServer(serverTls(SLED), accept);
  servers.push(server);
  await new Promise<void>(resolve => server.listen(0, host, resolve));
  const { port } = server.address() as { port: number };
  return `${scheme}://${host === '::1' ? '[::1]' : host}:${port}/artifact`;
};

const never = new AbortController().signal;
/** `rawGet` as a Nexus of the fleet of these peers. */
const get = (url: string, options: Partial<RawGetOptions> = {}) =>
  rawGet(url, {
    signal: never,
    ...(url.startsWith('https:') && { tls: clientTls(fleet.issue('nexus'), SLED.identity) }),
    ...options,
  });
const fetchAll = async (url: string, options: Partial<RawGetOptions> = {}) => {
  using answer = await get(url, options);
  const hash = createHash('sha256');
  await answer.consume(async chunk => {
    await delay(0); // the memory has to be ours until this resolves
    hash.update(chunk);
  });
  return { sizeBytes: answer.sizeBytes, totalSizeBytes: answer.totalSizeBytes, sha256: hash.digest('hex') };
};
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
/** Chunks of 1 byte, 4 bytes and so on, until all are sent. */
const inChunks = (bytes: Buffer): Buffer[] => {
  const parts: Buffer[] = [];
  for (let from = 0, length = 1; from < bytes.length; from += length, length = (length * 4) % 99_999) {
    const part = bytes.subarray(from, from + length);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return [...parts, Buffer.from('0\r\n\r\n')];
};
const head = (length: number | string) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;

describe.each(SCHEMES)('over %s', each => {
  beforeEach(() => {
    scheme = each;
  });
  afterEach(() => {
    scheme = 'http';
  });

  test('a body arrives whole and in order through few small pages, over IPv4 and IPv6', async () => {
    const bytes = randomBytes(3_000_000);
    for (const host of ['127.0.0.1', '::1']) {
      const url = await peer(socket => {
        socket.write(head(bytes.byteLength));
        socket.end(bytes);
      }, host);
      const answer = await fetchAll(url, { pages: 2, pageSizeBytes: each === 'http' ? 20_000 : 128 * 1024 });
      expect(answer).toEqual({ sizeBytes: 3_000_000, totalSizeBytes: 3_000_000, sha256: sha256(bytes) });
      expect(await fetchAll(url)).toEqual(answer);
    }
  });

  test('a head in pieces and an empty body are understood', async () => {
    const url = await peer(async socket => {
      for (const character of head(0)) {
        socket.write(character);
        await delay(1);
      }
    });
    expect(await fetchAll(url)).toMatchObject({ sizeBytes: 0, sha256: sha256(Buffer.alloc(0)) });
  });

  test('a range is requested, and only that range is accepted', async () => {
    const ranged = (contentRange: string) =>
      peer((socket, request) => {
        expect(request).toContain('\r\nRange: bytes=2-4\r\n');
        socket.end(`HTTP/1.1 206 Partial\r\nContent-Range: ${contentRange}\r\nContent-Length: 3\r\n\r\ncde`);
      });
    const range = { first: 2, last: 4 };
    expect(await fetchAll(await ranged('bytes 2-4/9'), { range })).toMatchObject({
      sizeBytes: 3,
      totalSizeBytes: 9,
    });
    for (const wrong of ['bytes 1-3/9', 'bytes 2-5/9', 'bytes 2-4/*', 'x'])
      await expect(fetchAll(await ranged(wrong), { range })).rejects.toMatchObject({
        code: 'PEER_BAD_ANSWER',
      });
  });

  test('a whole file instead of a range is skipped up to its range, and no further than allowed (RF6)', async () => {
    const bytes = randomBytes(400_000);
    const sent: number[] = [];
    const url = await peer(socket => {
      socket.on('close', () => sent.push(socket.bytesWritten));
      socket.write(head(bytes.byteLength));
      socket.write(bytes);
    });
    const options = { pages: 2, pageSizeBytes: 128 * 1024, maxSkippedBytes: 300_000 };
    for (const [first, last] of [
      [0, 0],
      [5, 200_000],
      [299_999, 399_998],
      [300_000, 399_999],
    ] as const)
      expect(await fetchAll(url, { ...options, range: { first, last } })).toEqual({
        sizeBytes: last - first + 1,
        totalSizeBytes: 400_000,
        sha256: sha256(bytes.subarray(first, last + 1)),
      });
    expect(await fetchAll(url, { ...options, range: { first: 7 } })).toMatchObject({
      sha256: sha256(bytes.subarray(7)),
    });
    await expect(fetchAll(url, { ...options, range: { first: 300_001 } })).rejects.toMatchObject({
      code: 'PEER_RANGE_IGNORED',
      message: expect.stringContaining('up to 300000 are skipped'),
    });
    await expect(fetchAll(url, { range: { first: 1, last: 2 } })).rejects.toMatchObject({
      code: 'PEER_RANGE_IGNORED',
    });
    await expect(fetchAll(url, { ...options, range: { first: 1, last: 400_000 } })).rejects.toMatchObject({
      code: 'PEER_BAD_ANSWER',
      message: expect.stringContaining('ends before the requested range'),
    });
  });

  test('a body in chunks of any sizes, sent in any pieces, arrives whole and in order (RF5)', async () => {
    const bytes = randomBytes(700_000);
    const [framed, cuts] = [Buffer.concat(inChunks(bytes)), [1, 2, 3, 700, 70_000, 300_001]];
    const url = await peer(async socket => {
      socket.write(CHUNKED);
      let from = 0;
      for (const to of [...cuts, framed.length]) {
        socket.write(framed.subarray(from, to));
        from = to;
        await delay(1);
      }
    });
    const small = { pages: 2, pageSizeBytes: each === 'http' ? 20_000 : 128 * 1024 };
    for (const options of [small, {}])
      expect(await fetchAll(url, options)).toEqual({
        sizeBytes: undefined,
        totalSizeBytes: undefined,
        sha256: sha256(bytes),
      });
    const range = { first: 300_000, last: 300_999 };
    expect(await fetchAll(url, { ...small, range, maxSkippedBytes: 300_000 })).toEqual({
      sizeBytes: 1_000,
      totalSizeBytes: undefined,
      sha256: sha256(bytes.subarray(300_000, 301_000)),
    });
    const late = { ...small, range: { first: 699_999, last: 700_000 }, maxSkippedBytes: 700_000 };
    await expect(fetchAll(url, late)).rejects.toMatchObject({
      code: 'PEER_BAD_ANSWER',
      message: expect.stringContaining('after 700000 of 700001 bytes'),
    });
    expect(await fetchAll(url, { maxBytes: 700_000 })).toMatchObject({ sha256: sha256(bytes) });
    await expect(fetchAll(url, { maxBytes: 699_999 })).rejects.toMatchObject({
      code: 'PEER_BAD_ANSWER',
      message: expect.stringContaining('more than the 699999 bytes'),
    });
  });

  test('an empty body in chunks is whole, and one without its last chunk is cut', async () => {
    const empty = await peer(socket => void socket.write(`${CHUNKED}0\r\nTrailer: x\r\n\r\n`));
    expect(await fetchAll(empty)).toMatchObject({ sha256: sha256(Buffer.alloc(0)) });
    const cut = await peer(socket => socket.end(`${CHUNKED}5\r\nhello\r\n`));
    await expect(fetchAll(cut)).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      message: expect.stringContaining('after 5 bytes'),
    });
    const late = await peer(async socket => {
      socket.write(`${CHUNKED}5\r\nhello\r\n`);
      await delay(20);
      socket.write('0\r\n\r\n');
    });
    expect(await fetchAll(late)).toMatchObject({ sha256: sha256(Buffer.from('hello')) });
  });

  test('framing without data is no progress (B13)', async () => {
    const url = await peer(socket => {
      socket.write(CHUNKED);
      const more = () => socket.write(`1;${'x'.repeat(200)}\r\na\r\n`);
      const timer = setInterval(more, 1);
      socket.on('close', () => clearInterval(timer));
    });
    const progress = { minBytes: 5_000, intervalMs: 200 };
    await expect(fetchAll(url, { progress })).rejects.toMatchObject({ code: 'PEER_STALLED' });
  });

  test.each([
    ['HTML', '<html>nope</html>\r\n\r\n', /status line is not one/],
    ['a header line without a colon', 'HTTP/1.1 200 OK\r\nwhat\r\n\r\n', /a header line has no name/],
    ['a folded header', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n', /header line/],
    ['chunks and a length', `${CHUNKED.slice(0, -2)}Content-Length: 0\r\n\r\n0\r\n\r\n`, /both chunks and/],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', /than chunked/],
    ['a chunk without a size', `${CHUNKED}\r\n`, /no hexadecimal number/],
    ['a chunk that is longer than its size', `${CHUNKED}1\r\nab\r\n`, /longer than its size/],
    ['more after its last chunk', `${CHUNKED}0\r\n\r\nx`, /more after its last chunk/],
    ['no length', 'HTTP/1.1 200 OK\r\n\r\nabc', /Content-Length is absent, or no number/],
    [
      'two lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
      /Content-Length is absent, or no number/,
    ],
    ['a negative length', head(-1), /Content-Length is absent, or no number/],
    [
      'an encoding',
      `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc`,
      /Content-Encoding/,
    ],
    ['more than announced', `${head(2)}abc`, /more than the 2 bytes/],
    ['a redirect', 'HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n', /answered 302/],
  ])('an answer with %s is a bad answer', async (_, text, message) => {
    const url = await peer(socket => socket.end(text));
    await expect(fetchAll(url)).rejects.toMatchObject({
      code: 'PEER_BAD_ANSWER',
      message: expect.stringMatching(message),
    });
  });

  test('an endless head is cut off at its limit', async () => {
    const url = await peer(socket => {
      const more = (): void => {
        if (!socket.destroyed) socket.write(`X: ${'y'.repeat(1000)}\r\n`, more);
      };
      socket.write('HTTP/1.1 200 OK\r\n', more);
    });
    await expect(fetchAll(url)).rejects.toMatchObject({
      code: 'PEER_BAD_ANSWER',
      message: expect.stringContaining('more than 16384 bytes'),
    });
  });

  test("a peer's error keeps its code, when it is one of ours, and says when to come again", async () => {
    const answer = (code: string) => {
      const body = JSON.stringify({ request_id: 'r', error_code: code, message: 'no' });
      return peer(socket =>
        socket.end(`HTTP/1.1 429 X\r\nRetry-After: 3\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
      );
    };
    await expect(fetchAll(await answer('SLED_BUSY'))).rejects.toMatchObject({
      code: 'SLED_BUSY',
      detail: { status: 429, retry_after_s: 3 },
      message: expect.stringMatching(/answered 429$/),
    });
    await expect(fetchAll(await answer('toString'))).rejects.toMatchObject({ code: 'PEER_BAD_ANSWER' });
  });

  test('a connection that is refused, or cut before or in the body, is an unreachable peer', async () => {
    await expect(fetchAll(`${scheme}://127.0.0.1:1/`)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
    const silent = await peer(socket => socket.destroy());
    await expect(fetchAll(silent)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
    const cutting = await peer(socket => socket.end(`${head(10)}12345`));
    await expect(fetchAll(cutting)).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      message: expect.stringContaining('after 5 of 10 bytes'),
    });
  });

  test('a peer that never answers, or stops in the middle, is stalled (B13)', async () => {
    const mute = await peer(() => undefined);
    await expect(fetchAll(mute, { answerTimeoutMs: 50 })).rejects.toMatchObject({ code: 'PEER_STALLED' });
    const stopping = await peer(socket => socket.write(`${head(10)}12345`));
    await expect(fetchAll(stopping, { progress: { minBytes: 1, intervalMs: 50 } })).rejects.toMatchObject({
      code: 'PEER_STALLED',
      message: expect.stringContaining('after 5 of 10 bytes'),
    });
  });

  test('an abort ends the transfer with its reason, and an error of the reader with that error', async () => {
    const url = await peer(socket => socket.write(`${head(10)}12345`));
    const controller = new AbortController();
    using answer = await get(url, { signal: controller.signal });
    const consumed = answer.consume(async () => undefined);
    controller.abort(new Error('enough'));
    await expect(consumed).rejects.toThrow('enough');
    using second = await get(url, { signal: never });
    await expect(second.consume(() => Promise.reject(new Error('disk full')))).rejects.toThrow('disk full');
  });
});

test('a slow reader does not make the peer count as stalled, and memory stays bounded (B13, S17)', async () => {
  // Time passes while the reader works, and at no other time, however busy this machine is.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const bytes = randomBytes(2_000_000);
  const url = await peer(socket => socket.end(Buffer.concat([Buffer.from(head(bytes.byteLength)), bytes])));
  const progress = { minBytes: 1, intervalMs: 500 };
  // Of two pages the reader has one, and the other one is for what comes next: the socket is paused.
  using answer = await get(url, { pages: 2, pageSizeBytes: 200_000, progress });
  const pages = new Set<ArrayBufferLike>();
  await answer.consume(async chunk => {
    pages.add(chunk.buffer);
    await delay(0);
    vi.advanceTimersByTime(5_000);
  });
  expect(pages.size).toBeLessThanOrEqual(2);
});

test('pages that TLS could fill for ever without room are a mistake of the caller (RF4)', async () => {
  await expect(get('https://127.0.0.1:1/', { pages: 2, pageSizeBytes: 127 * 1024 })).rejects.toThrow(
    'room for what it has decrypted',
  );
});

test('only plain http URLs are fetched', async () => {
  for (const url of ['https://a/', 'http://u:p@a/', 'nonsense'])
    await expect(rawGet(url, { signal: never })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});
