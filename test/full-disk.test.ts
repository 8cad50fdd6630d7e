/**
 * Everything that writes a file on a file system that has no bytes left, or no inodes: `NO_SPACE` with the path and the
 * numbers, and nothing is left.
 *
 * Where file systems cannot be mounted the tests are skipped, and a line says so.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveTestNexus, TEST_TOKEN } from '../src/cli/nexus.fixture.ts';
import { runTestCli } from '../src/cli/run.fixture.ts';
import { systemErrorIs } from '../src/lib/disk.ts';
import { writeFileDurably } from '../src/lib/durable-file.ts';
import { messageChain } from '../src/lib/errors.ts';
import { acquireExclusiveLock } from '../src/lib/exclusive-lock.ts';
import { createLogger } from '../src/lib/log.ts';
import { startEmbeddedPostgres } from '../src/local-fleet/embedded-postgres/embedded-postgres.ts';
import { readOrMakeToken } from '../src/nexus/process/token-file.ts';
import { makeTestRepository } from '../src/signing/release.fixture.ts';
import { generateSigningKey, writeSigningKey } from '../src/signing/signing-keys.ts';
import { fetchRepository } from '../src/source/fetch-repository.ts';
import { serveRepository } from '../src/source/repository-server.fixture.ts';
import { createTestDisk, missingForDisks } from './disks.fixture.ts';

const TIMEOUT_MS = 60_000;
const PAGE_BYTES = 4096;
const signal = new AbortController().signal;

const missing = await missingForDisks();
if (missing !== undefined)
  process.stderr.write(`skipped: tests of full disks (test/full-disk.test.ts): ${missing}\n`);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-full-'));
  await writeFile(join(directory, 'os.img'), Buffer.alloc(300_000, 7));
  // Makes the key and the root.
  const args = ['repo', 'assemble', '--release', '1.0.0', '--root', 'roots', '--key', 'k.pem', 'os.img'];
  expect(await runTestCli([...args, '--out', 'one.zip'], { directory })).toMatchObject({ exitCode: 0 });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Takes all bytes that are left. */
const fillBytes = async (path: string): Promise<void> => {
  for (let n = 0; ; n += 1) {
    try {
      await writeFile(join(path, `filler-${n}`), Buffer.alloc(PAGE_BYTES));
    } catch (error) {
      if (systemErrorIs(error, 'ENOSPC')) return;
      throw error;
    }
  }
};

/** Takes all files that are left, and few bytes. */
const fillInodes = async (path: string): Promise<void> => {
  for (let n = 0; ; n += 1) {
    try {
      await writeFile(join(path, `filler-${n}`), '');
    } catch (error) {
      if (systemErrorIs(error, 'ENOSPC')) return;
      throw error;
    }
  }
};

const namesIn = async (path: string): Promise<string[]> =>
  (await readdir(path)).filter(name => !name.startsWith('filler-'));

const NUMBERS = /is full: \d+ bytes and \d+ inodes are free/;

/** A followed repository, with its targets in this directory. */
const fetchInto = async (target: string): Promise<unknown> => {
  await using server = await serveRepository();
  const { files, trustRoot } = await makeTestRepository({ systemVersion: '1.0.0' });
  server.publish(files);
  const trustRoots = [{ id: 'its own', bytes: trustRoot }];
  return await fetchRepository(
    {
      source: { metadataUrl: `${server.url}/metadata/`, targetsUrl: `${server.url}/targets/` },
      directory: target,
      trust: { trustRoots, nowMs: Date.now() },
      maxBytes: 2 ** 30,
    },
    { signal, decide: async () => true, onProgress: () => undefined },
  );
};

/** Everything that writes a file without a store: what it makes in a directory. */
const WRITERS: Record<string, (path: string) => Promise<unknown>> = {
  'a small file': path => writeFileDurably(join(path, 'a'), Buffer.alloc(2 * PAGE_BYTES)),
  'a signing key': path => writeSigningKey(join(path, 'a.pem'), generateSigningKey()),
  'a token': path => readOrMakeToken(join(path, 'token')),
  'a lock': path => acquireExclusiveLock(path),
  'the directory of fetched targets': path => fetchInto(join(path, 'sources')),
  'a database': path =>
    startEmbeddedPostgres({
      dataDirectory: join(path, 'database'),
      log: createLogger({ name: 'test', level: 'silent' }),
      signal,
    }),
};

/** What commands write, by their arguments. */
const COMMANDS: Record<string, (path: string) => readonly string[]> = {
  'repo assemble': path => [
    ...['repo', 'assemble', '--release', '1.1.0', '--root', 'roots', '--key', 'k.pem', 'os.img'],
    ...['--out', join(path, 'one.zip')],
  ],
  'trust-root export': path => [
    ...['trust-root', 'export', '5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7'],
    ...['--out', join(path, 'roots.zip')],
  ],
};

describe.skipIf(missing !== undefined)('full disks', () => {
  test.each(Object.keys(WRITERS))(
    '%s on a file system without free inodes is NO_SPACE with the numbers, and nothing is left',
    async what => {
      await using disk = await createTestDisk(1024 ** 2, { inodes: 20 });
      await fillInodes(disk.dataset);
      const error = await WRITERS[what]?.(disk.dataset).then(
        () => undefined,
        (refused: unknown) => refused,
      );
      expect(error).toMatchObject({
        code: 'NO_SPACE',
        detail: { directory: expect.stringContaining(disk.dataset), free_inodes: 0 },
      });
      expect(messageChain(error)).toMatch(NUMBERS);
      expect(await namesIn(disk.dataset)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test.each(Object.keys(COMMANDS))(
    '%s is NO_SPACE with the name of the file and the numbers, and leaves nothing',
    async command => {
      await using disk = await createTestDisk(16 * PAGE_BYTES);
      await fillBytes(disk.dataset);
      await using nexus = await serveTestNexus({
        sources: {
          trustRootChain: async () => ({
            roots: [{ version: 1, expires: '2030-01-01T00:00:00Z', root: '{}'.padEnd(2 * PAGE_BYTES) }],
          }),
        },
      });
      const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
      const run = await runTestCli(COMMANDS[command]?.(disk.dataset) ?? [], { environment, directory });
      expect(run.exitCode).not.toBe(0);
      expect(run.err).toMatch(
        /^error: .*cannot write \S+\.zip: .* is full: \d+ bytes and \d+ inodes are free/m,
      );
      expect(run.err).toContain('[NO_SPACE]');
      expect(await namesIn(disk.dataset)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
