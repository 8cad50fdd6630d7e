/** What a login sends to which server, what it keeps, and what a person is told afterwards. */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { certificateSha256 } from '../../identity/certificate.ts';
import {
  replaceableCredentials,
  serveRecording,
  type TestFleetIdentity,
  testFleetIdentity,
  validNow,
} from '../../identity/identity.fixture.ts';
import { generateKey, issueCertificate } from '../../identity/issue.ts';
import { formatAddress } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';
import { makeOperatorToken } from '../../lib/operator-token.ts';
import { readLogins } from '../connection/logins.ts';
import { serveTestNexus, TEST_TOKEN, type TestHandlers, TIME } from '../nexus.fixture.ts';
import { runTestCli, type TestRun } from '../run.fixture.ts';

const fleet = testFleetIdentity();
const digestOf = ({ authority }: TestFleetIdentity): string => certificateSha256(authority.certificate);

/** A person with a home, at a terminal or without one. */
const makePerson = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'login-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const home = { XDG_CONFIG_HOME: join(directory, 'config') };
  const file = join(directory, 'config/tuf-depot/logins.json');
  const run = (args: readonly string[], more: Parameters<typeof runTestCli>[1] = {}) =>
    runTestCli(args, { directory, ...more, environment: { ...home, ...more.environment } });
  return {
    ...{ directory, home, file, run },
    /** A token on standard input, which is a pipe. */
    login: (args: readonly string[], token = TEST_TOKEN) =>
      run(['login', ...args], { stdin: Readable.from([`${token}\n`]) }),
    /** These keys at a terminal. */
    async type(args: readonly string[], keys: string): Promise<TestRun & { readonly rawModes: boolean[] }> {
      const rawModes: boolean[] = [];
      const stdin = Object.assign(new PassThrough(), {
        ...{ isTTY: true, setRawMode: (isRaw: boolean) => rawModes.push(isRaw) },
      });
      stdin.end(keys);
      return {
        ...(await run(['login', ...args], { stdin, isTTY: true, environment: { NO_COLOR: '1' } })),
        rawModes,
      };
    },
    logins: async () => await readLogins(home),
  };
};

const serveFleet = (
  handlers: TestHandlers = {},
  credentials = replaceableCredentials(fleet.issue('nexus')),
) => serveTestNexus(handlers, credentials);
const addressOf = (url: string): string => url.replace('https://', '');

test('a login is kept for its owner alone, and all other commands use it (LG1)', async () => {
  await using nexus = await serveFleet();
  const person = await makePerson();
  await mkdir(join(person.directory, 'config/tuf-depot'), { recursive: true, mode: 0o755 });
  const login = await person.login([addressOf(nexus.url), '--ca-digest', digestOf(fleet)]);
  expect(login).toMatchObject({ exitCode: 0, err: '' });
  expect(login.out).toMatch(/^Logged in to test\.example at 127\.0\.0\.1:\d+\.\nrole: +operator\n/);
  expect(login.out).toContain(`valid until: ${TIME}\n`);
  const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
  expect(await modeOf(person.file)).toBe(0o600);
  expect(await modeOf(join(person.file, '..'))).toBe(0o700);
  expect(await person.run(['status'])).toMatchObject({ exitCode: 0, err: '' });
  const list = await person.run(['login', '--list']);
  expect(list.out).toMatch(/FLEET +ADDRESS +ROLE .*\ntest\.example +127\.0\.0\.1:\d+ +operator +2026-01-02 /);
  const json = await person.run(['login', '--list', '--json']);
  expect(JSON.parse(json.out)).toMatchObject([
    { fleet: 'test.example', authority_sha256: [digestOf(fleet)] },
  ]);
  for (const { out } of [login, list, json]) expect(out).not.toContain(TEST_TOKEN);
});

test('a server with another digest receives no request and no token, and nothing is kept (T2b, LGF1)', async () => {
  await using other = await serveRecording(testFleetIdentity());
  const person = await makePerson();
  const run = await person.login([formatAddress(other.address), '--ca-digest', digestOf(fleet)]);
  expect(run).toMatchObject({ exitCode: 1, out: '' });
  expect(run.err).toMatch(
    /presents an authority of test\.example with the SHA-256 .*; nothing was sent \[PEER_IDENTITY\]\nfix: .*identity show/,
  );
  expect(other.received).toEqual([]);
  expect(await person.logins()).toEqual([]);
});

