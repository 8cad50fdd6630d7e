/** Commands that read an archive by themselves, and how large its artifacts may be. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeTestRelease, type TestRelease } from '../../signing/release.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

let directory: string;
let release: TestRelease;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-archive-limits-'));
  release = await makeTestRelease(directory, { systemVersion: '1.2.0', artifacts: [60_000, 60_000] });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const run = (...args: string[]) => runTestCli(args, { directory });

test.each([['repo', 'verify'], ['repo-depot-standalone']])(
  '%s %s refuses a larger artifact by the name of the setting, and the fix has the option',
  async (...command) => {
    const refused = await run(...command.filter(word => word), release.path, '--artifact-bytes', '50000');
    expect(refused.exitCode).toBe(1);
    expect(refused.err).toMatch(
      /the size of "[^"]+" in bytes \(limits\.artifact_bytes\) is 60000, the limit is 50000/,
    );
    expect(refused.err).toContain(
      'fix: make the release smaller; if a size is the limit, raise it: --artifact-bytes SIZE',
    );
  },
);

test('an archive may inflate to twice the largest repository', async () => {
  const refused = await run('repo', 'verify', release.path, '--repository-bytes', '60000');
  expect(refused.exitCode).toBe(1);
  expect(refused.err).toContain('twice limits.repository_bytes');
  const verified = await run(
    'repo',
    'verify',
    release.path,
    '--repository-bytes',
    '70000',
    '--artifact-bytes',
    '60000',
  );
  expect(verified.exitCode).toBe(0);
});

test('the defaults are those of a Nexus, and a text that is no size is an error of use', async () => {
  const help = await run('repo', 'verify', '--help');
  expect(help.out.replaceAll(/\s+/g, ' ')).toContain('the largest artifact of an archive (2.00 GiB)');
  expect(help.out.replaceAll(/\s+/g, ' ')).toContain('inflate to twice as much (4.00 GiB)');
  const unclear = await run('repo', 'verify', release.path, '--artifact-bytes', '2GB');
  expect(unclear.err).toContain('--artifact-bytes 2GB is not a size');
});
