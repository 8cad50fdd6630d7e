/** Strangers that join without end, and the places in the database and the lines in the log that they have (JH3). */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { InvitationId, NexusId } from '../../core/ids.ts';
import { createPendingJoins } from '../../core/pending-joins.ts';
import { testFleetIdentity } from '../../identity/identity.fixture.ts';
import { makeInvitationToken, publicKeySha256 } from '../../identity/invitation-token.ts';
import { generateKey } from '../../identity/issue.ts';
import { proveKey } from '../../identity/join-proof.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { tokenDigest } from '../../lib/operator-token.ts';
import type { InvitationPort } from '../datastore/ports/invitation-port.ts';
import { createOriginOfMachine } from '../operators/audit-origin.ts';
import { NO_FLEET_PINS } from './fleet-pins.ts';
import { createJoinApi } from './join-api.ts';

const MINUTE_MS = 60_000;
const { fleet, authority, issue } = testFleetIdentity('prod.example.org');
const NAMED = { fleet, authoritySha256: publicKeySha256(authority.certificate.publicKey) };
const nexusId = NexusId.parse(randomUUID());

const serving = (sledJoin: InvitationPort['sledJoin']) => {
  const clock = createTestClock();
  const lines: string[] = [];
  const line = (_facts: unknown, text: string) => void lines.push(text);
  const api = createJoinApi({
    datastore: {
      sledJoin,
      nexusJoin: async () => expect.unreachable('no sled joins by it'),
      isKeyDenied: async () => false,
    },
    issuer: {
      ...NAMED,
      authoritiesPem: () => authority.certificate.toString(),
      issue: () => ({ certificatePem: issue('sled').certificatePem, notAfterMs: 0 }),
    },
    originOfMachine: createOriginOfMachine({ nexusId, newId: randomUUID }),
    newId: randomUUID,
    note: () => undefined,
    activateReplication: () => undefined,
    learnRevocations: async () => undefined,
    announceRevocations: () => undefined,
    pins: NO_FLEET_PINS,
    pendingJoins: createPendingJoins(),
    clock,
  });
  const ask = async (address: string, token = makeInvitationToken(NAMED)) => {
    const proof = proveKey(generateKey(), { fleet, tokenSha256: tokenDigest(token) });
    return api.sledJoin({
      ...{ params: {}, query: {}, headers: {}, requestId: 'r-1' },
      log: { ...silentLogger, info: line, warn: line } as never,
      body: {
        token,
        public_key: Buffer.from(proof.publicKeyDer).toString('base64'),
        signature: Buffer.from(proof.signature).toString('base64'),
      },
      caller: {
        ...{ address, isLocal: false, claimant: address, peer: { kind: 'anonymous' } as const },
        operator: { kind: 'not_asked' },
      },
      signal: new AbortController().signal,
      setHeader: () => undefined,
    });
  };
  return { clock, lines, ask };
};

test('few joins at once reach the database, fewer of one address, and a refused one has its place again when one ends (JH3)', async () => {
  const ends: (() => void)[] = [];
  const { ask } = serving(async () => {
    await new Promise<void>(resolve => ends.push(resolve));
    throw new DepotError('INVITATION_INVALID', 'there is none');
  });
  const running: Promise<string>[] = [];
  const begin = (address: string): void => {
    running.push(
      ask(address).then(
        () => 'joined',
        ({ code }) => code,
      ),
    );
  };
  const refused = { code: 'TOO_MANY_REQUESTS' };
  for (const address of ['192.0.2.1', '192.0.2.1']) begin(address);
  await expect(ask('192.0.2.1'), 'of one address').rejects.toMatchObject(refused);
  for (const address of ['192.0.2.2', '192.0.2.3']) begin(address);
  await expect(ask('192.0.2.4'), 'of all').rejects.toMatchObject(refused);
  expect(ends).toHaveLength(4);
  for (const end of ends.splice(0)) end();
  expect(await Promise.all(running)).toEqual(running.map(() => 'INVITATION_INVALID'));
  begin('192.0.2.1');
  await expect.poll(() => ends.length).toBe(1);
  ends[0]?.();
});

test('a used token and a repeated join are each logged once a minute for an invitation, a first join always (JH3)', async () => {
  let isUsed = false;
  let isRepeat = false;
  const { ask, lines, clock } = serving(async ({ newSledId: sledId }) => {
    if (isUsed) throw new DepotError('INVITATION_USED', 'another has it');
    const invitationId = InvitationId.parse(randomUUID());
    return { sledId, invitationId, isRepeat, expunged: undefined, revokedMs: null, nowMs: 0 };
  });
  const linesOf = async (...tokens: string[]): Promise<string[]> => {
    for (const token of tokens) await ask('192.0.2.1', token).catch(() => undefined);
    return lines.splice(0);
  };
  const [first, second] = [makeInvitationToken(NAMED), makeInvitationToken(NAMED)];
  const [joined, again] = ['machine joined', 'a used token was sent again'];
  expect(await linesOf(first, second)).toEqual([joined, joined]);
  isRepeat = true;
  expect(await linesOf(first, first, second, first)).toEqual([joined, joined]);
  isUsed = true;
  expect(await linesOf(first, first, second), 'which a repeated join does not hide').toEqual([again, again]);
  await clock.advance(MINUTE_MS);
  expect(await linesOf(first, first)).toEqual([again]);
});