test('a person at a terminal compares the digest, and types the token without an echo (LGF1, PMT1)', async () => {
  await using nexus = await serveFleet();
  const person = await makePerson();
  const run = await person.type([addressOf(nexus.url)], `yes\nwrong\u0015${TEST_TOKEN}x\u007f\r`);
  expect(run).toMatchObject({ exitCode: 0, rawModes: [true, false] });
  expect(run.err).toContain(
    `Nexus of the fleet test.example. Its authority has the SHA-256\n  ${digestOf(fleet)}\n`,
  );
  expect(run.err + run.out).not.toContain(TEST_TOKEN);
  expect(await person.logins()).toMatchObject([{ name: 'test.example', token: TEST_TOKEN }]);
});

test.each(['no\n', '\n', 'y\n', 'yes, but\n'])('the answer %j sends nothing (LGF1)', async answer => {
  await using nexus = await serveRecording(fleet);
  const person = await makePerson();
  const run = await person.type([formatAddress(nexus.address)], answer);
  expect(run).toMatchObject({
    exitCode: 1,
    err: expect.stringMatching(/was not confirmed; nothing was sent \[PEER_IDENTITY\]/),
  });
  expect(nexus.received).toEqual([]);
});

test('Ctrl-C while the token is typed gives the terminal back, and keeps nothing (PMT1)', async () => {
  await using nexus = await serveFleet();
  const person = await makePerson();
  const run = await person.type([addressOf(nexus.url)], 'yes\nhalf a token\u0003');
  expect(run).toMatchObject({ exitCode: 130, rawModes: [true, false] });
  expect(await person.logins()).toEqual([]);
});

test('without a terminal the digest has to be given, and no server is asked before (LGF2)', async () => {
  const person = await makePerson();
  const run = await person.login(['127.0.0.1:9']);
  expect(run).toMatchObject({ exitCode: 2, out: '' });
  expect(run.err).toMatch(
    /there is no terminal, .*; nothing was sent \[USAGE\]\nfix: give --ca-digest DIGEST/,
  );
});

