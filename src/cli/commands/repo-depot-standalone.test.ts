import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { wholeV1Release } from '../../composite/composites.fixture.ts';
import { generatePkcs1v15Key } from '../../signing/pkcs1v15-key.fixture.ts';
import { makeTestRelease, type TestRelease } from '../../signing/release.fixture.ts';
import { keysForAllRoles } from '../../signing/sign-metadata.ts';
import { runTestCli, type TestRun } from '../run.fixture.ts';

let directory: string;
let release: TestRelease;
let stop: AbortController;
let running: Promise<TestRun> | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-standalone-'));
  release = await makeTestRelease(directory, { systemVersion: '1.2.0' });
  stop = new AbortController();
  running = undefined;
});
afterEach(async () => {
  stop.abort();
  await running;
  await rm(directory, { recursive: true });
});

const freeAddress = async (): Promise<string> => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return `127.0.0.1:${port}`;
};

const run = (...args: string[]) =>
  runTestCli(['repo-depot-standalone', ...args], { directory, signal: stop.signal });

/** Serves until the test ends; resolves when it answers. */
const serve = async (...args: string[]) => {
  const address = await freeAddress();
  running = run(...args, '--listen', address);
  let ended = false;
  void running.finally(() => {
    ended = true;
  });
  const artifactUrl = (sha256: string) => `http://${address}/artifact/sha256/${sha256}`;
  for (;;) {
    const answered = await fetch(artifactUrl('0'.repeat(64))).catch(() => undefined);
    if (answered !== undefined || ended) break;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  const get = (sha256: string, init: RequestInit = {}) => fetch(artifactUrl(sha256), init);
  const end = async (): Promise<TestRun> => {
    stop.abort();
    return await running!;
  };
  return { get, end };
};

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const bytesOf = async (answer: Response) => Buffer.from(await answer.arrayBuffer());

test('the artifacts of several archives are served by hash, whole, in ranges and by HEAD, as a depot does (S22)', async () => {
  const v1 = await makeTestRelease(directory, {
    systemVersion: '1.0.0',
    format: 'v1',
    artifacts: wholeV1Release(),
  });
  await writeFile(join(directory, 'root.json'), release.trustRoot);
  await writeFile(join(directory, 'v1-root.json'), v1.trustRoot);
  const roots = ['--trust-root', 'root.json', '--trust-root', 'v1-root.json'];
  const depot = await serve(release.path, v1.path, ...roots);
  for (const { sha256, sizeBytes } of release.artifacts) {
    const answer = await depot.get(sha256);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-length')).toBe(String(sizeBytes));
    expect(answer.headers.get('etag')).toBe(`"${sha256}"`);
    const bytes = await bytesOf(answer);
    expect(digest(bytes)).toBe(sha256);
    const part = await depot.get(sha256, { headers: { range: 'bytes=1-3' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 1-3/${sizeBytes}`);
    expect(await bytesOf(part)).toEqual(bytes.subarray(1, 4));
    expect((await depot.get(sha256, { headers: { range: `bytes=${sizeBytes}-` } })).status).toBe(416);
    const head = await depot.get(sha256, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(sizeBytes)]);
    expect(await bytesOf(head)).toHaveLength(0);
  }
  const missing = await depot.get('0'.repeat(64));
  expect(missing.status).toBe(404);
  expect(await missing.json()).toMatchObject({ message: expect.stringContaining('none of the archives') });
  const { exitCode, out, err } = await depot.end();
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
  expect(out).toContain('release 1.2.0 verifies');
  expect(out).toContain('release 1.0.0 verifies: 22 artifacts');
});

test('the parts of composite artifacts are served, and the file that holds them has no name (SDA1)', async () => {
  const v1 = await makeTestRelease(directory, {
    systemVersion: '1.0.0',
    format: 'v1',
    artifacts: wholeV1Release(),
  });
  const depot = await serve(v1.path, '--json');
  expect((await readdir(tmpdir())).filter(name => name.startsWith('tuf-depot-serve-'))).toEqual([]);
  const found = await fetchAll(depot, v1);
  const { out, err } = await depot.end();
  const data = JSON.parse(out);
  const listed = data.releases[0].artifacts as readonly { sha256: string; size_bytes: number }[];
  expect(listed).toHaveLength(22);
  expect(data.artifacts).toBe(19);
  expect(found.composites).toEqual([404, 404, 404, 404, 404]);
  expect(err).toContain('--trust-root FILE');
});

/** Also each part, by the list of `repo verify`. */
const fetchAll = async (depot: Awaited<ReturnType<typeof serve>>, v1: TestRelease) => {
  const verified = await runTestCli(['repo', 'verify', v1.path, '--json'], { directory });
  const { artifacts } = JSON.parse(verified.out) as { artifacts: readonly { sha256: string }[] };
  for (const { sha256 } of artifacts) expect(digest(await bytesOf(await depot.get(sha256)))).toBe(sha256);
  const wholeKinds = new Set(['host', 'trampoline', 'control_plane', 'gimlet_rot', 'psc_rot']);
  const composites = v1.artifacts.filter(({ tags }) => wholeKinds.has(tags.kind ?? ''));
  return {
    composites: await Promise.all(composites.map(async ({ sha256 }) => (await depot.get(sha256)).status)),
  };
};

test('a release that is signed by PKCS#1 v1.5 is served with the option alone', async () => {
  const keys = keysForAllRoles([generatePkcs1v15Key()]);
  const legacy = await makeTestRelease(directory, { systemVersion: '1.0.0', keys });
  const refused = await run(legacy.path, '--listen', await freeAddress());
  expect(refused.exitCode).toBe(1);
  expect(refused.err).toContain('--accept-rsa-pkcs1v15');
  const depot = await serve(legacy.path, '--accept-rsa-pkcs1v15');
  expect((await depot.get(legacy.artifacts[0]!.sha256)).status).toBe(200);
});

test('an archive that changes while it is served is never answered whole (G5)', async () => {
  const depot = await serve(release.path);
  const [artifact] = release.artifacts;
  const archive = await readFile(release.path);
  const whole = await bytesOf(await depot.get(artifact!.sha256));
  const at = archive.indexOf(whole);
  const changed = Buffer.from(archive);
  changed[at]! ^= 1;
  await writeFile(release.path, changed);
  await expect(depot.get(artifact!.sha256).then(bytesOf)).rejects.toThrow();
});

test.each<[string, () => readonly string[], RegExp]>([
  [
    'an archive that another root signed',
    () => [release.path, '--trust-root', 'other.json'],
    /does not verify/,
  ],
  ['an archive that is none', () => ['other.json'], /other.json/],
  ['an archive that is not there', () => ['gone.zip'], /gone.zip/],
  ['another machine', () => [release.path, '--listen', '192.0.2.1:1'], /--allow-network/],
  ['every address', () => [release.path, '--listen', '0.0.0.0:1', '--allow-network'], /every address/],
  ['an address without a port', () => [release.path, '--listen', 'localhost'], /--listen: "localhost"/],
])('%s is refused before anything is served', async (_, args, message) => {
  const other = await makeTestRelease(directory, { systemVersion: '9.0.0' });
  await writeFile(join(directory, 'other.json'), other.trustRoot);
  const { exitCode, out, err } = await run(...args());
  expect(exitCode).not.toBe(0);
  expect(out).toBe('');
  expect(err).toMatch(message);
});
