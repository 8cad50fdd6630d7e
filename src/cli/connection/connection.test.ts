/** Which server a command talks to, and which one receives its token. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { replaceableCredentials, testFleetIdentity } from '../../identity/identity.fixture.ts';
import { serveTestNexus, TEST_TOKEN } from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

const temporaryDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'connection-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
};

test.each([
  ['TUF_DEPOT_TOKEN', { TUF_DEPOT_TOKEN: TEST_TOKEN }, []],
  ['TUF_DEPOT_TOKEN_FILE', { TUF_DEPOT_TOKEN_FILE: 'token' }, []],
  ['--token-file', {}, ['--token-file', 'token']],
])('a token of %s goes to no address that nobody named (TK3)', async (_, environment, args) => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'token'), TEST_TOKEN);
  const { exitCode, err } = await runTestCli(['status', ...args], { environment, directory });
  expect(exitCode).toBe(2);
  expect(err).toMatch(/a token is given, but no Nexus.*\nfix: .*--url or TUF_DEPOT_URL/);
});

const fleet = testFleetIdentity();
const authority = fleet.authority.certificate.toString();

/** A directory with the authority of the fleet, and that of another fleet with the same name. */
const authorities = async (): Promise<string> => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'ca.pem'), authority);
  await writeFile(join(directory, 'other.pem'), testFleetIdentity().authority.certificate.toString());
  return directory;
};

test('the authority comes from --ca-file before TUF_DEPOT_CA_FILE, and the server has to be a Nexus below it (T2b, TK2)', async () => {
  await using nexus = await serveTestNexus({}, replaceableCredentials(fleet.issue('nexus')));
  const directory = await authorities();
  const run = (args: readonly string[], environment: Record<string, string>) =>
    runTestCli(['task', 'activate', 'a', '--url', nexus.url, ...args], {
      environment: { TUF_DEPOT_TOKEN: TEST_TOKEN, ...environment },
      directory,
    });
  const other = { TUF_DEPOT_CA_FILE: 'other.pem' };
  expect(await run(['--ca-file', 'ca.pem'], other)).toMatchObject({ exitCode: 0, err: '' });
  expect(await run([], { TUF_DEPOT_CA_FILE: 'ca.pem' })).toMatchObject({ exitCode: 0, err: '' });
  expect(nexus.received.calls).toHaveLength(2);
  for (const refused of [await run(['--ca-file', 'other.pem'], {}), await run([], other), await run([], {})])
    expect(refused).toMatchObject({ exitCode: 1, err: expect.stringContaining('[PEER_IDENTITY]') });
  expect(nexus.received.calls, 'nothing was sent').toHaveLength(2);
});

test('a sled of the fleet is no Nexus, so it receives no token (TK2)', async () => {
  await using sled = await serveTestNexus({}, replaceableCredentials(fleet.issue('sled')));
  const directory = await authorities();
  const run = await runTestCli(['task', 'activate', 'a', '--url', sled.url, '--ca-file', 'ca.pem'], {
    environment: { TUF_DEPOT_TOKEN: TEST_TOKEN },
    directory,
  });
  expect(run).toMatchObject({ exitCode: 1, err: expect.stringContaining('[PEER_IDENTITY]') });
  expect(sled.received.calls).toEqual([]);
});

test.each([
  ['an address without TLS', 'http://127.0.0.1:9', 'ca.pem', /is not encrypted.*\nfix: write it like https:/],
  ['a file that is absent', 'https://127.0.0.1:9', 'absent.pem', /cannot read the authority .*absent\.pem/],
  ['a file without a certificate', 'https://127.0.0.1:9', 'token', /token/],
])('an authority for %s is refused before anything is sent', async (_, url, file, message) => {
  const directory = await authorities();
  await writeFile(join(directory, 'token'), TEST_TOKEN);
  const run = await runTestCli(['status', '--url', url, '--ca-file', file], {
    environment: { TUF_DEPOT_TOKEN: TEST_TOKEN },
    directory,
  });
  expect(run.exitCode).not.toBe(0);
  expect(run.err).toMatch(message);
  expect(run.err).not.toContain('PEER_');
});
