/** repo assemble, edit and sign, as a small team uses them. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../lib/clock.ts';
import { systemClock } from '../../lib/clock.ts';
import { runTestCli } from '../run.fixture.ts';

const NOW_MS = Date.UTC(2026, 5, 1);
const clock: Clock = { ...systemClock, nowMs: () => NOW_MS };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-making-'));
  for (const name of ['os.img', 'dns.img', 'tool.bin'])
    await writeFile(join(directory, name), `content of ${name}`);
});
afterEach(() => rm(directory, { recursive: true }));

const cli = (...args: string[]) => runTestCli(args, { directory, clock });
const ok = async (...args: string[]) => {
  const run = await cli(...args, '--json');
  expect(run, run.err).toMatchObject({ exitCode: 0 });
  return JSON.parse(run.out);
};
const assemble = (...more: string[]) => ok('repo', 'assemble', ...more);
const verify = (archive: string, root: string) => ok('repo', 'verify', archive, '--trust-root', root);

test('several keys with a threshold, one set for root and another for the rest', async () => {
  const data = await assemble(
    ...['--release', '1.0.0', '--out', 'one.zip', '--root', 'roots', 'os.img'],
    ...['--key', 'root=a.pem', '--key', 'root=b.pem', '--threshold', 'root=2', '--key', 'online.pem'],
  );
  expect(data).toMatchObject({ system_version: '1.0.0', reproducible: true });
  expect(data.keys).toHaveLength(3);
  const root = JSON.parse(await readFile(join(directory, 'roots/1.root.json'), 'utf8'));
  expect(root.signatures).toHaveLength(2);
  expect(root.signed.roles.root).toMatchObject({ threshold: 2 });
  expect(root.signed.roles.timestamp.keyids).toHaveLength(1);
  expect(root.signed.roles.root.keyids).not.toContain(root.signed.roles.timestamp.keyids[0]);
  expect(await verify('one.zip', 'roots/1.root.json')).toMatchObject({ role_versions: { root: 1 } });

  // The next release needs the online key alone.
  await assemble(
    '--release',
    '1.1.0',
    '--out',
    'two.zip',
    '--root',
    'roots',
    '--key',
    'online.pem',
    'os.img',
  );
  await verify('two.zip', 'roots/1.root.json');
});

test.each(['ecdsa-p256', 'rsa-pss'])(
  'keys of type %s sign, and the answer says that the bytes are not repeatable',
  async type => {
    const args = [
      'repo',
      'assemble',
      '--release',
      '1.0.0',
      '--key',
      'k.pem',
      '--key-type',
      type,
      '--out',
      'one.zip',
      'os.img',
    ];
    const run = await cli(...args);
    expect(run.out).toContain(`(${type})`);
    expect(run.out).toContain('signatures are random');
    expect(await ok(...args)).toMatchObject({ reproducible: false, keys: [{ type }] });
    await verify('one.zip', 'k.pem.root.json');
  },
);

test('the same input, keys and clock give the same archive', async () => {
  const args = ['--release', '1.0.0', '--key', 'k.pem', 'os.img', 'dns.img'];
  const first = await assemble(...args, '--out', 'one.zip');
  const second = await assemble(...args, '--out', 'two.zip');
  expect(second.sha256).toBe(first.sha256);
});

test('roots rotate: the archive carries the chain, and verifies against every root of it', async () => {
  const common = ['--root', 'roots', '--format', 'plain', 'os.img'];
  await assemble(...common, '--release', '1.0.0', '--out', 'one.zip', '--key', 'a.pem');
  const rotated = [...common, '--release', '2.0.0', '--out', 'two.zip', '--rotate-root'];
  const refused = await cli('repo', 'assemble', ...rotated, '--key', 'b.pem');
  expect(refused.err).toMatch(/role root needs signatures by 1 of its keys/);
  expect(await readdir(join(directory, 'roots'))).toEqual(['1.root.json']);

  await assemble(...rotated, '--key', 'b.pem', '--old-key', 'a.pem');
  expect((await readdir(join(directory, 'roots'))).sort()).toEqual(['1.root.json', '2.root.json']);
  for (const version of [1, 2]) {
    expect(await verify('two.zip', `roots/${version}.root.json`)).toMatchObject({
      role_versions: { root: 2 },
    });
  }
  await assemble(...common, '--release', '2.1.0', '--out', 'three.zip', '--key', 'b.pem');
  await verify('three.zip', 'roots/1.root.json');
  const old = await cli(
    'repo',
    'assemble',
    ...common,
    '--release',
    '2.2.0',
    '--out',
    'four.zip',
    '--key',
    'a.pem',
  );
  expect(old.err).toMatch(/role timestamp needs signatures by 1 of its keys.*\[SIGNING_KEY_INVALID\]/);
});

test('a manifest delegates by path, with keys of its own, and to hash bins', async () => {
  const artifacts = `system_version = "1.0.0"
[[artifact]]
path = "os.img"
[[artifact]]
path = "tool.bin"
name = "tools/tool.bin"
tags = { kind = "tool" }
`;
  await writeFile(
    join(directory, 'paths.toml'),
    `${artifacts}[[delegation]]\nname = "tools"\npaths = ["tools/*"]\nkeys = ["tools.pem"]\nterminating = true\n`,
  );
  await writeFile(join(directory, 'bins.toml'), `${artifacts}[hash_bins]\nbits = 2\n`);
  const paths = await assemble('--manifest', 'paths.toml', '--key', 'k.pem', '--out', 'paths.zip');
  expect(paths.keys).toHaveLength(2);
  await assemble('--manifest', 'bins.toml', '--key', 'k.pem', '--out', 'bins.zip');
  for (const archive of ['paths.zip', 'bins.zip']) {
    const { artifacts: found } = await verify(archive, 'k.pem.root.json');
    expect(found.map((artifact: { target_name: string }) => artifact.target_name)).toEqual([
      'os.img',
      'tools/tool.bin',
    ]);
  }
  await writeFile(join(directory, 'both.toml'), `${artifacts}[[delegation]]\nname = "x"\n`);
  const wrong = await cli('repo', 'assemble', '--manifest', 'both.toml', '--key', 'k.pem', '--out', 'x.zip');
  expect(wrong.err).toMatch(/needs either paths or path_hash_prefixes/);
});

test('edit makes a new release from an old one, and does not change the old one', async () => {
  await assemble('--release', '1.0.0', '--key', 'k.pem', '--out', 'one.zip', 'os.img', 'dns.img');
  const before = await readFile(join(directory, 'one.zip'));
  const edit = (...more: string[]) => [
    'repo',
    'edit',
    'one.zip',
    '--key',
    'k.pem',
    '--out',
    'two.zip',
    ...more,
  ];
  const data = await ok(...edit('--release', '1.1.0', '--add', 'tools/t=tool.bin', '--remove', 'dns.img'));
  expect(data.artifacts.map((artifact: { target_name: string }) => artifact.target_name)).toEqual([
    'os.img',
    'tools/t',
  ]);
  expect(await verify('two.zip', 'k.pem.root.json')).toMatchObject({ system_version: '1.1.0' });
  expect((await readFile(join(directory, 'one.zip'))).equals(before)).toBe(true);

  for (const [more, message] of [
    [['--release', '1.1.0'], /nothing to change/],
    [['--add', 'os.img'], /needs a version/],
    [['--release', '1.1.0', '--remove', 'absent'], /no artifact absent/],
    [['--release', '1.1.0', '--add', 'os.img'], /remove it too/],
    [['--release', '1.1.0', '--add', 'nowhere.img'], /cannot read .*nowhere.img/],
  ] as [string[], RegExp][]) {
    expect((await cli(...edit(...more))).err).toMatch(message);
  }
});

test('sign renews all roles, or the named one, before they expire', async () => {
  await assemble(
    '--release',
    '1.0.0',
    '--key',
    'k.pem',
    '--expires-in-days',
    'timestamp=1',
    '--out',
    'one.zip',
    'os.img',
  );
  const sign = (...more: string[]) =>
    ok('repo', 'sign', 'one.zip', '--key', 'k.pem', '--out', 'two.zip', ...more);
  const later = { ...clock, nowMs: () => NOW_MS + 2 * 86_400_000 };
  const verifyLater = (archive: string) =>
    runTestCli(['repo', 'verify', archive, '--trust-root', 'k.pem.root.json'], { directory, clock: later });
  expect((await verifyLater('one.zip')).err).toMatch(/METADATA_EXPIRED/);
  expect(await sign('--role', 'timestamp')).toMatchObject({ signed_roles: ['timestamp'] });
  expect((await verifyLater('two.zip')).exitCode).toBe(0);
  expect(await sign()).toMatchObject({ signed_roles: ['timestamp', 'snapshot', 'targets'] });
  const seconds = NOW_MS / 1000 + 1;
  expect(await verify('two.zip', 'k.pem.root.json')).toMatchObject({
    role_versions: { root: 1, timestamp: seconds, snapshot: seconds },
  });
});

test.each([
  [['--key', 'root=a.pem'], /there is no key for timestamp/],
  [['--key', 'a.pem', '--threshold', '2'], /2 keys must sign root, but it has 1/],
  [['--key', 'a.pem', '--threshold', '0'], /not a number of keys/],
  [['--key', 'a.pem', '--key-type', 'dsa'], /not a type of key/],
  [['--key', 'a.pem', '--expires-in-days', 'soon'], /not a number of days/],
  [['--key', 'a.pem', '--rotate-root'], /has no root to rotate/],
])('repo assemble %j says what is wrong', async (more, message) => {
  const run = await cli('repo', 'assemble', '--release', '1.0.0', '--out', 'x.zip', ...more, 'os.img');
  expect(run).toMatchObject({ exitCode: 2, err: expect.stringMatching(message) });
});
