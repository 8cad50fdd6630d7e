import { randomUUID, X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { InvitationId, NexusId, SledId } from '../../core/ids.ts';
import { createPendingJoins } from '../../core/pending-joins.ts';
import { countsSinceMs, identityOf } from '../../identity/certificate.ts';
import { knownRevocations, testFleetIdentity, writeAuthority } from '../../identity/identity.fixture.ts';
import {
  keyInvitationSha256,
  makeInvitationToken,
  publicKeySha256,
} from '../../identity/invitation-token.ts';
import { generateKey } from '../../identity/issue.ts';
import { openIssuer } from '../../identity/issuer.ts';
import { proveKey } from '../../identity/join-proof.ts';
import { systemClock } from '../../lib/clock.ts';
import type { ErrorCode } from '../../lib/error-codes.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { tokenDigest } from '../../lib/operator-token.ts';
import { REVOCATION_STEP_MS } from '../datastore/decisions/revoke.ts';
import type { JoinRequest } from '../datastore/ports/invitation-port.ts';
import { createOriginOfMachine } from '../operators/audit-origin.ts';
import { NO_FLEET_PINS } from './fleet-pins.ts';
import { createJoinApi } from './join-api.ts';

const fleet = testFleetIdentity('prod.example.org');
const coming = testFleetIdentity('prod.example.org');
const NAMED = {
  fleet: fleet.fleet,
  authoritySha256: publicKeySha256(fleet.authority.certificate.publicKey),
};
const OLD = SledId.parse('11111111-1111-4111-8111-111111111111');
const NEXUS = NexusId.parse(randomUUID());
const key = generateKey();

let refusal: ErrorCode | undefined;
let revokedMs: number | null = null;
let databaseTimeMs = Date.now();
let learnRevocations = async (): Promise<void> => undefined;
afterEach(() => {
  refusal = undefined;
  revokedMs = null;
  databaseTimeMs = Date.now();
  learnRevocations = async () => undefined;
});

/** One request, to a Nexus that also accepts an authority that is coming. */
const ask = async (
  token: string | undefined,
  differing: Record<string, string> = {},
  provenFor = token ?? '',
) => {
  const directory = await mkdtemp(join(tmpdir(), 'authority-'));
  await writeAuthority(directory, fleet.authority);
  const pemOf = (of: typeof fleet) => of.authority.certificate.toString();
  const acceptedPem = () => `${pemOf(coming)}${pemOf(fleet)}`;
  const issuer = await openIssuer(directory, {
    fleet: fleet.fleet,
    nowMs: () => Date.now(),
    acceptedPem,
  });
  await rm(directory, { recursive: true });
  const seen: { requests: JoinRequest[]; events: unknown[]; rounds: number } = {
    ...{ requests: [], events: [], rounds: 0 },
  };
  const api = createJoinApi({
    datastore: {
      nexusJoin: async () => expect.unreachable('no sled joins by it'),
      isKeyDenied: async () => false,
      async sledJoin(request, { audit }) {
        seen.requests.push(request);
        if (refusal !== undefined) throw new DepotError(refusal, 'refused');
        expect(audit).toMatchObject({ actor: { kind: 'invited_machine' }, remoteAddress: '192.0.2.1' });
        const invitationId = InvitationId.parse(randomUUID());
        return {
          ...{ sledId: request.newSledId, invitationId, isRepeat: false, expunged: OLD, revokedMs },
          nowMs: databaseTimeMs,
        };
      },
    },
    issuer,
    originOfMachine: createOriginOfMachine({ nexusId: NEXUS, newId: randomUUID }),
    newId: randomUUID,
    note: event => seen.events.push(event),
    activateReplication: () => {
      seen.rounds += 1;
    },
    learnRevocations: () => learnRevocations(),
    announceRevocations: () => undefined,
    pins: NO_FLEET_PINS,
    pendingJoins: createPendingJoins(),
    clock: systemClock,
  });
  const proof = proveKey(key, {
    fleet: fleet.fleet,
    tokenSha256:
      token === undefined ? keyInvitationSha256(publicKeySha256(key.publicKey)) : tokenDigest(provenFor),
  });
  const answer = api.sledJoin({
    ...{ params: {}, query: {}, headers: {}, requestId: 'r-1', log: silentLogger },
    body: {
      ...(token !== undefined && { token }),
      public_key: Buffer.from(proof.publicKeyDer).toString('base64'),
      signature: Buffer.from(proof.signature).toString('base64'),
      ...differing,
    },
    caller: {
      ...{ address: '192.0.2.1', isLocal: false, claimant: undefined, peer: { kind: 'anonymous' } as const },
      operator: { kind: 'not_asked' },
    },
    signal: new AbortController().signal,
    setHeader: () => undefined,
  });
  return { answer, seen };
};

test('the certificate is for the key of the request, as the sled that the database says, and all authorities are told (JH1)', async () => {
  const token = makeInvitationToken(NAMED);
  const { answer, seen } = await ask(token);
  const { sled_id, certificate_pem, ca_pem } = await answer;
  const certificate = new X509Certificate(certificate_pem);
  expect(identityOf(certificate)).toEqual({ fleet: 'prod.example.org', kind: 'sled', id: sled_id });
  expect(certificate.checkPrivateKey(key.privateKey)).toBe(true);
  expect(ca_pem).toBe(`${fleet.authority.certificate.toString()}${coming.authority.certificate.toString()}`);
  expect(seen.requests).toEqual([
    {
      sha256: tokenDigest(token),
      publicKeySha256: publicKeySha256(key.publicKey),
      newSledId: sled_id,
      presentSledId: undefined,
    },
  ]);
});

test('a replaced sled is in the history as expunged, and begins a round', async () => {
  const { answer, seen } = await ask(makeInvitationToken(NAMED));
  await answer;
  expect(seen).toMatchObject({
    events: [{ kind: 'sled_policy', sledId: OLD, policy: 'expunged' }],
    rounds: 1,
  });
});

test('the certificate begins after the revocation that the join saw, and a revocation right after the join covers it (ISU1, RVD2)', async () => {
  revokedMs = Date.now();
  const revocations = knownRevocations();
  const revokedAgain = { kind: 'sled', timeMs: revokedMs + REVOCATION_STEP_MS } as const;
  const { answer, seen } = await ask(makeInvitationToken(NAMED));
  learnRevocations = () => revocations.add([{ ...revokedAgain, id: seen.requests[0]?.newSledId ?? '' }]);
  const { sled_id: id, certificate_pem } = await answer;
  const beginsMs = countsSinceMs(new X509Certificate(certificate_pem));
  expect(beginsMs).toBeGreaterThan(revokedMs);
  expect(revocations.fault({ fleet: fleet.fleet, kind: 'sled', id }, beginsMs)).toMatch(/was revoked/);
});

test('the life of the certificate counts by the clock of the database, also where the one of this Nexus is a year off (RX6)', async () => {
  databaseTimeMs = Date.now() + 365 * 86_400_000;
  const { certificate_pem, not_after } = await (await ask(makeInvitationToken(NAMED))).answer;
  const beginsMs = countsSinceMs(new X509Certificate(certificate_pem));
  expect(beginsMs - databaseTimeMs).toBeLessThanOrEqual(0);
  expect(Math.round((Date.parse(not_after) - databaseTimeMs) / 86_400_000)).toBe(30);
});

test('a token that is none, of another fleet or of another authority, is refused without the database (JH2)', async () => {
  for (const [token, why] of [
    ['tufjoin_x', /damaged/],
    [
      makeInvitationToken({ ...NAMED, fleet: 'prod.example' }),
      /is of the fleet prod\.example, and this is prod/,
    ],
    [makeInvitationToken({ ...NAMED, authoritySha256: 'ab'.repeat(32) }), /names another authority/],
  ] as const) {
    const { answer, seen } = await ask(token);
    await expect(answer).rejects.toMatchObject({
      code: 'INVITATION_INVALID',
      message: expect.stringMatching(why),
    });
    expect(seen.requests).toEqual([]);
  }
});

test('a key without its proof is refused without the database', async () => {
  const token = makeInvitationToken(NAMED);
  const other = proveKey(generateKey(), { fleet: fleet.fleet, tokenSha256: tokenDigest(token) });
  const public_key = Buffer.from(other.publicKeyDer).toString('base64');
  for (const [differing, provenFor] of [
    [{ public_key }, token],
    [{ public_key: 'AAAA' }, token],
    [{}, makeInvitationToken(NAMED)],
  ] as const) {
    const { answer, seen } = await ask(token, { ...differing }, provenFor);
    await expect(answer).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    expect(seen.requests).toEqual([]);
  }
});

test('without a token the invitation of the key counts, and one that is not approved is told so', async () => {
  const keySha256 = publicKeySha256(key.publicKey);
  const { answer, seen } = await ask(undefined);
  await answer;
  expect(seen.requests).toMatchObject([
    { sha256: keyInvitationSha256(keySha256), publicKeySha256: keySha256 },
  ]);
  refusal = 'INVITATION_INVALID';
  await expect((await ask(undefined)).answer).rejects.toMatchObject({
    code: 'JOIN_NOT_APPROVED',
    message: `no admin has approved the key with the SHA-256 ${keySha256}`,
  });
  await expect((await ask(makeInvitationToken(NAMED))).answer).rejects.toMatchObject({
    code: 'INVITATION_INVALID',
  });
});