test('a server that only shows the authority of the fleet passes the digest, and receives no token (LGF1)', async () => {
  const { privateKey, publicKey } = generateKey();
  const own = fleet.issue('nexus');
  const forger = { certificate: fleet.authority.certificate, privateKey: generateKey().privateKey };
  const forged = issueCertificate(forger, { identity: own.identity, publicKey, validity: validNow() });
  await using impostor = await serveRecording(fleet, {
    ...own,
    certificatePem: `${forged}${own.authoritiesPem}`,
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
  const person = await makePerson();
  const run = await person.login([formatAddress(impostor.address), '--ca-digest', digestOf(fleet)]);
  expect(run).toMatchObject({
    exitCode: 1,
    err: expect.stringMatching(/is not accepted \(CERT_.*\[PEER_IDENTITY\]/),
  });
  expect(impostor.received).toEqual([]);
});

test('a sled of the fleet is no Nexus, so it receives no token (TK2)', async () => {
  await using sled = await serveRecording(fleet, fleet.issue('sled'));
  const person = await makePerson();
  const run = await person.login([formatAddress(sled.address), '--ca-digest', digestOf(fleet)]);
  expect(run).toMatchObject({ exitCode: 1, err: expect.stringContaining('[PEER_IDENTITY]') });
  expect(sled.received).toEqual([]);
});

test('--ca-file takes the place of the digest', async () => {
  await using nexus = await serveFleet();
  const person = await makePerson();
  await writeFile(join(person.directory, 'ca.pem'), fleet.authority.certificate.toString());
  await writeFile(join(person.directory, 'other.pem'), testFleetIdentity().authority.certificate.toString());
  await writeFile(join(person.directory, 'token'), TEST_TOKEN);
  const login = (file: string) =>
    person.run(['login', addressOf(nexus.url), '--ca-file', file, '--token-file', 'token']);
  expect(await login('other.pem')).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('[PEER_IDENTITY]'),
  });
  expect(await person.logins()).toEqual([]);
  expect(await login('ca.pem')).toMatchObject({ exitCode: 0 });
});

test('a replaced authority is refused until the person logs in again, and compares the new digest (T2b, TK2)', async () => {
  const credentials = replaceableCredentials(fleet.issue('nexus'));
  await using nexus = await serveFleet({}, credentials);
  const person = await makePerson();
  const address = addressOf(nexus.url);
  await person.login([address, '--ca-digest', digestOf(fleet)]);
  const next = testFleetIdentity();
  credentials.replace(next.issue('nexus'));
  const refused = await person.run(['task', 'activate', 'a']);
  expect(refused).toMatchObject({ exitCode: 1, out: '' });
  expect(refused.err).toContain('[PEER_IDENTITY]');
  expect(refused.err).toContain(`log in again, and compare the digest: tuf-depot login ${address}.`);
  expect(nexus.received.calls).toEqual([]);
  const stale = await person.login([address, '--ca-digest', digestOf(fleet)]);
  expect(stale).toMatchObject({ exitCode: 1, err: expect.stringContaining('[PEER_IDENTITY]') });
  expect(await person.login([address, '--ca-digest', digestOf(next)])).toMatchObject({ exitCode: 0 });
  expect(await person.run(['task', 'activate', 'a'])).toMatchObject({ exitCode: 0 });
  expect(await person.logins(), 'one for each fleet (LG2)').toHaveLength(1);
});

test('a token that no longer counts, or is too weak, is replaced by another login', async () => {
  const state = { code: 'UNAUTHORIZED' as 'UNAUTHORIZED' | 'FORBIDDEN' };
  const bgtaskActivate = async () => {
    throw new DepotError(state.code, 'of the token');
  };
  await using nexus = await serveFleet({ debug: { bgtaskActivate } });
  const person = await makePerson();
  const address = addressOf(nexus.url);
  await person.login([address, '--ca-digest', digestOf(fleet)]);
  const activate = (...args: string[]) => person.run(['task', 'activate', 'a', ...args]);
  expect((await activate()).err).toMatch(
    `fix: Log in to test.example again, with a new token: tuf-depot login ${address}.`,
  );
  state.code = 'FORBIDDEN';
  expect((await activate()).err).toMatch(
    `fix: Log in to test.example again, with a token that has that role: tuf-depot login ${address}.`,
  );
  await writeFile(join(person.directory, 'token'), TEST_TOKEN);
  const given = await activate('--token-file', 'token', '--url', nexus.url);
  expect(given.err, 'it is not that of the login').not.toContain('Log in to test.example again');
});

test.each([
  [
    'that Nexus does not know',
    'unknown',
    /the token is not accepted, so nothing was kept: .*\nfix: log in with a new token/,
  ],
  ['with a mistyped part', `${makeOperatorToken().slice(0, -1)}x`, /its checksum is wrong; nothing was sent/],
  ['with a space', `${TEST_TOKEN} x`, /has spaces, .*; nothing was sent/],
  ['that is empty', '', /no token was given; nothing was sent/],
])('a token %s is refused, and the earlier login stays', async (_, token, message) => {
  await using nexus = await serveFleet();
  const person = await makePerson();
  const args = [addressOf(nexus.url), '--ca-digest', digestOf(fleet)];
  await person.login(args);
  const before = await readFile(person.file);
  const run = await person.login(args, token);
  expect(run).toMatchObject({ exitCode: 1, out: '', err: expect.stringMatching(message) });
  expect(run.err).toContain('[UNAUTHORIZED]');
  expect(await readFile(person.file)).toEqual(before);
});

test('a Nexus without TLS is logged in to on this machine alone, and the person is told', async () => {
  await using nexus = await serveTestNexus();
  const person = await makePerson();
  const login = await person.login([nexus.url]);
  expect(login).toMatchObject({
    exitCode: 0,
    err: expect.stringContaining('has no TLS, so it has not proven'),
  });
  expect(await person.run(['status'])).toMatchObject({ exitCode: 0 });
  const elsewhere = await person.login(['http://10.0.0.1:12220']);
  expect(elsewhere).toMatchObject({ exitCode: 2, err: expect.stringContaining('nothing was sent') });
  const pinned = await person.login([nexus.url, '--ca-digest', digestOf(fleet)]);
  expect(pinned).toMatchObject({ exitCode: 2, err: expect.stringContaining('is not encrypted') });
  const tls = await person.login([nexus.url.replace('http://', ''), '--ca-digest', digestOf(fleet)]);
  expect(tls).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('does not complete a TLS 1.3 handshake'),
  });
  expect(tls.err).toContain(
    `fix: check that the Nexus runs, and that this is its operator_listen; if it has no TLS, on its machine: tuf-depot login ${nexus.url}\n`,
  );
});

test('no server at all is named, with what to check', async () => {
  const person = await makePerson();
  const run = await person.login(['127.0.0.1:9', '--ca-digest', digestOf(fleet)]);
  expect(run).toMatchObject({ exitCode: 1 });
  expect(run.err).toMatch(
    /cannot log in at 127\.0\.0\.1:9: .*ECONNREFUSED.* \[PEER_UNREACHABLE\]\nfix: check that the Nexus runs/,
  );
});

