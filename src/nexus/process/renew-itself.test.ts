import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  replaceableCredentials,
  testFleetIdentity,
  validNow,
  writeAuthority,
} from '../../identity/identity.fixture.ts';
import { openIssuer } from '../../identity/issuer.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { silentLogger } from '../../lib/log.ts';
import type { IdentifiedConfig } from './config.ts';
import { renewItself } from './renew-itself.ts';

const DAY_MS = 86_400_000;
const fleet = testFleetIdentity();

/** A Nexus whose clock is this far off, with a certificate of the present. */
const renewing = async (offMs: number, started: Parameters<typeof renewItself>[1]['started']) => {
  const directory = await mkdtemp(join(tmpdir(), 'renew-itself-'));
  const own = fleet.issue('nexus', { validity: validNow(20) });
  const certificateFile = join(directory, 'certificate.pem');
  await writeFile(certificateFile, own.certificatePem);
  await writeAuthority(directory, fleet.authority);
  const clock = createTestClock(Date.now() + offMs);
  const issuer = await openIssuer(directory, {
    ...{ fleet: fleet.fleet, nowMs: clock.nowMs, acceptedPem: () => own.authoritiesPem },
  });
  const config = { otherNexuses: [], identity: { certificateFile } };
  const renewal = renewItself(config as unknown as IdentifiedConfig, {
    ...{ credentials: replaceableCredentials(own), issuer },
    ...{ started, clock, log: silentLogger },
  });
  onTestFinished(async () => {
    await renewal[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  return {
    clock,
    /** Of the certificate that took the place of the first one; undefined before. */
    async notAfterMs() {
      const pem = await readFile(certificateFile, 'utf8');
      return pem === own.certificatePem ? undefined : new X509Certificate(pem).validToDate.getTime();
    },
  };
};

/** From now, by the right clock. */
const daysTo = (timeMs: number | undefined) => Math.round(((timeMs ?? 0) - Date.now()) / DAY_MS);

test('a Nexus dates its own certificate by the clock of the database, also where its own is a year off (RIT1)', async () => {
  for (const days of [-365, 365]) {
    const nexus = await renewing(days * DAY_MS, Promise.resolve({ databaseTimeMs: async () => Date.now() }));
    await expect.poll(nexus.notAfterMs).toBeDefined();
    expect(daysTo(await nexus.notAfterMs())).toBe(30);
  }
});

test('while the database is away, it dates its own certificate by its own clock, at a start after a minute (RIT1)', async () => {
  const away = { databaseTimeMs: async () => undefined };
  const { promise: waiting } = Promise.withResolvers<typeof away>();
  const failed = Promise.reject(new Error('the schema is of another version'));
  failed.catch(() => undefined);
  for (const started of [Promise.resolve(away), failed, waiting]) {
    const nexus = await renewing(10 * DAY_MS, started);
    if (started === waiting) {
      await expect.poll(nexus.clock.sleeping).toBe(1);
      expect(await nexus.notAfterMs()).toBeUndefined();
      await nexus.clock.advance(60_000);
    }
    await expect.poll(nexus.notAfterMs).toBeDefined();
    expect(daysTo(await nexus.notAfterMs())).toBe(40);
  }
});
