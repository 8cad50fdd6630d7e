import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SledId } from '../../core/ids.ts';
import { countsSinceMs, identityOf } from '../../identity/certificate.ts';
import { knownRevocations, testFleetIdentity, writeAuthority } from '../../identity/identity.fixture.ts';
import { type CertificateIssuer, openIssuer } from '../../identity/issuer.ts';
import type { Peer } from '../../identity/judged-peer.ts';
import { createRevocations, type Revocations } from '../../identity/revocations.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { REVOCATION_STEP_MS } from '../datastore/decisions/revoke.ts';
import type { SledKeyRecord } from '../datastore/ports/invitation-port.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import { createCertificateApi } from './certificate-api.ts';

const DAY_MS = 86_400_000;
const fleet = testFleetIdentity();
const SLED = SledId.parse('11111111-1111-4111-8111-111111111111');
const OTHER = SledId.parse('22222222-2222-4222-8222-222222222222');
const { keyPem, identity } = fleet.issue('sled', { id: SLED });
const caller: Peer = { kind: 'identified', identity, notBeforeMs: 0, publicKey: createPublicKey(keyPem) };

const issuer = async (): Promise<CertificateIssuer> => {
  const directory = await mkdtemp(join(tmpdir(), 'authority-'));
  try {
    await writeAuthority(directory, fleet.authority);
    return await openIssuer(directory, {
      fleet: fleet.fleet,
      nowMs: () => Date.now(),
      acceptedPem: () => fleet.authority.certificate.toString(),
    });
  } finally {
    await rm(directory, { recursive: true });
  }
};

const request = (peer: Peer) => ({
  ...{ params: {}, query: {}, body: undefined, headers: {}, requestId: '' },
  caller: {
    ...{ address: undefined, isLocal: true, claimant: undefined, peer },
    operator: { kind: 'not_asked' } as const,
  },
  log: silentLogger,
  signal: new AbortController().signal,
  setHeader: () => undefined,
});

const unused = async (): Promise<never> => {
  throw new Error('this process does not ask for it');
};

type Database = 'away' | SledRecord['policy'] | 'unknown';
const renew = async (
  database: Database,
  {
    peer = caller,
    known = [],
    knownDaysAgo = 0,
    by,
    key,
    current = key,
    revocations = knownRevocations(),
    meanwhile = async () => undefined,
    databaseTimeMs = Date.now(),
  }: {
    peer?: Peer;
    known?: readonly string[];
    knownDaysAgo?: number;
    by?: CertificateIssuer | null;
    /** That the caller has; by default also the one that joined last as the sled. */
    key?: Partial<SledKeyRecord>;
    current?: Partial<SledKeyRecord>;
    revocations?: Revocations;
    /** Once the database has been read. */
    meanwhile?: () => Promise<void>;
    databaseTimeMs?: number;
  } = {},
) => {
  const api = createCertificateApi({
    datastore: {
      nexusStanding: unused,
      async sledKeyGet(sledId, publicKeySha256) {
        expect(sledId).toBe(SLED);
        if (database === 'away') throw new DepotError('DATABASE_UNAVAILABLE', 'away');
        const joined = {
          ...{ sledId, serial: null, timeJoinedMs: 0 },
          ...{ timeReplacedMs: null, timeExpungedMs: null },
        };
        const record = (of?: Partial<SledKeyRecord>) => of && { publicKeySha256, ...joined, ...of };
        await meanwhile();
        const policy = database === 'unknown' ? undefined : database;
        return { policy, key: record(key), current: record(current), nowMs: databaseTimeMs };
      },
    },
    revokedMs: revocations.timeOf,
    isUndone: revocations.isUndone,
    issuer: by === null ? undefined : (by ?? (await issuer())),
    sledsInService: () => ({ ids: new Set(known), timeMs: Date.now() - knownDaysAgo * DAY_MS }),
  });
  return api.certificateRenew(request(peer));
};

test('its life counts by the clock of the database, also where the one of this Nexus is a year off (RX6)', async () => {
  for (const days of [-365, 365]) {
    const databaseTimeMs = Date.now() + days * DAY_MS;
    const { not_after } = await renew('in_service', { databaseTimeMs });
    const lifeDays = (Date.parse(not_after) - databaseTimeMs) / DAY_MS;
    expect(Math.round(lifeDays)).toBe(30);
  }
});