test.each([
  [[], 'no address is given'],
  [['nexus-1'], 'nexus-1 is not the address of a Nexus'],
  [['127.0.0.1:9', '--ca-digest', 'abc'], '--ca-digest abc is not a SHA-256'],
  [['127.0.0.1:9', '--ca-digest', 'a', '--ca-file', 'b'], '--ca-file and --ca-digest exclude each other'],
])('login %j is wrong usage: %s', async (args, message) => {
  const person = await makePerson();
  expect(await person.login(args)).toMatchObject({ exitCode: 2, err: expect.stringContaining(message) });
});

test('a damaged file of logins is named by every command that needs it, before anything is sent', async () => {
  await using nexus = await serveRecording(fleet);
  const person = await makePerson();
  await mkdir(join(person.file, '..'), { recursive: true });
  for (const text of ['', '{', '{"version":2,"logins":[]}', '{"version":1,"logins":[{"name":"a"}]}']) {
    await writeFile(person.file, text);
    const runs = [
      await person.run(['status']),
      await person.login([formatAddress(nexus.address), '--ca-digest', digestOf(fleet)]),
      await person.run(['logout']),
    ];
    for (const run of runs) {
      expect(run).toMatchObject({ exitCode: 1, out: '' });
      expect(run.err).toContain(`${person.file} is damaged: it is no file of logins [CONFIG_INVALID]`);
      expect(run.err).toContain(`fix: remove it, and log in again: rm ${person.file}`);
    }
  }
  expect(nexus.received).toEqual([]);
});

test('a home that cannot be read or written, or that nobody has, is named', async () => {
  await using nexus = await serveFleet();
  const person = await makePerson();
  const args = ['login', addressOf(nexus.url), '--ca-digest', digestOf(fleet)];
  const run = (environment: Record<string, string>) =>
    runTestCli(args, { environment, stdin: Readable.from([TEST_TOKEN]) });
  const none = await run({ HOME: '', XDG_CONFIG_HOME: 'relative' });
  expect(none.err).toMatch(/neither XDG_CONFIG_HOME nor HOME is a path \[CONFIG_INVALID\]\nfix: set HOME/);
  await writeFile(join(person.directory, 'a-file'), '');
  const unwritable = await run({ HOME: join(person.directory, 'a-file') });
  expect(unwritable.err).toMatch(
    /cannot write the logins to .*a-file\/\.config\/tuf-depot\/logins\.json: .* \[IO\]\nfix: /,
  );
  await mkdir(person.file, { recursive: true });
  expect((await run(person.home)).err).toMatch(/cannot read the logins in .*logins\.json: .* \[IO\]\nfix: /);
});

test('logout forgets the last login, or the one that is named, and says that its token still counts', async () => {
  const id = '00000000-0000-4000-8000-0000000000bb';
  const operatorSelf = async () => ({ role: 'viewer', token_id: id, time_expires: TIME }) as never;
  const fleets = ['one', 'two', 'three'].map(name => testFleetIdentity(name));
  const person = await makePerson();
  for (const each of fleets) {
    await using nexus = await serveFleet(
      { access: { operatorSelf } },
      replaceableCredentials(each.issue('nexus')),
    );
    await person.login([addressOf(nexus.url), '--ca-digest', digestOf(each)]);
  }
  const out = await person.run(['logout', 'one']);
  expect(out).toMatchObject({ exitCode: 0, out: 'Logged out of one.\n' });
  expect(out.err).toContain(`tuf-depot token revoke ${id}`);
  expect(await person.run(['logout'])).toMatchObject({ out: 'Logged out of three.\n' });
  expect((await person.logins()).map(({ name }) => name)).toEqual(['two']);
  await person.run(['logout']);
  await expect(stat(person.file)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await person.run(['logout'])).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('there is no login'),
  });
});

test('variables that count before the login are named', async () => {
  await using nexus = await serveFleet();
  const person = await makePerson();
  const environment = { TUF_DEPOT_URL: 'https://10.0.0.1:1', TUF_DEPOT_TOKEN: 'other' };
  const args = ['login', addressOf(nexus.url), '--ca-digest', digestOf(fleet)];
  const run = await person.run(args, { environment, stdin: Readable.from([TEST_TOKEN]) });
  expect(run).toMatchObject({ exitCode: 0 });
  expect(run.err).toContain('counting before this login: TUF_DEPOT_URL, TUF_DEPOT_TOKEN. Unset them');
});
