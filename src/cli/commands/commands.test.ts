import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DepotError } from '../../lib/errors.ts';
import { makeTestRelease, type TestRelease } from '../../signing/release.fixture.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import {
  SLED,
  serveTestNexus,
  TEST_TOKEN,
  type TestHandlers,
  testReplication,
  testSled,
} from '../nexus.fixture.ts';
import { runTestCli, type TestRun } from '../run.fixture.ts';
import { Interruption } from '../session/exit-code.ts';

let directory: string;
let release: TestRelease;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-cli-'));
  release = await makeTestRelease(directory, { systemVersion: '1.2.0' });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const environment = (url: string) => ({ TUF_DEPOT_URL: url, TUF_DEPOT_TOKEN: TEST_TOKEN });

const against = async (handlers: TestHandlers, ...args: string[]): Promise<TestRun> => {
  await using nexus = await serveTestNexus(handlers);
  return await runTestCli(args, { environment: environment(nexus.url), directory });
};

test('lists releases as a table in the order of versions, and as JSON of the contract', async () => {
  const table = await against({}, 'repo', 'list');
  expect(table.exitCode).toBe(0);
  const versions = table.out.split('\n').map(line => line.split(' ')[0]);
  expect(versions).toEqual(['VERSION', '1.10.0', '1.2.0', '1.2.0-rc.1', '']);
  expect(table.out).toMatch(/1\.10\.0 +complete +4\/4 sleds +3 +214 MiB/);

  const json = await against({}, 'repo', 'list', '--json');
  expect(json.err).toBe('');
  expect(JSON.parse(json.out)).toMatchObject([
    { system_version: '1.10.0', state: 'complete', total_size_bytes: 224_395_264 },
    { system_version: '1.2.0', state: null },
    { system_version: '1.2.0-rc.1' },
  ]);
});

test('follows the pages of a list to its end', async () => {
  const pages = new Map([
    [undefined, { items: [{ ...testSled(), serial: 'a' }], next_page: 'two' }],
    ['two', { items: [{ ...testSled(), serial: 'b' }] }],
  ]);
  const { out } = await against(
    { fleet: { sledList: async ({ query }) => pages.get(query.page_token)! } },
    'sled',
    'list',
    '--json',
  );
  expect(JSON.parse(out).map((sled: { serial: string }) => sled.serial)).toEqual(['a', 'b']);
});

test('the exit code of status is the verdict (B18)', async () => {
  for (const [verdict, exitCode] of [
    ['ok', 0],
    ['converging', 4],
    ['degraded', 5],
    ['failed', 1],
  ] as const) {
    await using nexus = await serveTestNexus();
    const { out } = await runTestCli(['status', '--json'], { environment: environment(nexus.url) });
    const status = JSON.parse(out);
    const run = await against(
      {
        fleet: {
          fleetStatus: async () => ({
            ...status,
            verdict,
            reasons: [{ code: 'sled_silent', message: 'sled-3 is silent' }],
          }),
        },
      },
      'status',
    );
    expect(run.exitCode).toBe(exitCode);
    expect(run.out).toContain(`verdict:     ${verdict}`);
    expect(run.out).toContain('- sled-3 is silent [sled_silent]');
  }
});

test('repo wait exits with 0 when complete, 1 when failed, 3 on a timeout, and distinguishes safe from complete (S24)', async () => {
  const wait = (replication: Parameters<typeof testReplication>[1], ...args: string[]) =>
    against(
      { fleet: { releaseReplication: async () => testReplication('1.2.0', replication) } },
      'repo',
      'wait',
      '1.2.0',
      ...args,
    );
  expect(await wait({ complete: true, safe: true, state: 'complete', sleds_holding_all: 4 })).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining('1.2.0 is complete: whole on 4 of 4 sleds'),
  });
  expect(await wait({ safe: true, state: 'safe' }, '--for', 'safe')).toMatchObject({ exitCode: 0 });
  expect(await wait({ safe: true, state: 'safe' }, '--timeout', '0.01')).toMatchObject({ exitCode: 3 });
  const failed = await wait({
    state: 'failed',
    reasons: [{ code: 'no_copy', message: 'no copy of 9f86 is left', remedy: 'Upload it again.' }],
  });
  expect(failed.exitCode).toBe(1);
  expect(failed.err).toMatch(
    /error: 1\.2\.0 has failed.*\n.*no copy of 9f86 is left.*\n +fix: Upload it again\.\n/,
  );
  expect(JSON.parse((await wait({}, '--timeout', '0', '--json')).out)).toMatchObject({
    outcome: 'timed_out',
    replication: { copies_held: 5 },
  });
});

