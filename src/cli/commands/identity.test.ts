/** `identity init`, `issue` and `show`: what they write, and what they refuse. */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { runTestCli } from '../run.fixture.ts';
import { exitCodes } from '../session/exit-code.ts';

const DAY_MS = 86_400_000;
const ID = '0d5a9a6a-90a4-4d0f-8b1c-1d5ac1a2b3c4';

/** A directory with the authority of a fleet in `ca`. */
const withAuthority = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'identity-cli-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const clock = createTestClock();
  const run = (...args: string[]) => runTestCli(['identity', ...args], { directory, clock });
  expect(await run('init', '--fleet', 'prod.example', '--out', 'ca')).toMatchObject({
    exitCode: exitCodes.ok,
    err: '',
  });
  const text = (...path: string[]) => readFile(join(directory, ...path), 'utf8');
  const issue = (...args: string[]) => run('issue', ...args, '--ca', 'ca', '--out', 'out');
  return { directory, clock, run, issue, text };
};

test('an authority is never overwritten, not even half of one (AU2)', async () => {
  const { directory, run, text } = await withAuthority();
  const before = [await text('ca', 'ca.pem'), await text('ca', 'ca-key.pem')];
  const again = await run('init', '--out', 'ca');
  expect(again).toMatchObject({ exitCode: exitCodes.failed, out: '' });
  expect(again.err).toContain('an authority is never overwritten');
  await rm(join(directory, 'ca', 'ca.pem'));
  expect((await run('init', '--out', 'ca')).err).toContain('ca-key.pem exists');
  expect(await text('ca', 'ca-key.pem')).toBe(before[1]);
  expect(await readdir(join(directory, 'ca'))).toEqual(['admin-key.pem', 'admin-key.pub.pem', 'ca-key.pem']);
});

test('a certificate that is issued again is for the same process and key, and lasts longer (AU1)', async () => {
  const { directory, clock, issue, text } = await withAuthority();
  expect((await issue('nexus')).exitCode).toBe(exitCodes.ok);
  const first = new X509Certificate(await text('out', 'certificate.pem'));
  const key = await text('out', 'key.pem');
  await clock.advance(DAY_MS);
  expect((await issue('nexus')).exitCode).toBe(exitCodes.ok);
  const second = new X509Certificate(await text('out', 'certificate.pem'));
  expect(second.subjectAltName).toBe(first.subjectAltName);
  expect(await text('out', 'key.pem')).toBe(key);
  expect(second.publicKey.equals(first.publicKey)).toBe(true);
  expect(second.validToDate.getTime() - first.validToDate.getTime()).toBe(DAY_MS);
  for (const file of ['ca/ca-key.pem', 'out/key.pem'])
    expect((await stat(join(directory, file))).mode & 0o777, file).toBe(0o600);
});

test('the directory of a process is not given to another one, and stays as it is (AU2)', async () => {
  const { issue, text } = await withAuthority();
  await issue('sled', '--serial', 'BRM1');
  const files = () => Promise.all(['certificate.pem', 'key.pem', 'ca.pem'].map(name => text('out', name)));
  const before = await files();
  for (const args of [['nexus'], ['sled', '--serial', 'BRM2'], ['sled', '--id', ID]]) {
    const refused = await issue(...args);
    expect(refused, args.join(' ')).toMatchObject({ exitCode: exitCodes.failed, out: '' });
    expect(refused.err).toContain('choose another directory');
  }
  expect(await files()).toEqual(before);
});

test('what makes no sense on the command line is refused before anything is written', async () => {
  const { directory, run, issue } = await withAuthority();
  for (const [args, message] of [
    [['disk'], 'disk is not a kind of process'],
    [['nexus', '--id', 'x'], 'x is not an id'],
    [['nexus', '--serial', 'BRM1'], '--serial is for sleds only'],
    [['sled', '--serial', 'BRM1', '--id', ID], '--id and --serial exclude each other'],
    [['nexus', '--expires-in-days', '0'], '--expires-in-days'],
    [['nexus', '--expires-in-days', '1.5'], '--expires-in-days'],
    [['nexus', '--days', '3651'], '--expires-in-days'],
  ] as const) {
    const refused = await issue(...args);
    expect(refused, args.join(' ')).toMatchObject({ exitCode: exitCodes.usage, out: '' });
    expect(refused.err).toContain(message);
  }
  const fleet = await run('init', '--fleet', 'Prod Example', '--out', 'other');
  expect(fleet).toMatchObject({ exitCode: exitCodes.usage, out: '' });
  expect(fleet.err).toContain('lower-case letters');
  expect(await readdir(directory)).toEqual(['ca']);
});

test('a directory without an authority, or with a damaged one, issues nothing, and says what to do', async () => {
  const { directory, run, issue, text } = await withAuthority();
  const absent = await run('issue', 'nexus', '--ca', 'absent', '--out', 'out');
  expect(absent).toMatchObject({ exitCode: exitCodes.failed, out: '' });
  expect(absent.err).toContain('tuf-depot identity init --out absent');
  const key = await text('ca', 'ca-key.pem');
  await writeFile(join(directory, 'ca', 'ca-key.pem'), key.slice(0, 40));
  expect((await issue('nexus')).err).toContain('no private key in PEM that can be read');
  await run('init', '--out', 'other');
  await writeFile(join(directory, 'ca', 'ca-key.pem'), await text('other', 'ca-key.pem'));
  expect((await issue('nexus')).err).toContain('restore both files from the same backup');
  await writeFile(join(directory, 'ca', 'ca-key.pem'), key);
  expect((await issue('nexus')).exitCode).toBe(exitCodes.ok);
  const process = join(directory, 'out');
  await writeFile(join(directory, 'ca', 'ca.pem'), await text('out', 'certificate.pem'));
  await rm(process, { recursive: true });
  expect((await issue('nexus')).err).toContain('is not the authority of a fleet');
  expect(await readdir(directory)).not.toContain('out');
});

test('a certificate is shown with the process that it names and its validity, and other files are refused', async () => {
  const { directory, clock, run, issue } = await withAuthority();
  await issue('sled', '--id', ID, '--expires-in-days', '2');
  const shown = await run('show', 'out/certificate.pem');
  expect(shown.out).toContain(`spiffe://prod.example/sled/${ID}`);
  expect(shown.out).not.toContain('not now');
  expect((await run('show', 'ca/ca.pem')).out).toMatch(/authority of: +prod\.example/);
  await clock.advance(3 * DAY_MS);
  expect((await run('show', 'out/certificate.pem')).out).toContain('(not now)');
  const { certificates } = JSON.parse((await run('show', 'out/certificate.pem', '--json')).out);
  expect(certificates).toMatchObject([{ is_valid_now: false, is_authority: false }]);
  await writeFile(join(directory, 'text'), 'nonsense');
  for (const [file, message] of [
    ['out/key.pem', 'has no certificate in PEM'],
    ['text', 'has no certificate in PEM'],
    ['absent', 'cannot read absent'],
  ] as const) {
    const refused = await run('show', file);
    expect(refused, file).toMatchObject({ exitCode: exitCodes.failed, out: '' });
    expect(refused.err).toContain(message);
  }
});
