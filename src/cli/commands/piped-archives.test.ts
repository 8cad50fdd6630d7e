/** Archives that are no files: what a shell gives a command in the place of one. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runTestCli } from '../run.fixture.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-piped-'));
  await writeFile(join(directory, 'os.img'), Buffer.alloc(300_000, 7));
  const args = ['repo', 'assemble', '--release', '1.0.0', '--key', 'k.pem', '--out', 'one.zip', 'os.img'];
  expect(await runTestCli(args, { directory })).toMatchObject({ exitCode: 0 });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const main = new URL('../main.ts', import.meta.url).pathname;
const bash = (command: string): Promise<{ code: number; out: string; err: string }> =>
  new Promise(resolve => {
    const env = { ...process.env, NODE: process.execPath, MAIN: main };
    execFile('bash', ['-c', command], { cwd: directory, env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

test.each([
  [
    'a process substitution',
    '"$NODE" "$MAIN" repo verify <(cat one.zip) --trust-root <(cat k.pem.root.json)',
  ],
  ['a pipe at /dev/stdin', 'cat one.zip | "$NODE" "$MAIN" repo verify /dev/stdin --trust-root one.zip'],
  ['a file at /dev/stdin', '"$NODE" "$MAIN" repo verify /dev/stdin --trust-root one.zip < one.zip'],
  ['standard input, as -', 'cat one.zip | "$NODE" "$MAIN" repo verify - --trust-root one.zip'],
  [
    'a process substitution that is signed anew',
    '"$NODE" "$MAIN" repo sign <(cat one.zip) --key k.pem --out two.zip && "$NODE" "$MAIN" repo verify two.zip --trust-root one.zip',
  ],
])('a release from %s verifies', async (_, command) => {
  expect(await bash(command)).toMatchObject({
    code: 0,
    out: expect.stringContaining('release 1.0.0 verifies'),
  });
});