test('a sled gets its certificate anew, for its own name and key (RX1)', async () => {
  const { certificate_pem, not_after } = await renew('in_service');
  const certificate = new X509Certificate(certificate_pem);
  expect(identityOf(certificate)).toEqual(identity);
  expect(certificate.publicKey.equals(createPublicKey(keyPem))).toBe(true);
  expect(certificate.verify(fleet.authority.certificate.publicKey)).toBe(true);
  expect(Date.parse(not_after)).toBeGreaterThan(Date.now() + 29 * DAY_MS);
});

test('a certificate begins after the revocation that was known, and one while the database is asked covers it (RVK1, ISU1)', async () => {
  const timeMs = Date.now();
  const { kind, id } = identity;
  const revocations = knownRevocations({ kind, id, timeMs });
  const meanwhile = () => revocations.add([{ kind, id, timeMs: timeMs + REVOCATION_STEP_MS }]);
  const { certificate_pem } = await renew('in_service', { revocations, meanwhile });
  const beginsMs = countsSinceMs(new X509Certificate(certificate_pem));
  expect(beginsMs).toBeGreaterThan(timeMs);
  expect(revocations.fault(identity, beginsMs)).toMatch(/was revoked/);
});

test('an expunged sled gets none; one that a restored database does not know does (RX2)', async () => {
  // Also one that the last round still knew in service.
  for (const known of [[], [SLED]])
    await expect(renew('expunged', { known })).rejects.toMatchObject({ code: 'SLED_DECOMMISSIONED' });
  await expect(renew('unknown')).resolves.toBeDefined();
});

test('of the keys that joined only the last one of the sled is renewed (RX2, JD2)', async () => {
  await expect(renew('in_service', { key: {} })).resolves.toBeDefined();
  const another = {
    code: 'FORBIDDEN',
    message: `another key joined as sled ${SLED} at 1970-01-01T00:00:00.000Z: the certificate of this one is not renewed`,
  };
  const current = { publicKeySha256: 'of another key' };
  await expect(renew('in_service', { key: { timeReplacedMs: 0 }, current })).rejects.toMatchObject(another);
  await expect(renew('in_service', { current }), 'did not join').rejects.toMatchObject(another);
  const key = { sledId: OTHER };
  await expect(renew('in_service', { key })).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: `the key of this certificate of sled ${SLED} joined as sled ${OTHER}: the certificate is not renewed`,
  });
});

test('while the database is away the sleds that were in service are renewed, and no others (RX2)', async () => {
  await expect(renew('away', { known: [SLED] })).resolves.toBeDefined();
  await expect(renew('away')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
});

test('the life of a certificate that is issued while the database is away counts from the last round (RX3)', async () => {
  const { not_after } = await renew('away', { known: [SLED], knownDaysAgo: 10 });
  expect(Date.parse(not_after)).toBeLessThan(Date.now() + 20.5 * DAY_MS);
  expect(Date.parse(not_after)).toBeGreaterThan(Date.now() + 19.5 * DAY_MS);
});

test('a certificate with a key of another kind is not renewed: only P-256 is issued (RX1)', async () => {
  for (const { publicKey } of [
    generateKeyPairSync('ed25519'),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  ])
    await expect(renew('in_service', { peer: { ...caller, publicKey } })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('P-256'),
    });
});

const expiredFor = (days: number): Peer => ({
  kind: 'expired',
  notBeforeMs: 0,
  identity,
  publicKey: createPublicKey(keyPem),
  notAfterMs: Date.now() - days * DAY_MS,
});

test('a certificate that has expired is renewed for a year, if the database knows its sled in service (RX4)', async () => {
  const { certificate_pem } = await renew('in_service', { peer: expiredFor(364) });
  expect(identityOf(new X509Certificate(certificate_pem))).toEqual(identity);
  for (const [database, days, code] of [
    ['in_service', 366, 'UNAUTHORIZED'],
    ['unknown', 1, 'UNAUTHORIZED'],
    ['expunged', 1, 'SLED_DECOMMISSIONED'],
    ['away', 1, 'DATABASE_UNAVAILABLE'],
  ] as const)
    await expect(renew(database, { peer: expiredFor(days), known: [SLED] }), database).rejects.toMatchObject({
      code,
    });
});

