/** Messages about files name them, and say what helps the command that failed. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { handMadeZip } from '../../archive/hand-made-zip.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

let directory: string;
const run = (...args: string[]) => runTestCli(args, { directory });
const assemble = (...args: string[]) => run('repo', 'assemble', '--key', 'k.pem', ...args);
const DECOMPOSED = 'gru\u0308n.img';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-named-'));
  for (const name of ['os.img', DECOMPOSED, 'a\u001b[31m\nb.img'])
    await writeFile(join(directory, name), Buffer.alloc(300_000, 7));
  expect(await assemble('--release', '1.0.0', '--out', 'one.zip', 'os.img')).toMatchObject({ exitCode: 0 });
  const whole = await readFile(join(directory, 'one.zip'));
  await writeFile(join(directory, 'cut.zip'), whole.subarray(0, 100_000));
  await writeFile(join(directory, 'junk'), 'junk');
  await writeFile(join(directory, 'flat.zip'), handMadeZip([{ name: 'metadata/1.root.json' }]));
  await writeFile(join(directory, 'bad.json'), '{}');
  await runTestCli(
    ['repo', 'assemble', '--key', 'k2.pem', '--release', '1.0.0', '--out', 'other.zip', 'os.img'],
    { directory },
  );
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test.each([
  [
    ['repo', 'verify', 'one.zip', '--trust-root', 'bad.json'],
    /cannot take a root from \S+\/bad\.json: field/,
  ],
  [
    ['repo', 'verify', 'one.zip', '--trust-root', 'cut.zip'],
    /cannot take a root from \S+\/cut\.zip: the file/,
  ],
  [['repo', 'verify', 'junk'], /junk: it is neither a root\.json nor a ZIP archive/],
  [['tuf', '--metadata-dir', 'md', 'init', 'junk'], /\/junk: it is neither/],
  [
    ['repo', 'verify', 'flat.zip'],
    /flat\.zip has no root .*: pack the folder with metadata\/ and targets\/ in it/,
  ],
  [
    ['repo', 'sign', 'cut.zip', '--key', 'k.pem', '--out', 'x.zip'],
    /cannot open the release cut\.zip: the file/,
  ],
  [
    ['repo', 'edit', 'junk', '--key', 'k.pem', '--release', '2.0.0', '--add', 'os.img', '--out', 'x.zip'],
    /cannot open the release junk: a file of 4 bytes/,
  ],
  [
    [
      'repo',
      'assemble',
      '--key',
      'k.pem',
      '--root',
      'bad.json',
      '--release',
      '1.0.0',
      '--out',
      'x.zip',
      'os.img',
    ],
    /\/bad\.json is no root: field/,
  ],
])('%j fails with the name of the file that is wrong', async (args, message) => {
  const { exitCode, err } = await run(...args);
  expect(exitCode).toBe(1);
  expect(err).toMatch(message);
});

test('a file whose name macOS decomposed becomes an artifact with the composed name', async () => {
  const { exitCode, out } = await assemble('--release', '1.0.1', '--out', 'mac.zip', '--json', DECOMPOSED);
  expect(exitCode).toBe(0);
  expect(out).toContain('gr\u00fcn.img');
  expect(await run('repo', 'verify', 'mac.zip', '--trust-root', 'mac.zip')).toMatchObject({ exitCode: 0 });
});

test('a name that cannot be one of an artifact is named, escaped, with its file and the way out', async () => {
  const bad = (await readdir(directory)).find(name => name.startsWith('a')) ?? '';
  const { exitCode, err } = await assemble('--release', '1.0.2', '--out', 'x.zip', bad);
  expect(exitCode).toBe(2);
  expect(err).toMatch(/the artifact name "a\\u001b\[31m\\nb\.img" of the file .*\n?fix: .*NAME=FILE/s);
  expect(err).not.toContain('\u001b');
});

test.each(['/dev/stdout', '/dev/null', '/proc/self/fd/1'])(
  'an archive is not put in the place of %s',
  async out => {
    const { exitCode, err } = await assemble('--release', '1.0.3', '--out', out, 'os.img');
    expect(exitCode).toBe(1);
    expect(err).toContain(`cannot write ${out}: it is a device or a pipe`);
  },
);

test('what helps is what the command can do', async () => {
  const distrusted = await run('repo', 'verify', 'other.zip', '--trust-root', 'k.pem.root.json');
  expect(distrusted.err).toMatch(/^fix: .*repo verify other\.zip --trust-root FILE/m);
  expect(distrusted.err).not.toContain('trust-root add');
  const token = await runTestCli(['status'], {
    directory,
    environment: { TUF_DEPOT_URL: 'http://127.0.0.1:1', TUF_DEPOT_TOKEN_FILE: 'none' },
  });
  expect(token.err).toMatch(/cannot read the token file \S*none: .*\nfix: name a file that holds a token/s);
});