test('upload sends the file with its length, and standard input without one', async () => {
  await using nexus = await serveTestNexus();
  const options = { environment: environment(nexus.url), directory };
  const fromFile = await runTestCli(['repo', 'upload', release.path, '--allow-expired'], options);
  expect(fromFile.exitCode).toBe(0);
  expect(fromFile.out).toMatch(
    /^1\.2\.0 uploaded: 3 artifacts, 214 MiB; sent in .*\n {2}✓ all signatures are good\n$/,
  );
  const bytes = Buffer.from('anything at all');
  const stdin = Readable.from([bytes.subarray(0, 4), bytes.subarray(4)]);
  const fromStdin = await runTestCli(['repo', 'upload', '-', '--file-name', 'r.zip', '--json'], {
    ...options,
    stdin,
  });
  expect(JSON.parse(fromStdin.out)).toMatchObject({ status: 'inserted' });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect(nexus.received.uploads).toEqual([
    {
      fileName: 'release-1.2.0.zip',
      contentLength: release.sizeBytes,
      sha256: release.sha256,
      query: { file_name: 'release-1.2.0.zip', allow_expired: 'true' },
    },
    { fileName: 'r.zip', contentLength: undefined, sha256, query: { file_name: 'r.zip' } },
  ]);
});

test('a refused upload has its reason in one line, with the code and the command that helps', async () => {
  const run = await against(
    {
      updates: {
        async repositoryUpload() {
          throw new DepotError(
            'UNTRUSTED_SIGNATURES',
            'no trust root vouches for the root of this repository',
          );
        },
      },
    },
    'repo',
    'upload',
    release.path,
  );
  expect(run).toMatchObject({ exitCode: 1, out: '' });
  expect(run.err.trimEnd().split('\n')).toEqual([
    expect.stringMatching(
      /^error: cannot upload .*release-1\.2\.0\.zip: .* no trust root vouches for the root of this repository \[UNTRUSTED_SIGNATURES\]$/,
    ),
    expect.stringMatching(/^fix: if you trust its signers: tuf-depot trust-root add .*release-1\.2\.0\.zip$/),
  ]);
});

test('Ctrl-C during an upload ends the request and exits with 130', async () => {
  const controller = new AbortController();
  const seen = Promise.withResolvers<string>();
  await using nexus = await serveTestNexus({
    updates: {
      async repositoryUpload({ body }) {
        try {
          for await (const _ of body.chunks) controller.abort(new Interruption('SIGINT'));
          seen.resolve('whole');
        } catch (error) {
          seen.resolve((error as DepotError).code);
        }
        throw new DepotError('BODY_INCOMPLETE', 'the client disconnected');
      },
    },
  });
  const endless = Readable.from(
    (async function* () {
      for (;;) {
        yield Buffer.alloc(64 * 1024);
        await new Promise(resolve => setTimeout(resolve, 5));
      }
    })(),
  );
  const run = await runTestCli(['repo', 'upload', '-'], {
    environment: environment(nexus.url),
    stdin: endless,
    signal: controller.signal,
  });
  expect(run).toEqual({ exitCode: 130, out: '', err: 'interrupted by SIGINT\n' });
  expect(await seen.promise).toBe('BODY_INCOMPLETE');
});

test('trust-root add takes the root out of an archive and says which keys it trusts', async () => {
  await using nexus = await serveTestNexus();
  const run = await runTestCli(['trust-root', 'add', release.path], {
    environment: environment(nexus.url),
    directory,
  });
  expect(run.exitCode).toBe(0);
  const keyId = release.keys.root.keys[0]!.keyId;
  expect(run.out).toContain(`root: 1 of 1 must sign\n  ${keyId} ed25519`);
  expect(run.out).toContain(rootDigestOf(release.trustRoot));
  expect(nexus.received.calls).toEqual([JSON.parse(Buffer.from(release.trustRoot).toString())]);

  const rootFile = join(directory, 'root.json');
  await writeFile(rootFile, release.trustRoot);
  const fromJson = await runTestCli(['trust-root', 'add', 'root.json', '--json'], {
    environment: environment(nexus.url),
    directory,
  });
  expect(JSON.parse(fromJson.out)).toMatchObject({ id: SLED, root_role: { signed: { version: 1 } } });
});