/** By a Nexus whose certificate counts since {@link COUNTS_SINCE_MS}. */
const renewNexus = async (
  policy: 'in_service' | 'expunged' | undefined,
  {
    revokedMs = null,
    restoredMs,
    expiredDays,
    away = false,
  }: { revokedMs?: number | null; restoredMs?: number; expiredDays?: number; away?: boolean } = {},
) => {
  const named = { ...identity, kind: 'nexus', id: OTHER } as const;
  const { isUndone } = createRevocations({
    known: [],
    save: async () => undefined,
    nowMs: Date.now,
    restoredMs: ({ id }) => (id === OTHER ? restoredMs : undefined),
  });
  const api = createCertificateApi({
    datastore: {
      sledKeyGet: unused,
      async nexusStanding(id) {
        expect(id).toBe(OTHER);
        if (away) throw new DepotError('DATABASE_UNAVAILABLE', 'away');
        return { policy, revokedMs, nowMs: Date.now() };
      },
    },
    revokedMs: () => undefined,
    isUndone,
    issuer: await issuer(),
    sledsInService: () => ({ ids: new Set<string>([OTHER]), timeMs: Date.now() }),
  });
  const presented = { identity: named, notBeforeMs: COUNTS_SINCE_MS, publicKey: createPublicKey(keyPem) };
  return api.certificateRenew(
    request(
      expiredDays === undefined
        ? { kind: 'identified', ...presented }
        : { kind: 'expired', ...presented, notAfterMs: Date.now() - expiredDays * DAY_MS },
    ),
  );
};
const COUNTS_SINCE_MS = 5_000;

test('a Nexus is renewed while the database has it in service, or does not know it, and does not revoke its certificate (RX5)', async () => {
  for (const policy of ['in_service', undefined] as const) {
    const { certificate_pem } = await renewNexus(policy, { revokedMs: COUNTS_SINCE_MS - 1 });
    expect(identityOf(new X509Certificate(certificate_pem))).toMatchObject({ kind: 'nexus', id: OTHER });
  }
  for (const [policy, facts, code] of [
    ['expunged', {}, 'NEXUS_EXPUNGED'],
    ['in_service', { revokedMs: COUNTS_SINCE_MS }, 'FORBIDDEN'],
    ['in_service', { away: true }, 'DATABASE_UNAVAILABLE'],
    [undefined, { expiredDays: 1 }, 'UNAUTHORIZED'],
    ['in_service', { expiredDays: 366 }, 'UNAUTHORIZED'],
  ] as const)
    await expect(renewNexus(policy, facts), JSON.stringify(facts)).rejects.toMatchObject({ code });
  await expect(renewNexus('in_service', { expiredDays: 364 })).resolves.toBeDefined();
});

test('a Nexus whose revocation a statement undoes is renewed, and not beyond the time of the statement (RX5, RVK6)', async () => {
  const revokedMs = COUNTS_SINCE_MS + 1_000;
  await expect(renewNexus('in_service', { revokedMs, restoredMs: revokedMs })).resolves.toBeDefined();
  await expect(renewNexus('in_service', { revokedMs, restoredMs: revokedMs - 1 })).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
});

test('without the authority, or without a certificate, there is nothing to issue', async () => {
  await expect(renew('in_service', { by: null })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(renew('in_service', { peer: { kind: 'plain' } })).rejects.toMatchObject({
    code: 'UNAUTHORIZED',
  });
});

test('the authority of another fleet is refused at the start', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'authority-'));
  await writeAuthority(directory, fleet.authority);
  const open = (of: string) =>
    openIssuer(of, {
      fleet: 'other.example',
      nowMs: () => Date.now(),
      acceptedPem: () => '',
    });
  await expect(open(directory)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(`is the authority of ${fleet.fleet}`),
  });
  await expect(open(join(directory, 'absent'))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('has no ca.pem'),
  });
  await rm(directory, { recursive: true });
});
