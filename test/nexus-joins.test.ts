/**
 * A further Nexus joins a running fleet with an invitation: two commands, and then it serves. The fleet, its database and its
 * processes are real; the commands run as a person types them.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { stringify } from 'smol-toml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certificateApi } from '../src/api/certificate-api.ts';
import { runTestCli } from '../src/cli/run.fixture.ts';
import { createApiClient } from '../src/http/client.ts';
import { secureDispatcher } from '../src/http/peers.ts';
import { identityOf } from '../src/identity/certificate.ts';
import { testFleetIdentity, validNow, writeAuthority } from '../src/identity/identity.fixture.ts';
import { issueCertificate } from '../src/identity/issue.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { makeNexus, type TestNexus } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const identity = testFleetIdentity('prod.example.org');

let fleet: TestFleet;
let directory: string;
let release: TestRelease;
const started: TestNexus[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nexus-joins-'));
  const authorityDirectory = join(directory, 'authority');
  await writeAuthority(authorityDirectory, identity.authority);
  release = await makeTestRelease(directory, { systemVersion: '1.0.0' });
  fleet = await startTestFleet({
    identity: { ...identity, authorityDirectory },
    ...{ sleds: 1, minSledReplication: 1 },
  });
  await first().trust(release);
});

afterAll(async () => {
  for (const nexus of started) await nexus.stop();
  await fleet?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const first = () => fleet.nexuses[0]!;
const operator = (...args: string[]) => runTestCli(args, { environment: first().environment() });

const invite = async (...args: string[]): Promise<string> => {
  const run = await operator('nexus', 'invite', ...args);
  expect(run).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^tufjoin_[\w-]+\n$/) });
  return run.out;
};

/** A machine with a configuration, and without any file of identity. */
const newMachine = async (n: number) => {
  const home = join(directory, `machine-${n}`);
  const file = (name: string): string => join(home, `${name}.pem`);
  const section = {
    identity: {
      ...{ certificate_file: file('certificate'), key_file: file('key'), ca_file: file('ca') },
      nexus: [first().internalAddress()],
    },
  };
  await mkdir(home, { recursive: true });
  const nexus = makeNexus(fleet.directory, n, fleet.database.connection, {
    identity,
    ...{ sleds: 0, minSledReplication: 1, nexusConfig: section },
  });
  const config = join(home, 'nexus.toml');
  const { stagingDirectory: staging_directory } = nexus;
  await writeFile(
    config,
    stringify({ staging_directory, database: { url: 'postgresql://db/x' }, ...section }),
  );
  started.push(nexus);
  const certificate = async () => new X509Certificate(await readFile(file('certificate'), 'utf8'));
  return {
    nexus,
    file,
    certificate,
    id: async () => identityOf(await certificate())?.id,
    join: (token: string) =>
      runTestCli(['nexus', 'join', '--config', config, '-'], { stdin: Readable.from([token]) }),
    /** Its own certificate, anew, at the first Nexus. */
    async renewal(): Promise<unknown> {
      const credentials = {
        certificatePem: await readFile(file('certificate'), 'utf8'),
        keyPem: await readFile(file('key'), 'utf8'),
        authoritiesPem: identity.authority.certificate.toString(),
      };
      const dispatcher = secureDispatcher(() => credentials, { fleet: identity.fleet, kind: 'nexus' });
      const baseUrl = `https://${first().internalAddress()}`;
      try {
        return await createApiClient(certificateApi, { baseUrl, dispatcher }).certificateRenew({}, wait);
      } finally {
        await dispatcher.close();
      }
    },
  };
};

test('two commands, and a further Nexus serves; without the key of the authority it renews at another one, until it is expunged (T1b, RX5)', async () => {
  const machine = await newMachine(2);
  const joined = await machine.join(await invite());
  expect(joined).toMatchObject({ exitCode: 0, err: '' });
  const [, id] = /has joined prod\.example\.org as Nexus ([-0-9a-f]{36})\./.exec(joined.out)!;
  expect(joined.out).toContain('Next, start it: tuf-depot nexus --config');
  expect(await machine.id()).toBe(id);

  const ends = validNow(10);
  const publicKey = createPublicKey(await readFile(machine.file('key'), 'utf8'));
  const named = { fleet: identity.fleet, kind: 'nexus', id: id! } as const;
  const short = issueCertificate(identity.authority, { identity: named, publicKey, validity: ends });
  await writeFile(machine.file('certificate'), short.toString());
  await machine.nexus.start();
  await machine.nexus.upload(release);
  await waitComplete(machine.nexus, '1.0.0');
  await until(
    async () => (await machine.certificate()).validToDate.getTime() > ends.notAfterMs,
    'the certificate of the second Nexus is renewed by the first one',
  );
  expect(await machine.renewal()).toMatchObject({ certificate_pem: expect.any(String) });

  expect(await operator('nexus', 'expunge', id!)).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('[NEXUS_ALIVE]'),
  });
  await machine.nexus.stop();
  await until(async () => (await operator('nexus', 'expunge', id!)).exitCode === 0, 'it is expunged');
  await until(
    async () =>
      machine.renewal().then(
        () => false,
        ({ code }) => code === 'UNAUTHORIZED',
      ),
    'its certificate is revoked',
  );
});

test('a machine that joined with a stolen token is named to the other one, and is expunged before it does anything (NJ3)', async () => {
  const [thief, owner] = [await newMachine(3), await newMachine(4)];
  const token = await invite('--for', '5m');
  expect(await thief.join(token)).toMatchObject({ exitCode: 0 });
  const refused = await owner.join(token);
  expect(refused).toMatchObject({ exitCode: 1, err: expect.stringContaining('[INVITATION_USED]') });
  const [, id] = /a machine joined as Nexus ([-0-9a-f]{36})/.exec(refused.err)!;
  expect(await thief.renewal(), 'until then it counts').toBeDefined();
  expect(await operator('nexus', 'expunge', id!)).toMatchObject({ exitCode: 0 });
  // By the database; or, once it is revoked there, by its certificate, before or during the request.
  await expect(thief.renewal()).rejects.toMatchObject({
    code: expect.stringMatching(/^(NEXUS_EXPUNGED|UNAUTHORIZED|FORBIDDEN)$/),
  });
  expect(await thief.join(token), 'again').toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('[NEXUS_EXPUNGED]'),
  });
});

test('the token of a sled makes no Nexus, and none of a Nexus makes a sled; the staging directory keeps its Nexus (NJ2)', async () => {
  const machine = await newMachine(5);
  const ofSled = await operator('sled', 'invite');
  expect(await machine.join(ofSled.out)).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('[INVITATION_INVALID]'),
  });
  await mkdir(machine.nexus.stagingDirectory, { recursive: true });
  const present = '5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7';
  await writeFile(join(machine.nexus.stagingDirectory, 'nexus-id'), `${present}\n`);
  const differs = await machine.join(await invite());
  expect(differs).toMatchObject({ exitCode: 1, err: expect.stringContaining('[NEXUS_ID_DIFFERS]') });
  expect(differs.err).toContain(present);
  const listed = await operator('nexus', 'invitations', '--json');
  const [newest] = JSON.parse(listed.out);
  expect(newest).toMatchObject({ state: 'open' });
  expect(await operator('nexus', 'uninvite', newest.id)).toMatchObject({ exitCode: 0 });
  const again = JSON.parse((await operator('nexus', 'invitations', '--json')).out);
  expect(again[0]).toMatchObject({ id: newest.id, state: 'expired' });
  expect((await operator('audit', 'list')).out).toMatch(
    /A machine joined as Nexus [-0-9a-f]{36} with invitation/,
  );
});
