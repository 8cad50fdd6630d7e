/** Commands that verify by themselves, and RSA signatures of PKCS#1 v1.5. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generatePkcs1v15Key } from '../../signing/pkcs1v15-key.fixture.ts';
import { makeTestRelease, type TestRelease } from '../../signing/release.fixture.ts';
import { keysForAllRoles } from '../../signing/sign-metadata.ts';
import { generateSigningKey, writeSigningKey } from '../../signing/signing-keys.ts';
import { runTestCli } from '../run.fixture.ts';

let directory: string;
let release: TestRelease;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-signature-policy-'));
  const key = generatePkcs1v15Key();
  const keys = keysForAllRoles([key]);
  await writeSigningKey(join(directory, 'key.pem'), key);
  await writeFile(join(directory, 'notes.txt'), 'new in this release');
  release = await makeTestRelease(directory, { systemVersion: '1.2.0', keys });
  await writeFile(join(directory, 'root.json'), release.trustRoot);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const OPTION = '--accept-rsa-pkcs1v15';
const SETTING = 'accept_rsa_pkcs1v15 = true in [trust] of nexus.toml and of each sled-agent.toml';

test.each([
  ['repo verify', () => ['repo', 'verify', release.path]],
  ['repo verify with a root', () => ['repo', 'verify', release.path, '--trust-root', 'root.json']],
])('%s counts such signatures with the option, and without it names both settings', async (_, args) => {
  const refused = await runTestCli(args(), { directory });
  expect(refused.exitCode).toBe(1);
  expect(refused.err).toContain('UNTRUSTED_SIGNATURES');
  expect(refused.err).toContain(SETTING);
  expect(refused.err).toContain(OPTION);
  const verified = await runTestCli([...args(), OPTION], { directory });
  expect(verified).toMatchObject({ exitCode: 0 });
  expect(verified.out).toContain('release 1.2.0 verifies');
});

test.each([
  ['repo edit', ['edit', '--release', '1.2.1', '--add', 'notes.txt']],
  ['repo sign', ['sign', '--role', 'timestamp']],
])(
  '%s opens such a release with the option alone, and signs by the scheme that it lists',
  async (name, [verb = '', ...rest]) => {
    const made = `made-by-${verb}.zip`;
    const args = ['repo', verb, release.path, ...rest, '--key', 'key.pem', '--out', made];
    const refused = await runTestCli(args, { directory });
    expect(refused.exitCode, name).toBe(1);
    expect(refused.err).toContain(OPTION);
    expect(await runTestCli([...args, OPTION], { directory })).toMatchObject({ exitCode: 0, err: '' });
    const verify = ['repo', 'verify', made, '--trust-root', 'root.json'];
    expect(await runTestCli([...verify, OPTION], { directory })).toMatchObject({ exitCode: 0 });
    const judged = await runTestCli(verify, { directory });
    expect(judged.err, 'its signatures are of that scheme again').toContain('UNTRUSTED_SIGNATURES');
  },
);

test('a key that a release does not list is no signer of it by any scheme', async () => {
  await writeSigningKey(join(directory, 'other.pem'), generatePkcs1v15Key());
  await writeSigningKey(join(directory, 'ed25519.pem'), generateSigningKey());
  const given = ['--key', 'other.pem', '--key', 'ed25519.pem'];
  const args = ['repo', 'sign', release.path, ...given, '--out', 'none.zip', OPTION];
  const refused = await runTestCli(args, { directory });
  expect(refused.exitCode).toBe(1);
  expect(refused.err).toContain('0 of the 2 given keys are among them');
});

test('the standalone client trusts such a root with the option alone', async () => {
  const init = (...options: string[]) =>
    runTestCli(['tuf', '--metadata-dir', join(directory, 'trusted'), ...options, 'init', 'root.json'], {
      directory,
    });
  const refused = await init();
  expect(refused.exitCode).toBe(1);
  expect(refused.err).toContain(OPTION);
  expect(await init(OPTION)).toMatchObject({ exitCode: 0 });
});
