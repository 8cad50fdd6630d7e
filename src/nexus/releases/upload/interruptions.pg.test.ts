/** Uploads that are cut short: by the client, by the database, by a stop or a kill of Nexus. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DepotError } from '../../../lib/errors.ts';
import type { TestRelease } from '../../../signing/release.fixture.ts';
import { verifyRelease } from '../../../verify/verify-release.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';
import { startBehindProxy } from './recording-proxy.fixture.ts';

let world: TestWorld;
let release: TestRelease;
beforeEach(async () => {
  world = await createTestWorld();
  release = await world.release({ artifacts: [200_000, 300_000] });
});
afterEach(() => world[Symbol.asyncDispose]());

const until = async (condition: () => Promise<boolean>): Promise<void> => {
  while (!(await condition())) await delay(10);
};

/** Sends a request over a bare socket and keeps the connection; what comes back is collected. */
const openUpload = (nexus: TestNexus, announced: number, body: Uint8Array) => {
  const [host, port] = nexus.operatorAddress.split(':');
  const socket = connect(Number(port), host);
  let answer = '';
  socket.on('data', chunk => {
    answer += chunk;
  });
  socket.on('error', () => undefined);
  socket.write(
    'PUT /v1/system/update/repositories?file_name=a.zip HTTP/1.1\r\nhost: localhost\r\n' +
      `authorization: Bearer ${nexus.token}\r\ncontent-length: ${announced}\r\n\r\n`,
  );
  socket.write(body);
  return { socket, answer: () => answer };
};

test('a client that goes away in the middle leaves nothing', async () => {
  const nexus = await world.startNexus();
  await nexus.trust(release);
  const before = await world.recorded();
  const bytes = await readFile(release.path);
  const { socket } = openUpload(nexus, bytes.length, bytes.subarray(0, 100_000));
  await until(async () => (await nexus.staged()).length > 0);
  socket.destroy();
  await until(async () => nexus.services.staging.uploadsInProgress() === 0);
  expect(await nexus.staged()).toEqual([]);
  expect(await world.recorded()).toEqual(before);
});

test('a client that ends its side before the announced length is refused, and leaves nothing', async () => {
  const nexus = await world.startNexus();
  await nexus.trust(release);
  const before = await world.recorded();
  const bytes = await readFile(release.path);
  const { socket } = openUpload(nexus, bytes.length + 1, bytes);
  await until(async () => (await nexus.staged()).length > 0);
  socket.end();
  await until(async () => nexus.services.staging.uploadsInProgress() === 0);
  expect(await nexus.staged()).toEqual([]);
  expect(await world.recorded()).toEqual(before);
});

test('a body longer than announced is refused, and leaves nothing', async () => {
  const nexus = await world.startNexus();
  await nexus.trust(release);
  const before = await world.recorded();
  const bytes = await readFile(release.path);
  const { socket, answer } = openUpload(nexus, bytes.length - 500, bytes);
  await once(socket, 'close');
  // What is announced is cut off, so no archive; what follows it is no request. Either may be seen first.
  expect(answer()).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer()).toMatch(/"depot_code":"(ARCHIVE_INVALID|INVALID_REQUEST)"/);
  await until(async () => nexus.services.staging.uploadsInProgress() === 0);
  expect(await nexus.staged()).toEqual([]);
  expect(await world.recorded()).toEqual(before);
});

test('a client that goes away while the archive is verified leaves nothing', async () => {
  const verifying = Promise.withResolvers<void>();
  const nexus = await world.startNexus({
    replace: {
      async verifyRelease(path, request, options) {
        verifying.resolve();
        if (!options.signal.aborted) await once(options.signal, 'abort');
        return verifyRelease(path, request, options);
      },
    },
  });
  await nexus.trust(release);
  const before = await world.recorded();
  const bytes = await readFile(release.path);
  const { socket } = openUpload(nexus, bytes.length, bytes);
  await verifying.promise;
  socket.destroy();
  await until(async () => nexus.services.staging.uploadsInProgress() === 0);
  expect(await nexus.staged()).toEqual([]);
  expect(await world.recorded()).toEqual(before);
});

test.for([['committed'], ['not_committed'], ['not_committed', 'committed', 'committed']] as const)(
  'a commit whose answer is lost (%s) is asked for again, and recorded once (P4)',
  async cuts => {
    const { nexus, proxy } = await startBehindProxy(world, release);
    await using _ = proxy;
    proxy.cutAtCommit(...cuts);
    expect(await nexus.upload(release)).toMatchObject({ status: 'inserted' });
    expect(proxy.cutCount()).toBe(cuts.length);
    expect(nexus.services.staging.held()).toHaveLength(1);
    const [row] = await world.database.query(
      'SELECT (SELECT count(*)::int FROM tuf_repo) AS repos, (SELECT count(*)::int FROM local_repo) AS local',
    );
    expect(row).toEqual({ repos: 1, local: 1 });
  },
);

test('an upload that is stopped before the database has answered is left to the next start, which adopts it (P4)', async () => {
  const { nexus, proxy } = await startBehindProxy(world, release);
  await using _ = proxy;
  proxy.cutAtCommit('committed_and_gone');
  const upload = nexus.upload(release).catch((error: unknown) => error);
  await until(async () => proxy.isRefusing());
  await nexus[Symbol.asyncDispose]();
  expect(await upload).toBeInstanceOf(DepotError);
  expect(await nexus.staged()).toHaveLength(2);

  const again = await world.startNexus();
  const [held] = again.services.staging.held();
  expect([...(await again.staged())].sort()).toEqual([`${held!.uploadId}.json`, `${held!.uploadId}.zip`]);
  expect(held!.artifacts.size).toBe(2);
});
