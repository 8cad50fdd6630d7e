import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readRunningFleet, writeFleetRecord } from './fleet-record.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleet-record-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true });
});

test('a record is believed only if its reader owns it, and nobody else may write it (FRC1)', async () => {
  const record = {
    pid: process.pid,
    operatorUrls: ['https://127.0.0.1:1'],
    tokenFile: undefined,
    authoritiesFile: undefined,
    minSledReplication: 1,
  };
  await writeFleetRecord(directory, record);
  expect(await readRunningFleet(directory)).toEqual(record);
  for (const mode of [0o620, 0o602]) {
    await chmod(join(directory, 'fleet.json'), mode);
    await expect(readRunningFleet(directory)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('fleet.json can be written by other users, so it is not believed'),
    });
  }
  await chmod(join(directory, 'fleet.json'), 0o644);
  expect(await readRunningFleet(directory), 'others may read it').toEqual(record);
  const self = process.getuid!();
  vi.spyOn(process, 'getuid').mockReturnValue(self + 1);
  await expect(readRunningFleet(directory)).rejects.toThrow(
    `fleet.json belongs to the user with the id ${self}, and this command runs as ${self + 1}`,
  );
});

test('a pipe in the place of a record is refused, and no command waits for its writer (FRC1)', async () => {
  execFileSync('mkfifo', ['-m', '600', join(directory, 'fleet.json')]);
  await expect(readRunningFleet(directory)).rejects.toThrow(
    'fleet.json is not a file, so it is not believed',
  );
}, 10_000);

test('without a record no fleet runs', async () => {
  expect(await readRunningFleet(join(directory, 'none'))).toBeUndefined();
});
