import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_INVITATION_CHARS, makeInvitationToken, parseInvitationToken } from './invitation-token.ts';

const arbHex = fc
  .array(fc.constantFrom(...'0123456789abcdef'), { minLength: 64, maxLength: 64 })
  .map(digits => digits.join(''));
const arbInvitedTo = fc.record({
  fleet: fc.stringMatching(/^[a-z0-9._-]{1,255}$/),
  authoritySha256: arbHex,
});
const SOME = { fleet: 'prod.example.org', authoritySha256: 'ab'.repeat(32) };

test('a token is read back as it was made, in the form that a scanner for secrets finds (JT1)', () => {
  fc.assert(
    fc.property(arbInvitedTo, invitedTo => {
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
    invitedTo: arbInvitedTo,
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
