import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createTestClock } from '../lib/clock.fixture.ts';
import { silentLogger } from '../lib/log.ts';
import { type IdentityFiles, readCredentials, watchCredentials } from './credentials.ts';
import { testFleetIdentity, validNow, writeCredentials } from './identity.fixture.ts';
import { generateKey, issueAuthority } from './issue.ts';

const workDirectory = async () => {
  const path = await mkdtemp(join(tmpdir(), 'identity-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
};

const faultOf = async (files: IdentityFiles): Promise<string> => {
  const error = await readCredentials(files, 'sled').then(
    () => new Error('was accepted'),
    (refused: Error & { code?: string }) => refused,
  );
  expect((error as { code?: string }).code, error.message).toBe('CONFIG_INVALID');
  return error.message;
};

test('a certificate, its key and its authority are taken together', async () => {
  await using directory = await workDirectory();
  const written = testFleetIdentity().issue('sled');
  expect(await readCredentials(await writeCredentials(directory.path, written), 'sled')).toEqual(written);
});

test('each file that cannot be used is named, with what is wrong with it (CS1)', async () => {
  await using directory = await workDirectory();
  const fleet = testFleetIdentity();
  const good = fleet.issue('sled');
  const files = await writeCredentials(directory.path, good);
  const withFile = async (key: keyof IdentityFiles, text: string) => {
    await writeCredentials(directory.path, good);
    await writeFile(files[key], text);
    return faultOf(files);
  };
  expect(await withFile('certificateFile', 'nonsense')).toContain(
    `${files.certificateFile} has no certificate`,
  );
  expect(await withFile('certificateFile', good.certificatePem.replace(/\n.{8}/, '\nAAAAAAAA'))).toContain(
    `${files.certificateFile} has a certificate that cannot be read`,
  );
  expect(await withFile('certificateFile', good.authoritiesPem)).toContain('names no process of a fleet');
  expect(await withFile('certificateFile', fleet.issue('nexus').certificatePem)).toContain(
    'the certificate of a nexus; this process is a sled',
  );
  expect(await withFile('keyFile', '')).toContain(`${files.keyFile} has no private key`);
  const other = generateKey().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  expect(await withFile('keyFile', other)).toContain(`the key in ${files.keyFile} is not the one of`);
  const stranger = issueAuthority(fleet.fleet, validNow()).certificate.toString();
  expect(await withFile('authoritiesFile', stranger)).toContain('was issued by none of the authorities');
  await rm(files.authoritiesFile);
  expect(await faultOf(files)).toContain(`cannot read ${files.authoritiesFile}`);
});

test('several authorities may be given, as while one replaces another', async () => {
  await using directory = await workDirectory();
  const fleet = testFleetIdentity();
  const older = issueAuthority(fleet.fleet, validNow()).certificate.toString();
  const good = fleet.issue('sled');
  const both = { ...good, authoritiesPem: `${older}${good.authoritiesPem}` };
  expect((await readCredentials(await writeCredentials(directory.path, both), 'sled')).identity).toEqual(
    good.identity,
  );
});

test('replaced files are taken, and unusable or foreign ones are not', async () => {
  await using directory = await workDirectory();
  const clock = createTestClock(Date.now());
  const fleet = testFleetIdentity();
  const id = randomUUID();
  const first = fleet.issue('sled', { id });
  const files = await writeCredentials(directory.path, first);
  await using source = await watchCredentials(files, { kind: 'sled', clock, log: silentLogger });
  let changes = 0;
  using _watch = source.onChange(() => {
    changes += 1;
  });
  /** A period is over, and its files have been read. */
  const look = async () => {
    await expect.poll(clock.sleeping).toBe(1);
    await clock.advance(10_000);
    await expect.poll(clock.sleeping).toBe(1);
  };

  await look();
  expect(changes).toBe(0);
  await writeFile(files.keyFile, fleet.issue('sled', { id }).keyPem);
  await look();
  await writeCredentials(directory.path, fleet.issue('sled'));
  await look();
  await writeCredentials(directory.path, testFleetIdentity('other.example').issue('sled', { id }));
  await look();
  expect([changes, source.current()]).toEqual([0, first]);

  const renewed = fleet.issue('sled', { id });
  await writeCredentials(directory.path, renewed);
  await look();
  expect([changes, source.current()]).toEqual([1, renewed]);
});

test.each([
  ['sled', /asks a Nexus for a new one.* sled invite --sled ID.* sled-agent join/],
  ['nexus', /renew it with tuf-depot identity issue/],
] as const)(
  'the report of an expired certificate names what renews that of a %s (CS3)',
  async (kind, advice) => {
    await using directory = await workDirectory();
    const validity = { notBeforeMs: Date.now() - 7_200_000, notAfterMs: Date.now() - 3_600_000 };
    const expired = testFleetIdentity().issue(kind, { validity });
    const files = await writeCredentials(directory.path, expired);
    const errors: string[] = [];
    const log = { ...silentLogger, error: (_: unknown, text: string) => errors.push(text) };
    await using _source = await watchCredentials(files, {
      ...{ kind, clock: createTestClock(Date.now()), log: log as never },
    });
    expect(errors).toEqual([
      expect.stringMatching(new RegExp(advice.source.replace('ID', expired.identity.id))),
    ]);
  },
);

test('a process with an expired certificate starts, reports it, and goes on with a renewed one (CS3)', async () => {
  await using directory = await workDirectory();
  const clock = createTestClock(Date.now());
  const fleet = testFleetIdentity();
  const id = randomUUID();
  const past = { notBeforeMs: Date.now() - 7_200_000, notAfterMs: Date.now() - 3_600_000 };
  const expired = fleet.issue('sled', { id, validity: past });
  const files = await writeCredentials(directory.path, expired);
  const errors: unknown[] = [];
  const log = { ...silentLogger, error: (facts: unknown, text: string) => errors.push([facts, text]) };
  await using source = await watchCredentials(files, { kind: 'sled', clock, log: log as never });
  expect(source.current()).toEqual(expired);
  const report = [
    { not_after: new Date(expired.notAfterMs).toISOString() },
    expect.stringContaining('the certificate has expired'),
  ];
  expect(errors).toEqual([report]);
  const renewed = fleet.issue('sled', { id });
  await writeCredentials(directory.path, renewed);
  await expect.poll(clock.sleeping).toBe(1);
  await clock.advance(10_000);
  await expect.poll(source.current).toEqual(renewed);
  expect(errors).toEqual([report]);
});
