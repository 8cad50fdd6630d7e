import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { serveTestApi } from './api.fixture.ts';
import type { FileAnswer } from './file-body.ts';

const content = randomBytes(1_300_000); // more than two buffers
const etag = 'e'.repeat(64);

/** Serves `content`; counts how many files are open. */
const serveContent = async (own: Partial<FileAnswer> = {}, options = {}) => {
  const files = { open: 0, opened: 0 };
  const get = async (): Promise<FileAnswer> => {
    files.open += 1;
    files.opened += 1;
    return {
      sizeBytes: content.byteLength,
      etag,
      read: async (target, position) => content.copy(target, 0, position),
      async [Symbol.asyncDispose]() {
        files.open -= 1;
      },
      ...own,
    };
  };
  const server = await serveTestApi({ get }, options);
  const fetchBlob = (headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`http://${server.address}/blob`, { headers, method });
  return { files, server, fetchBlob, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

const facts = async (answer: Response) => ({
  status: answer.status,
  length: answer.headers.get('content-length'),
  range: answer.headers.get('content-range'),
  body: Buffer.from(await answer.arrayBuffer()),
});

test('a whole file has its length, its hash as ETag, and may be kept for ever', async () => {
  await using served = await serveContent();
  const answer = await served.fetchBlob();
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    etag: `"${etag}"`,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'cache-control': expect.stringContaining('immutable'),
  });
  expect(await facts(answer)).toEqual({ status: 200, length: '1300000', range: null, body: content });
  await expect.poll(() => served.files).toEqual({ open: 0, opened: 1 });
});

test('HEAD has the headers of GET and no body', async () => {
  await using served = await serveContent();
  expect(await facts(await served.fetchBlob({}, 'HEAD'))).toMatchObject({ status: 200, length: '1300000' });
  expect(await facts(await served.fetchBlob({ range: 'bytes=0-9' }, 'HEAD'))).toMatchObject({
    status: 206,
    length: '10',
    range: 'bytes 0-9/1300000',
  });
});

test.each([
  ['bytes=0-0', 0, 0],
  ['bytes=1299999-', 1_299_999, 1_299_999],
  ['bytes=5-700000', 5, 700_000],
  ['bytes=10-99999999', 10, 1_299_999],
  ['bytes=-7', 1_299_993, 1_299_999],
  ['bytes=-99999999', 0, 1_299_999],
])('the range %s is answered with its bytes', async (range, first, last) => {
  await using served = await serveContent();
  expect(await facts(await served.fetchBlob({ range }))).toEqual({
    status: 206,
    length: String(last - first + 1),
    range: `bytes ${first}-${last}/1300000`,
    body: content.subarray(first, last + 1),
  });
});

test.each(['bytes=1300000-', 'bytes=2000000-3000000', 'bytes=-0'])(
  'the range %s is refused with the size, and the connection lives on',
  async range => {
    await using served = await serveContent();
    const answer = await served.fetchBlob({ range });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */1300000']);
    expect(answer.headers.get('cache-control')).toBeNull();
    expect(await answer.json()).toMatchObject({
      error_code: 'RANGE_NOT_SATISFIABLE',
      detail: { size_bytes: 1_300_000 },
    });
  },
);

test.each(['bytes=0-1,5-6', 'bytes=9-3', 'bytes=-', 'bytes=a-b', 'lines=1-2', 'bytes 1-2'])(
  'the range header %s is ignored, as RFC 9110 allows',
  async range => {
    await using served = await serveContent();
    expect((await facts(await served.fetchBlob({ range }))).status).toBe(200);
  },
);

test('conditions on the ETag are kept', async () => {
  await using served = await serveContent();
  for (const condition of [`"${etag}"`, `"x", W/"${etag}"`, '*'])
    expect((await served.fetchBlob({ 'if-none-match': condition })).status).toBe(304);
  expect((await served.fetchBlob({ 'if-none-match': '"x"' })).status).toBe(200);
  expect((await served.fetchBlob({ range: 'bytes=0-1', 'if-range': `"${etag}"` })).status).toBe(206);
  expect((await served.fetchBlob({ range: 'bytes=0-1', 'if-range': '"x"' })).status).toBe(200);
  await expect.poll(() => served.files.open).toBe(0);
});

test('an empty file gives an empty body', async () => {
  await using served = await serveContent({ sizeBytes: 0 });
  expect(await facts(await served.fetchBlob())).toMatchObject({ status: 200, length: '0' });
  expect((await served.fetchBlob({ range: 'bytes=0-0' })).status).toBe(416);
});

test('a file that fails or ends early cuts the connection: the client cannot mistake it for whole', async () => {
  const failing = async (target: Uint8Array, position: number) => {
    if (position > 0) throw new Error('EIO');
    return content.copy(target, 0, position, 1_000);
  };
  for (const read of [failing, async () => 0]) {
    await using served = await serveContent({ read });
    await expect(served.fetchBlob().then(answer => answer.arrayBuffer())).rejects.toThrow();
    await expect.poll(() => served.files.open).toBe(0);
  }
});

test('a client that stops reading loses the connection, and the file is closed (B13)', async () => {
  const sizeBytes = 1_000_000_000;
  const read = async (target: Uint8Array) => target.byteLength;
  await using served = await serveContent(
    { read, sizeBytes },
    { limits: { progress: { minBytes: 1, intervalMs: 80 } } },
  );
  const socket = connect(served.server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  socket.write('GET /blob HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await expect.poll(() => served.files).toEqual({ open: 0, opened: 1 });
  socket.destroy();
});

test('files are closed when clients go away, those of pipelined requests too', async () => {
  const read = async (target: Uint8Array) => target.byteLength;
  await using served = await serveContent({ read, sizeBytes: 1_000_000_000 });
  const socket = connect(served.server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('GET /blob HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3));
  socket.write('HEAD /blob HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await expect.poll(() => served.files.opened).toBe(4);
  socket.destroy();
  await expect.poll(() => served.files.open).toBe(0);
});
