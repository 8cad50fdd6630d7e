import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  MAX_INVITATION_CHARS,
  MAX_INVITED_ROOTS,
  makeInvitationToken,
  parseInvitationToken,
} from './invitation-token.ts';

const arbHex = fc
  .array(fc.constantFrom(...'0123456789abcdef'), { minLength: 64, maxLength: 64 })
  .map(digits => digits.join(''));
const arbInvitedTo = fc.record({
  fleet: fc.stringMatching(/^[a-z0-9._-]{1,255}$/),
  authoritySha256: arbHex,
});
const arbPins = fc.record({
  adminKeySha256: fc.option(
    arbHex.filter(hex => /[^0]/.test(hex)),
    { nil: undefined },
  ),
  rootsSha256: fc.array(arbHex, { maxLength: MAX_INVITED_ROOTS }),
});
/** Of both versions. */
const arbAnyInvitedTo = fc
  .tuple(arbInvitedTo, fc.option(arbPins, { nil: undefined }))
  .map(([invitedTo, pins]) => ({ ...invitedTo, ...(pins && { pins }) }));
const SOME = { fleet: 'prod.example.org', authoritySha256: 'ab'.repeat(32) };

test('a token is read back as it was made, in the form that a scanner for secrets finds (JT1)', () => {
  fc.assert(
    fc.property(arbAnyInvitedTo, invitedTo => {
      const token = makeInvitationToken(invitedTo);
      expect(parseInvitationToken(token)).toEqual(invitedTo);
      expect(token).toMatch(/^tufjoin_[\w-]{94,}$/);
      expect(token.length).toBeLessThanOrEqual(MAX_INVITATION_CHARS);
    }),
  );
  expect(makeInvitationToken(SOME), 'each has its own secret').not.toBe(makeInvitationToken(SOME));
});

test('a token with any character changed, missing or added is no token (JT1)', () => {
  const arbChange = fc.record({
    invitedTo: arbAnyInvitedTo,
    at: fc.nat(),
    by: fc.constantFrom(...'abAB01_-=+/ \n'),
    how: fc.constantFrom('replace', 'remove', 'insert', 'cut', 'append'),
  });
  fc.assert(
    fc.property(arbChange, ({ invitedTo, at, by, how }) => {
      const token = makeInvitationToken(invitedTo);
      const index = at % token.length;
      const [before, after] = [token.slice(0, index), token.slice(index + 1)];
      const changed = {
        replace: `${before}${by}${after}`,
        remove: `${before}${after}`,
        insert: `${before}${by}${token.slice(index)}`,
        cut: before,
        append: `${token}${by}`,
      }[how as 'cut'];
      fc.pre(changed !== token);
      expect(parseInvitationToken(changed), changed).toBeUndefined();
    }),
    { numRuns: 1_000 },
  );
});

test('a name that no fleet has is refused, whatever its checksum says', () => {
  for (const fleet of ['', 'Prod', 'a/b', 'a b', 'ü'])
    expect(parseInvitationToken(makeInvitationToken({ ...SOME, fleet })), fleet).toBeUndefined();
});

test('a token of version 1 is read as before, and names nothing to pin (JT4)', () => {
  // Made by the version before: prod.example.org, with a secret of zeros.
  const token = makeInvitationToken(SOME, Buffer.alloc(32));
  expect(Buffer.from(token.slice('tufjoin_'.length), 'base64url')[0]).toBe(1);
  expect(parseInvitationToken(token)).toEqual(SOME);
});
