/** Repositories on servers and in directories, as the command line shows them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SourceView } from '../../api/operator-source-api.ts';
import { makeTestRepository, type TestRepository } from '../../signing/release.fixture.ts';
import { serveRepository } from '../../source/repository-server.fixture.ts';
import { serveTestNexus, TEST_TOKEN, TIME } from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

let directory: string;
let repository: TestRepository;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cli-sources-'));
  repository = await makeTestRepository({ systemVersion: '3.1.0' });
  for (const [name, bytes] of repository.files) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), bytes);
  }
  await writeFile(join(directory, 'root.json'), repository.trustRoot);
});
afterAll(() => rm(directory, { recursive: true }));

test('repo verify reports a directory and a server check by check, with the days that each role has left', async () => {
  await using server = await serveRepository();
  server.publish(repository.files);
  for (const place of ['repo', '.', server.url]) {
    const run = await runTestCli(['repo', 'verify', place, '--trust-root', 'root.json'], { directory });
    expect(run).toMatchObject({ exitCode: 0, err: '' });
    expect(run.out).toMatch(/^✓ 5\.2 .*signs itself$/m);
    expect(run.out).toMatch(/^✓ 5\.6\.3 +targets version 1 is signed to its threshold by [0-9a-f]{16}$/m);
    expect(run.out).toMatch(/^timestamp version 1 expires 2100-01-01T00:00:00\.000Z \(\d+ days left\)$/m);
    expect(run.out).toContain(`${place}: release 3.1.0 verifies`);
  }
  const json = await runTestCli(['repo', 'verify', server.url, '--json'], { directory });
  expect(JSON.parse(json.out)).toMatchObject({
    verified: true,
    system_version: '3.1.0',
    checks: expect.arrayContaining([
      expect.objectContaining({
        clause: '5.4.2',
        role: 'timestamp',
        version: 1,
        key_ids: [expect.any(String)],
      }),
    ]),
  });
});

test('a target that a server changed is reported', async () => {
  await using server = await serveRepository();
  server.publish(repository.files);
  const [path, bytes] = [...server.files].find(([name]) => name.includes('artifact-0'))!;
  server.files.set(path, Buffer.alloc(bytes.length));
  const run = await runTestCli(['repo', 'verify', server.url, '--json'], { directory });
  expect(run.exitCode).toBe(1);
  const { verified, checks } = JSON.parse(run.out);
  expect(verified).toBe(false);
  expect(checks.at(-1)).toMatchObject({ clause: '5.7.3', outcome: 'failed' });
});

const source = (more: Partial<SourceView> = {}): SourceView => ({
  name: 'vendor',
  metadata_url: 'http://vendor.test/repo/metadata',
  targets_url: 'http://vendor.test/repo/targets',
  period_secs: 3600,
  state: 'current',
  system_version: '3.1.0',
  time_attempted: TIME,
  ...more,
});

test('repo sync waits for the outcome; source list and show name the obstacle', async () => {
  const states: SourceView[] = [
    source({ state: 'syncing', fetching: { system_version: '3.1.0', done_bytes: 5, total_bytes: 10 } }),
    source(),
  ];
  const error = {
    code: 'METADATA_EXPIRED',
    message: 'the timestamp metadata expired',
    report: [{ clause: '5.4.4', outcome: 'failed' as const, text: 'the timestamp metadata expired' }],
  };
  const refused = source({ state: 'refused', error });
  await using nexus = await serveTestNexus({
    sources: {
      sourceSync: async ({ body }) => (body.source === 'vendor' ? source({ state: 'waiting' }) : refused),
      sourceView: async () => states.shift() ?? refused,
      sourceList: async () => ({ items: [refused] }),
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const synced = await runTestCli(['repo', 'sync', 'vendor'], { environment, directory });
  expect(synced).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining('vendor: release 3.1.0 is recorded'),
  });
  const failed = await runTestCli(['repo', 'sync', 'other'], { environment, directory });
  expect(failed).toMatchObject({ exitCode: 1, err: expect.stringContaining('[METADATA_EXPIRED]') });
  expect(failed.out).toMatch(/^✗ 5\.4\.4/m);
  const list = await runTestCli(['source', 'list'], { environment, directory });
  expect(list.out).toMatch(/^vendor +refused +3\.1\.0 .*expired$/m);
  const show = await runTestCli(['source', 'show', 'vendor'], { environment, directory });
  expect(show.out).toMatch(/^✗ 5\.4\.4/m);
});

test('trust-root export writes the chain as an archive of roots', async () => {
  const root = Buffer.from(repository.trustRoot).toString();
  await using nexus = await serveTestNexus({
    sources: { trustRootChain: async () => ({ roots: [{ version: 1, expires: TIME, root }] }) },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const id = '5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7';
  const run = await runTestCli(['trust-root', 'export', id], { environment, directory });
  for (const [flag, file] of [
    ['--out', 'named.zip'],
    ['--output', 'as-before.zip'],
  ] as const) {
    const { out } = await runTestCli(['trust-root', 'export', id, flag, file], { environment, directory });
    expect(out).toContain(`${file}: root `);
  }
  expect(run).toMatchObject({ exitCode: 0, out: expect.stringContaining('roots.zip: root 1 to 1') });
  const alone = await runTestCli(['repo', 'verify', 'roots.zip'], { directory });
  expect(alone.err).toContain('[ROOTS_ONLY]');
});
