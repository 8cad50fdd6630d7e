import { createPublicKey, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createTestClock } from '../lib/clock.fixture.ts';
import { DepotError } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import type { Credentials } from './credentials.ts';
import { replaceableCredentials, testFleetIdentity, validNow } from './identity.fixture.ts';
import { issueCertificate } from './issue.ts';
import { startRenewal } from './renewal.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const fleet = testFleetIdentity();
const id = randomUUID();

/** A process whose certificate has so many days left. */
const renewing = async (days: number, answers: ((present: Credentials) => string)[], nowMs = Date.now()) => {
  const directory = await mkdtemp(join(tmpdir(), 'renewal-'));
  const certificateFile = join(directory, 'certificate.pem');
  const present = fleet.issue('sled', { id, validity: validNow(days) });
  await writeFile(certificateFile, present.certificatePem);
  const credentials = replaceableCredentials(present);
  const clock = createTestClock(nowMs);
  let requests = 0;
  const warnings: object[] = [];
  const renewal = startRenewal({
    credentials,
    certificateFile,
    async request() {
      requests += 1;
      const answer = answers.shift();
      if (answer === undefined) throw new DepotError('PEER_UNREACHABLE', 'no Nexus answers');
      return answer(credentials.current());
    },
    clock,
    log: { ...silentLogger, warn: (facts: object) => void warnings.push(facts) } as never,
  });
  await expect.poll(clock.sleeping).toBe(1);
  return {
    clock,
    present,
    requests: () => requests,
    warnings,
    replace: credentials.replace,
    file: () => readFile(certificateFile, 'utf8'),
    async [Symbol.asyncDispose]() {
      await renewal[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
};

/** For the key and the name of the present one, unless the test says otherwise. */
const renewed = (days: number, by = fleet) => {
  return ({ identity, keyPem }: Credentials): string =>
    issueCertificate(by.authority, {
      identity,
      publicKey: createPublicKey(keyPem),
      validity: validNow(days),
    }).toString();
};

test('a certificate is renewed once a day, and at once when it has less than a day would leave', async () => {
  await using fresh = await renewing(30, [renewed(31)]);
  for (let hours = 0; hours < 23; hours += 1) await fresh.clock.advance(HOUR_MS);
  expect(fresh.requests()).toBe(0);
  await fresh.clock.advance(HOUR_MS);
  await expect.poll(fresh.file).not.toBe(fresh.present.certificatePem);
  expect(fresh.requests()).toBe(1);
  await using old = await renewing(20, [renewed(30)]);
  expect(old.requests()).toBe(1);
  expect(await old.file()).not.toBe(old.present.certificatePem);
});

test('a sled that boots at 1970 renews, and takes a certificate that counts since a time that its clock has not reached (RNW1, T1d)', async () => {
  await using booted = await renewing(20, [renewed(30)], 0);
  expect(booted.requests()).toBe(1);
  expect(await booted.file()).not.toBe(booted.present.certificatePem);
  expect(booted.warnings).toEqual([]);
});

test('a certificate of a year, from another authority, is asked for in its last month only', async () => {
  await using process = await renewing(33, []);
  for (let hours = 0; hours < 3 * 24; hours += 1) await process.clock.advance(HOUR_MS);
  expect(process.requests()).toBe(0);
  for (let hours = 0; hours < 24; hours += 1) await process.clock.advance(HOUR_MS);
  expect(process.requests()).toBe(1);
});

test('a renewal that fails is repeated in an hour; one that others see to, the next day (RJ2)', async () => {
  const notHere = () => {
    throw new DepotError('NOT_FOUND', 'this Nexus issues no certificates');
  };
  await using failing = await renewing(20, []);
  expect(failing.requests()).toBe(1);
  await failing.clock.advance(HOUR_MS);
  expect(failing.requests()).toBe(2);
  await using elsewhere = await renewing(20, [notHere, notHere]);
  await elsewhere.clock.advance(23 * HOUR_MS);
  expect(elsewhere.requests()).toBe(1);
  await elsewhere.clock.advance(HOUR_MS);
  expect(elsewhere.requests()).toBe(2);
});

test('a certificate that begins in the future is replaced within an hour of its coming (RJ3)', async () => {
  await using process = await renewing(30, [renewed(29)]);
  const validity = { notBeforeMs: Date.now() + 365 * DAY_MS, notAfterMs: Date.now() + 395 * DAY_MS };
  process.replace(fleet.issue('sled', { id, validity }));
  await process.clock.advance(HOUR_MS);
  await expect.poll(process.file).not.toBe(process.present.certificatePem);
  expect(process.requests()).toBe(1);
  expect(process.warnings).toEqual([]);
});

const ofAnother = ({ identity, keyPem }: Credentials): string =>
  issueCertificate(fleet.authority, {
    identity: { ...identity, id: randomUUID() },
    publicKey: createPublicKey(keyPem),
    validity: validNow(40),
  }).toString();

test.each([
  ['another name', ofAnother, 'has another name than this process'],
  [
    'another key',
    () => fleet.issue('sled', { id, validity: validNow(40) }).certificatePem,
    'is for another key',
  ],
  ['another authority', renewed(40, testFleetIdentity()), 'was issued by none of the authorities'],
  ['a shorter life', renewed(10), 'does not last longer than the present one'],
  ['no certificate', () => 'nonsense', 'has no certificate in PEM'],
] as const)('what a Nexus answers with %s replaces nothing (RJ1)', async (_, answer, why) => {
  await using process = await renewing(20, [answer]);
  expect(process.requests()).toBe(1);
  expect(await process.file()).toBe(process.present.certificatePem);
  expect(process.warnings).toMatchObject([{ err: { message: expect.stringContaining(why) } }]);
});
