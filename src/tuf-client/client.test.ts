/** The client whole: a real server, real files, the command line of the conformance suite. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runTestCli } from '../cli/run.fixture.ts';
import { acquireExclusiveLock } from '../lib/exclusive-lock.ts';
import { generateSigningKey } from '../signing/signing-keys.ts';
import { type MadeRepository, makeRepository, type RepositorySpec } from '../tuf/repository.fixture.ts';
import { targetPath } from './target-directory.ts';

const key = generateSigningKey();
let directory: string;
let server: Server;
let metadata: Map<string, Uint8Array>;
let targets: Map<string, string>;
let asked: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-client-'));
  [metadata, targets, asked] = [new Map(), new Map(), []];
  server = createServer((request, response) => {
    const url = request.url ?? '';
    asked.push(url);
    const [, folder = '', ...segments] = url.split('/');
    const name = folder === 'targets' ? segments.map(decodeURIComponent).join('/') : segments.join('/');
    const body = folder === 'targets' ? targets.get(name) : metadata.get(name);
    response.statusCode = body === undefined ? 404 : 200;
    response.end(body);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
  await rm(directory, { recursive: true });
});

const base = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const trusted = () => join(directory, 'trusted');
const into = () => join(directory, 'targets');

const serve = (spec: RepositorySpec): MadeRepository => {
  const made = makeRepository({ consistentSnapshot: false, ...spec });
  metadata = made.metadata;
  for (const role of [spec.targets, ...Object.values(spec.roles ?? {})]) {
    for (const [name, content] of role.targets ?? []) targets.set(name, content);
  }
  return made;
};

const init = async ({ root }: MadeRepository) => {
  const path = join(directory, 'root.json');
  await writeFile(path, root);
  return runTestCli(['tuf', '--metadata-dir', trusted(), 'init', path]);
};
const client = (...args: string[]) =>
  runTestCli(['tuf', '--metadata-url', `${base()}/metadata/`, '--metadata-dir', trusted(), ...args]);
const download = (...names: string[]) =>
  client(
    ...names.flatMap(name => ['--target-name', name]),
    ...['--target-base-url', `${base()}/targets`, '--target-dir', into(), 'download'],
  );

const one: RepositorySpec = { targets: { targets: [['dir/file', 'content']] } };

test('init trusts a root without a question; refresh stores the four roles under plain names', async () => {
  const made = serve(one);
  expect((await init(made)).exitCode).toBe(0);
  expect(asked).toEqual([]);
  expect((await client('refresh')).exitCode).toBe(0);
  expect(asked).toEqual(['2.root', 'timestamp', 'snapshot', 'targets'].map(role => `/metadata/${role}.json`));
  for (const role of ['timestamp', 'snapshot', 'targets']) {
    expect(await readFile(join(trusted(), `${role}.json`))).toEqual(metadata.get(`${role}.json`));
  }
  expect(await readFile(join(trusted(), 'root.json'))).toEqual(made.root);
});

test('init refuses a root that does not sign itself, and another root than the one that is trusted', async () => {
  const made = serve(one);
  const forged = Buffer.from(Buffer.from(made.root).toString().replace('"version": 1', '"version": 2'));
  expect(await init({ ...made, root: forged })).toMatchObject({ exitCode: 1 });
  expect((await client('refresh')).err).toContain('no root is trusted here yet');
  await init(made);
  expect((await init(made)).exitCode).toBe(0);
  expect((await init(makeRepository({ ...one, key }))).err).toContain('a root is trusted here already');
});

test('downloads absent targets, and does not download present ones again (TC3)', async () => {
  await init(serve(one));
  expect((await download('dir/file')).exitCode).toBe(0);
  expect(await readFile(join(into(), 'dir/file'), 'utf8')).toBe('content');
  asked = [];
  expect((await download('dir/file')).exitCode).toBe(0);
  expect(asked.filter(url => url.startsWith('/targets'))).toEqual([]);
  await writeFile(join(into(), 'dir/file'), 'changed');
  expect((await download('dir/file')).exitCode).toBe(0);
  expect(await readFile(join(into(), 'dir/file'), 'utf8')).toBe('content');
});

describe('a target is whole and correct, or absent (TD2)', () => {
  test.each([
    ['other bytes', 'CONTENT', 'TARGET_HASH_MISMATCH'],
    ['too few', 'cont', 'TARGET_LENGTH_MISMATCH'],
    ['too many', 'content and more', 'SOURCE_TOO_LARGE'],
    ['none', undefined, 'TARGET_MISSING'],
  ])('%s (5.7.3)', async (_, content, code) => {
    await init(serve(one));
    if (content === undefined) targets.delete('dir/file');
    else targets.set('dir/file', content);
    const result = await download('dir/file');
    expect(result).toMatchObject({ exitCode: 1, err: expect.stringContaining(code) });
    expect(await readdir(join(into(), 'dir')).catch(() => [])).toEqual([]);
  });
});

test('targets are taken in order, and the first that fails ends it', async () => {
  await init(
    serve({
      targets: {
        targets: [
          ['a', '1'],
          ['b', '2'],
        ],
      },
    }),
  );
  expect((await download('a', 'nobody signed this', 'b')).exitCode).toBe(1);
  expect(await readdir(into())).toEqual(['a']);
});

test.each(['?', '#', '/role', '../role'])('the delegated role %j is stored where it belongs', async name => {
  await init(
    serve({
      targets: { delegations: [{ to: name, keys: [key] }] },
      roles: { [name]: { signers: [key], targets: [['file', 'content']] } },
    }),
  );
  expect((await download('file')).exitCode).toBe(0);
  const stored = (await readdir(trusted())).filter(file => file.endsWith('.json'));
  expect(stored.toSorted()).toEqual(
    [
      `${encodeURIComponent(name)}.json`,
      'root.json',
      'snapshot.json',
      'targets.json',
      'timestamp.json',
    ].toSorted(),
  );
  expect(await readdir(directory)).not.toContain('role.json');
});

test.each(['a?b#c', 'a b', 'constructor', '100%25', 'é'])(
  'the target name %j is a name like any other',
  async name => {
    await init(serve({ targets: { targets: [[name, 'content']] } }));
    expect((await download(name)).exitCode).toBe(0);
    expect(await readFile(join(into(), name), 'utf8')).toBe('content');
  },
);

test.each(['../out', '/etc/out', 'a/../../out', '', 'a\0b'])(
  'CVE-2026-6968: %j does not lead out of the directory',
  name => {
    expect(() => targetPath('/somewhere', name)).toThrow(/the target name/);
  },
);

test('CVE-2026-6968: a link where the file would be is replaced, not followed', async () => {
  await init(serve({ targets: { targets: [['file', 'content']] } }));
  const outside = join(directory, 'outside');
  await writeFile(outside, 'mine');
  await mkdir(into());
  await symlink(outside, join(into(), 'file'));
  expect((await download('file')).exitCode).toBe(0);
  expect(await readFile(outside, 'utf8')).toBe('mine');
});

test('one process at a time; a wrong call names the missing argument', async () => {
  await init(serve(one));
  const lock = await acquireExclusiveLock(trusted());
  expect((await client('refresh')).err).toContain('IN_USE_BY_PROCESS');
  await lock[Symbol.asyncDispose]();
  expect(await client('download')).toMatchObject({
    exitCode: 2,
    err: expect.stringContaining('--target-dir'),
  });
});
