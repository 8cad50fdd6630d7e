import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ArtifactHash } from '../core/ids.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from './certificate.fixture.ts';
import { fetchTarget, type TargetToFetch, targetFileOf } from './fetch-target.ts';
import { createHttpSource, type HttpSource, type HttpSourceOptions, repositoryUrls } from './http-source.ts';
import { etagOf, type RepositoryServer, sendFile, serveRepository } from './repository-server.fixture.ts';
import { storedPartBytes } from './stored-part.fixture.ts';

const { signal } = new AbortController();
let server: RepositoryServer;
let directory: string;
const stack: AsyncDisposable[] = [];

beforeEach(async () => {
  server = await serveRepository();
  directory = await mkdtemp(join(tmpdir(), 'http-source-'));
});
afterEach(async () => {
  for (const owned of stack.splice(0)) await owned[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** Deadlines short enough for a test to wait for. */
const SHORT = { progress: { minBytes: 64 * 1024, intervalMs: 300 }, answerTimeoutMs: 300 };
const open = (options: Partial<HttpSourceOptions> = {}): HttpSource => {
  const source = createHttpSource({
    ...repositoryUrls(server.url),
    signal,
    ...options,
  });
  stack.push(source);
  return source;
};
const content = Buffer.alloc(300_000, 'tuf');
const targetOf = (bytes: Uint8Array, name = 'a.bin'): TargetToFetch => ({
  name,
  target: {
    lengthBytes: bytes.length,
    hashes: { sha256: createHash('sha256').update(bytes).digest('hex') as ArtifactHash, sha512: undefined },
    custom: undefined,
  },
  fileNames: [name],
});
const fetchContent = (source: HttpSource, wanted = targetOf(content)) =>
  fetchTarget(source, directory, wanted, { signal, onBytes: () => undefined });
const pathOf = (bytes: Uint8Array) => join(directory, targetFileOf(targetOf(bytes).target));
/** A part as an interrupted download leaves it. */
const leavePart = async (bytes: Uint8Array, etag?: string) => {
  const path = pathOf(content);
  await writeFile(`${path}.part`, bytes);
  if (etag !== undefined) await writeFile(`${path}.etag`, etag);
};

test('404, 403 and 410 mean absent; any other failure is an error, never an absence (HS2)', async () => {
  const source = open();
  for (const status of [404, 403, 410]) {
    server.odd.set('/metadata/2.root.json', (_, response) => response.writeHead(status).end('no'));
    expect(await source.metadata.read('2.root.json', 100)).toBeUndefined();
  }
  for (const status of [500, 503, 401, 204]) {
    server.odd.set('/metadata/2.root.json', (_, response) => response.writeHead(status).end());
    await expect(source.metadata.read('2.root.json', 100)).rejects.toMatchObject({ code: 'PEER_BAD_ANSWER' });
  }
});

test('a page with status 200 is no metadata, and no absence: the error has the address of the file (HS4)', async () => {
  const source = open();
  for (const page of ['<!doctype html><html></html>', '\uFEFF\n <html>']) {
    server.files.set('/metadata/2.root.json', Buffer.from(page));
    await expect(source.metadata.read('2.root.json', 100)).rejects.toMatchObject({
      code: 'PEER_BAD_ANSWER',
      message: expect.stringContaining(`${server.url}/metadata/2.root.json is a page`),
    });
  }
});

test.each([
  ['120', 120],
  [new Date(Date.now() - 60_000).toUTCString(), undefined],
  ['9999999999', undefined],
  ['soon', undefined],
])('the time that a server asks to wait for is told: Retry-After %j', async (retryAfter, seconds) => {
  server.odd.set('/metadata/timestamp.json', (_, response) =>
    response.writeHead(503, { 'retry-after': retryAfter }).end(),
  );
  const error = await open()
    .metadata.read('timestamp.json', 100)
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'PEER_BAD_ANSWER',
    message: expect.stringMatching(
      seconds === undefined
        ? /timestamp\.json as a file: it answers with status 503$/
        : new RegExp(
            `timestamp\\.json as a file: it answers with status 503, and asks to wait for ${seconds} s$`,
          ),
    ),
  });
  expect((error as { detail: object }).detail).toMatchObject(
    seconds === undefined ? {} : { retry_after_secs: seconds },
  );
});

test('names are percent-encoded, and no name leads out of its folder (HS1)', async () => {
  const source = open();
  server.files.set('/targets/dir/what%3F%23%20%C3%A4.bin', content);
  const found = await source.openTarget('dir/what?# ä.bin', { maxBytes: content.length, signal });
  await found?.[Symbol.asyncDispose]();
  expect(found).toBeDefined();
  for (const name of ['../metadata/root.json', 'a//b', '', '/etc/passwd'])
    await expect(source.openTarget(name, { maxBytes: 1, signal })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
  await expect(source.metadata.read('../x.json', 1)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  server.files.set('/metadata/1...%2Frole.json', content);
  expect(await source.metadata.read('1...%2Frole.json', content.length)).toHaveLength(content.length);
  expect(() => repositoryUrls('ftp://a/b')).toThrow(/not the address of a repository/);
  expect(() => repositoryUrls('http://a/b?c=d')).toThrow(/not the address of a repository/);
});

test('a file that a plain server has under the encoded name is found, and an absence costs one more request (HS3)', async () => {
  const source = open();
  // A server that decodes the path looks for `1.team ü.json`, and has `1.team%20%C3%BC.json` on its disk.
  server.files.set('/metadata/1.team%2520%25C3%25BC.json', content);
  expect(await source.metadata.read('1.team%20%C3%BC.json', content.length)).toHaveLength(content.length);
  expect(await source.metadata.read('2.root.json', 10)).toBeUndefined();
  expect(server.requests).toEqual([
    'GET /metadata/1.team%20%C3%BC.json',
    'GET /metadata/1.team%2520%25C3%25BC.json',
    'GET /metadata/2.root.json',
  ]);
});

test('a body over the limit is refused, announced or not (DL1)', async () => {
  const source = open();
  server.files.set('/metadata/timestamp.json', content);
  await expect(source.metadata.read('timestamp.json', 100)).rejects.toMatchObject({
    code: 'SOURCE_TOO_LARGE',
  });
  server.odd.set('/metadata/timestamp.json', (_, response) => {
    response.writeHead(200);
    const pour = () => void (response.writable && response.write(content, () => setImmediate(pour)));
    pour();
  });
  await expect(source.metadata.read('timestamp.json', 1_000_000)).rejects.toMatchObject({
    code: 'SOURCE_TOO_LARGE',
  });
});

test('a request to a server that never answers, or falls silent, is given up (DL1)', async () => {
  const source = open(SHORT);
  server.odd.set('/metadata/timestamp.json', () => undefined);
  await expect(source.metadata.read('timestamp.json', 100)).rejects.toMatchObject({ code: 'PEER_STALLED' });
  server.odd.set('/metadata/timestamp.json', (_, response) => {
    response.writeHead(200, { 'content-length': 50 });
    response.write('half');
  });
  await expect(source.metadata.read('timestamp.json', 100)).rejects.toMatchObject({ code: 'PEER_STALLED' });
});

test('a redirect within the origin is followed; one to another origin is refused with both names (DL2)', async () => {
  await using other = await serveRepository();
  other.files.set('/metadata/root.json', content);
  server.files.set('/metadata/real.json', content);
  const redirect = (to: string) =>
    server.odd.set('/metadata/root.json', (_, response) => response.writeHead(302, { location: to }).end());
  const source = open();
  redirect('/metadata/real.json');
  expect(await source.metadata.read('root.json', content.length)).toHaveLength(content.length);
  redirect(`${other.url}/metadata/root.json`);
  await expect(source.metadata.read('root.json', content.length)).rejects.toMatchObject({
    code: 'SOURCE_REDIRECT',
    message: expect.stringContaining(`/metadata/root.json to ${other.url}/metadata/root.json`),
  });
  expect(other.requests).toEqual([]);
  redirect('/metadata/root.json');
  await expect(source.metadata.read('root.json', 1)).rejects.toMatchObject({ code: 'PEER_BAD_ANSWER' });
});

test('an encoding that was not requested is an error, and so is a cut answer', async () => {
  const source = open();
  server.odd.set('/metadata/root.json', (_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
  );
  await expect(source.metadata.read('root.json', 100)).rejects.toMatchObject({ code: 'PEER_BAD_ANSWER' });
  server.odd.set('/metadata/root.json', (_, response) => {
    response.writeHead(200, { 'content-length': 50 });
    response.write('half', () => response.destroy());
  });
  await expect(source.metadata.read('root.json', 100)).rejects.toMatchObject({ code: /^PEER_/ });
});

test('a full disk is NO_SPACE with the directory and its free bytes, and a later attempt succeeds', async () => {
  server.files.set('/targets/a.bin', content);
  const part = join(directory, `${targetOf(content).target.hashes.sha256}.part`);
  await symlink('/dev/full', part);
  const source = open();
  await expect(fetchContent(source)).rejects.toMatchObject({
    code: 'NO_SPACE',
    message: expect.stringMatching(/^the file system of \S+ is full: \d+ bytes( and \d+ inodes)? are free$/),
  });
  await rm(part);
  await fetchContent(source);
  expect(await readdir(directory)).toEqual([targetOf(content).target.hashes.sha256]);
});

test('a download that was cut resumes, if the file is still the same (SY3)', async () => {
  server.odd.set('/targets/a.bin', (_, response) => {
    response.writeHead(200, { 'content-length': content.length, etag: etagOf(content) });
    response.write(content.subarray(0, 100_000));
    void expect
      .poll(() => storedPartBytes(directory))
      .toBe(100_000)
      .finally(() => response.destroy());
  });
  const source = open();
  await expect(fetchContent(source)).rejects.toMatchObject({ code: /^PEER_/ });
  server.odd.delete('/targets/a.bin');
  server.files.set('/targets/a.bin', content);
  await fetchContent(source);
  expect(server.requests).toEqual(['GET /targets/a.bin', 'GET /targets/a.bin bytes=100000-']);
  expect(await readdir(directory)).toEqual([targetOf(content).target.hashes.sha256]);
  await fetchContent(source);
  expect(server.requests).toHaveLength(2);
});

test('a download of a changed file starts over, whether the server reports the change or not (DL3)', async () => {
  server.files.set('/targets/a.bin', content);
  await leavePart(Buffer.alloc(1000, 'old'), '"of the old one"');
  const source = open();
  await fetchContent(source);
  expect(server.requests).toEqual(['GET /targets/a.bin bytes=1000-']);

  await rm(join(directory, targetOf(content).target.hashes.sha256!));
  server.odd.set('/targets/a.bin', (request, response) => {
    delete request.headers['if-range'];
    sendFile(request, response, content);
  });
  await leavePart(Buffer.alloc(1000, 'old'), '"of the old one"');
  await fetchContent(source);
  expect(server.requests.slice(1)).toEqual(['GET /targets/a.bin bytes=1000-', 'GET /targets/a.bin']);
});

test('bytes that differ from the signed ones leave nothing behind', async () => {
  const wrong = Buffer.from(content);
  wrong[7] = 0;
  server.files.set('/targets/a.bin', wrong);
  const source = open();
  await expect(fetchContent(source)).rejects.toMatchObject({ code: 'TARGET_HASH_MISMATCH' });
  expect(await readdir(directory)).toEqual([]);
  server.files.set('/targets/a.bin', content.subarray(0, 10));
  await expect(fetchContent(source)).rejects.toMatchObject({ code: 'TARGET_LENGTH_MISMATCH' });
  server.files.delete('/targets/a.bin');
  await rm(join(directory, `${targetOf(content).target.hashes.sha256}.part`));
  await expect(fetchContent(source)).rejects.toMatchObject({ code: 'TARGET_MISSING' });
});

test('a rate limit applies to all downloads of a source together', async () => {
  server.files.set('/targets/a.bin', content);
  const source = open({ maxBytesPerSecond: 1_000_000 });
  const beganMs = performance.now();
  await fetchContent(source);
  expect(performance.now() - beganMs).toBeGreaterThan(200);
});

test('a configured proxy is used', async () => {
  server.files.set('/metadata/root.json', content);
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    asked.push(request.url ?? '');
    sendFile(request, response, content);
  });
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
  const source = open({ proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` });
  expect(await source.metadata.read('root.json', content.length)).toHaveLength(content.length);
  expect(asked).toEqual([`${server.url}/metadata/root.json`]);
  proxy.closeAllConnections();
  proxy.close();
});

test('a private CA is trusted only where it is configured', async () => {
  const secure = createSecureServer(
    { key: TEST_CERTIFICATE_KEY, cert: TEST_CERTIFICATE },
    (request, response) => sendFile(request, response, content),
  );
  await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve));
  const urls = repositoryUrls(`https://127.0.0.1:${(secure.address() as AddressInfo).port}`);
  await expect(open(urls).metadata.read('root.json', content.length)).rejects.toMatchObject({
    code: /^PEER_/,
  });
  const trusting = open({ ...urls, caPem: TEST_CERTIFICATE });
  expect(await trusting.metadata.read('root.json', content.length)).toHaveLength(content.length);
  secure.closeAllConnections();
  secure.close();
});