test('trust-root list and show give the digest by which sleds know the root (RDG1)', async () => {
  const root_role = JSON.parse(Buffer.from(release.trustRoot).toString());
  const root = { id: SLED as never, time_created: '2026-01-01T00:00:00.000Z', root_role };
  const updates: TestHandlers['updates'] = {
    trustRootList: async () => ({ items: [root], next_page: null }),
    trustRootView: async () => root,
  };
  const digest = rootDigestOf(release.trustRoot);
  const run = (...args: string[]) => against({ updates }, 'trust-root', ...args);
  expect((await run('list')).out).toContain(digest);
  expect((await run('show', SLED)).out).toContain(digest);
  expect(JSON.parse((await run('show', SLED, '--json')).out)).toMatchObject({
    root_role,
    root_sha256: digest,
  });
  expect(JSON.parse((await run('list', '--json')).out)).toMatchObject([{ root_sha256: digest }]);
});

test('repo verify checks a local archive against a given root, or against its own and says so', async () => {
  const own = await runTestCli(['repo', 'verify', release.path], { directory });
  expect(own).toMatchObject({ exitCode: 0, err: expect.stringContaining('not who signed it') });
  const other = await makeTestRelease(directory, { systemVersion: '9.0.0' });
  const run = await runTestCli(['repo', 'verify', release.path, '--trust-root', other.path], { directory });
  expect(run).toMatchObject({ exitCode: 1, out: expect.stringMatching(/^✗ 5\.4\.2 /m) });
  expect(run.err).toContain('[UNTRUSTED_SIGNATURES]');
});

test('repo assemble makes archives that repo verify accepts, under one root, and lets them share a file', async () => {
  const assemble = (version: string) =>
    runTestCli(
      [
        'repo',
        'assemble',
        '--release',
        version,
        '--key',
        'k.pem',
        '--out',
        `${version}.zip`,
        '--json',
        release.path,
      ],
      { directory },
    );
  const first = JSON.parse((await assemble('2.0.0')).out);
  expect(first).toMatchObject({
    system_version: '2.0.0',
    artifacts: [{ target_name: 'release-1.2.0.zip', size_bytes: release.sizeBytes }],
  });
  const next = await assemble('2.1.0');
  expect(next.err).toBe('');
  // One hash has one version in all releases: the same file may be in both.
  expect(JSON.parse(next.out).artifacts).toEqual(first.artifacts);
  const run = await runTestCli(['repo', 'verify', '2.1.0.zip', '--trust-root', 'k.pem.root.json', '--json'], {
    directory,
  });
  expect(JSON.parse(run.out)).toMatchObject({ system_version: '2.1.0', trust_root: { own: false } });
});

test('a sled is approved to speak plain HTTP at an address, by its id also before it has registered', async () => {
  await using nexus = await serveTestNexus();
  const options = { environment: environment(nexus.url) };
  const set = (...args: readonly string[]) => runTestCli(['sled', 'set-transport', ...args], options);
  const { out } = await set(SLED, 'plain', '--address', '192.0.2.7');
  expect(out).toContain(`Sled ${SLED} may register without an identity from 192.0.2.7`);
  expect((await set('sled-1', 'tls')).out).toBe('Sled sled-1 has to identify itself.\n');
  expect(nexus.received.calls).toEqual([
    { sled_id: SLED, transport: 'plain', address: '192.0.2.7' },
    { sled_id: SLED, transport: 'tls' },
  ]);
  expect((await set(SLED, 'tls', '--address', '192.0.2.7')).err).toContain('--address belongs to plain');
  expect((await set(SLED, 'http')).err).toContain('http is not a transport');
});

test('a sled is named by its id or its serial number', async () => {
  await using nexus = await serveTestNexus();
  const options = { environment: environment(nexus.url) };
  const expunged = await runTestCli(['sled', 'set-policy', 'sled-1', 'expunged'], options);
  expect(expunged.out).toBe(`Sled sled-1 (${SLED}) is expunged.\n`);
  const returned = await runTestCli(['sled', 'set-policy', SLED, 'in-service'], options);
  expect(returned.out).toContain('it needs a new certificate');
  const forgotten = await runTestCli(['sled', 'forget', 'sled-1'], options);
  expect(nexus.received.calls).toEqual([
    { sled_id: SLED, policy: 'expunged' },
    { sled_id: SLED, policy: 'in_service' },
    { forget: SLED },
  ]);
  expect(forgotten.out).toBe(`Sled sled-1 (${SLED}) is forgotten.\n`);
  const missing = await runTestCli(['sled', 'show', 'sled-7'], options);
  expect(missing.err).toBe(
    'error: there is no sled with the id or serial number sled-7 [NOT_FOUND]\nfix: tuf-depot sled list shows the ids\n',
  );
});
