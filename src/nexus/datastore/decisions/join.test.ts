import { expect, test } from 'vitest';
import { InvitationId, SledId } from '../../../core/ids.ts';
import type { InvitationRecord, SledKeyRecord } from '../ports/invitation-port.ts';
import { decideJoin, ENDED_INVITATIONS_KEPT_MS, isInvitationForgotten, JOIN_REPEATED_MS } from './join.ts';

const SLED = SledId.parse('11111111-1111-4111-8111-111111111111');
const OTHER = SledId.parse('22222222-2222-4222-8222-222222222222');
const USED_MS = 1_000_000;

const key: SledKeyRecord = {
  ...{
    publicKeySha256: 'a key',
    sledId: SLED,
    timeJoinedMs: USED_MS,
    timeReplacedMs: null,
    timeExpungedMs: null,
    serial: null,
  },
};
const invitation: InvitationRecord = {
  id: InvitationId.parse('33333333-3333-4333-8333-333333333333'),
  sha256: 'a token',
  ...{ sledId: null, replacesSledId: null, serial: null, timeCreatedMs: 0, timeExpiresMs: USED_MS + 1 },
  used: { timeMs: USED_MS, publicKeySha256: 'a key' },
};
const request = {
  ...{
    sha256: 'a token',
    publicKeySha256: 'a key',
    newSledId: OTHER,
    presentSledId: undefined,
    serial: undefined,
  },
};
const at = (nowMs: number) =>
  decideJoin(request, { invitation, key, registered: undefined, user: key, nowMs });

test('a lost answer is repeated for a day, also after the invitation has expired, and then no more (JD1)', () => {
  expect(at(USED_MS + JOIN_REPEATED_MS)).toEqual({ kind: 'repeat', sledId: SLED, invitation });
  expect(() => at(USED_MS + JOIN_REPEATED_MS + 1)).toThrow(
    `sled ${SLED} joined with invitation ${invitation.id} at 1970-01-01T00:16:40.000Z, and the answer is repeated for a day only`,
  );
});

test('a repetition that has the certificate of another sled is refused (JD2)', () => {
  const named = { ...request, presentSledId: OTHER };
  expect(() =>
    decideJoin(named, { invitation, key, registered: undefined, user: key, nowMs: USED_MS }),
  ).toThrow(`this machine has a certificate of sled ${OTHER}`);
});

test('an invitation for a serial number is for the machine that reports it, also where its answer is repeated (JD5)', () => {
  const bound = { ...invitation, serial: 'BRM4221' };
  for (const used of [null, bound.used]) {
    const decide = (serial: string | undefined) =>
      decideJoin(
        { ...request, serial },
        {
          ...{ invitation: { ...bound, used }, key: used === null ? undefined : key, registered: undefined },
          ...{ user: key, nowMs: USED_MS },
        },
      ).kind;
    expect(decide('BRM4221')).toBe(used === null ? 'first' : 'repeat');
    expect(() => decide('BRM4222')).toThrow(
      `invitation ${bound.id} is for the machine with the serial number BRM4221, and the configuration of this machine says BRM4222`,
    );
    expect(() => decide(undefined)).toThrow(
      'serial number BRM4221, and the tuf-depot of this machine reports none, as versions before this did',
    );
  }
  expect(at(USED_MS).kind, 'of an invitation for any machine').toBe('repeat');
});

test('an invitation is forgotten a while after its use, or after it expired unused', () => {
  const [usedMs, timeExpiresMs] = [1_000, 9_000];
  const used = { timeMs: usedMs, publicKeySha256: 'a key' };
  for (const [each, endMs] of [
    [{ timeExpiresMs, used }, usedMs],
    [{ timeExpiresMs, used: null }, timeExpiresMs],
  ] as const) {
    expect(isInvitationForgotten(each, endMs + ENDED_INVITATIONS_KEPT_MS)).toBe(false);
    expect(isInvitationForgotten(each, endMs + ENDED_INVITATIONS_KEPT_MS + 1)).toBe(true);
  }
});
