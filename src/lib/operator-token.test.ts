import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formOfToken, makeOperatorToken, tokenDigest } from './operator-token.ts';

test('a token has a prefix, 32 random bytes and a checksum, and is another one each time', () => {
  const [one, another] = [makeOperatorToken(), makeOperatorToken()];
  expect(one).toMatch(/^tufdepot_[0-9a-f]{72}$/);
  expect(one).not.toBe(another);
  expect(formOfToken(one)).toBe('whole');
  expect(tokenDigest(one)).toMatch(/^[0-9a-f]{64}$/);
  expect(tokenDigest(one)).not.toBe(tokenDigest(another));
});

test('a token with any one character changed, lost or added is damaged, and a word without the prefix is another thing', () => {
  fc.assert(
    fc.property(fc.integer({ min: 9, max: 80 }), fc.constantFrom(...'0123456789abcdefgZ-'), (at, digit) => {
      const token = makeOperatorToken();
      const start = token.slice(0, at);
      fc.pre(token[at] !== digit);
      expect(formOfToken(`${start}${digit}${token.slice(at + 1)}`)).toBe('damaged');
      expect(formOfToken(`${start}${token.slice(at + 1)}`)).toBe('damaged');
      expect(formOfToken(`${start}${digit}${token.slice(at)}`)).toBe('damaged');
    }),
  );
  expect(formOfToken('tufdepot_')).toBe('damaged');
  expect(formOfToken(makeOperatorToken().slice(1))).toBe('other');
  expect(formOfToken('')).toBe('other');
});
