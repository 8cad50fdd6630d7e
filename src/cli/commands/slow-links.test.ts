/** The time within which 64 KiB of an upload have to move, for links on which that takes longer. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runTestCli } from '../run.fixture.ts';

/** More than the sockets of both ends hold. */
const ARCHIVE_BYTES = 64 * 1024 * 1024;

let directory: string;
const sockets = new Set<Socket>();
/** Takes connections, and reads nothing. */
const mute = createServer({ pauseOnConnect: true }, socket => void sockets.add(socket));
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-slow-links-'));
  await writeFile(join(directory, 'release.zip'), Buffer.alloc(ARCHIVE_BYTES));
  await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  mute.close();
  await rm(directory, { recursive: true, force: true });
});

const upload = (TUF_DEPOT_STALL_S: string) =>
  runTestCli(['repo', 'upload', 'release.zip'], {
    environment: {
      ...{
        TUF_DEPOT_URL: `http://127.0.0.1:${(mute.address() as AddressInfo).port}`,
        TUF_DEPOT_TOKEN: 'token',
      },
      TUF_DEPOT_STALL_S,
    },
    directory,
  });

test('an upload of which nothing moves ends after the time that TUF_DEPOT_STALL_S gives', async () => {
  const { exitCode, err } = await upload('1');
  expect(exitCode).toBe(1);
  expect(err).toMatch(/took less than 65536 bytes in 1 s of the request body.*\[PEER_STALLED\]/);
});

test.each(['0', 'ten', '86401'])('the time %s is refused before anything is sent', async text => {
  expect(await upload(text)).toMatchObject({
    exitCode: 2,
    err: expect.stringContaining('give seconds from 1 to 86400'),
  });
});
