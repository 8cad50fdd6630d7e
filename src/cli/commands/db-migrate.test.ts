import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { runTestCli } from '../run.fixture.ts';
import { exitCodes } from '../session/exit-code.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-migrate-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Sleeps take no time, but as long as they say. */
const hurried = (): Clock => {
  let passedMs = 0;
  return {
    ...systemClock,
    monotonicMs: () => passedMs,
    sleep: async ms => {
      passedMs += ms;
    },
  };
};

const migrate = async (url: string) => {
  await writeFile(join(directory, 'nexus.toml'), `staging_directory = "s"\n[database]\nurl = "${url}"\n`);
  return runTestCli(['db', 'migrate', '--config', 'nexus.toml'], { directory, clock: hurried() });
};

test('db migrate waits for a database that is away, says why, and gives up after a minute', async () => {
  const { exitCode, err } = await migrate('postgresql:///db?host=/nonexistent&user=nobody');
  expect(exitCode).toBe(exitCodes.failed);
  const lines = err.trim().split('\n');
  const waiting = lines.filter(line => line.startsWith('Waiting for the database: '));
  expect(waiting.length).toBeGreaterThan(6);
  expect(waiting[0]).toContain('ENOENT');
  expect(err).toContain('db migrate: the database is unavailable');
});

test('db migrate does not wait if the configuration is wrong', async () => {
  const { exitCode, err } = await migrate('postgresql://u:secret@h/db?sslmode=prefer');
  expect(exitCode).toBe(exitCodes.failed);
  expect(err).toContain('database.url: sslmode must be one of');
  expect(err).not.toContain('secret');
});
