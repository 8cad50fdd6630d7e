import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeInvisible, invisibleProblem, quoted } from './shown-text.ts';

const INVISIBLE: readonly (readonly [string, string, string])[] = [
  ['a terminal escape', '\u001b', 'U+001B'],
  ['a C1 control', '\u009b', 'U+009B'],
  ['a right-to-left override', '\u202e', 'U+202E'],
  ['an isolate', '\u2066', 'U+2066'],
  ['a zero-width space', '\u200b', 'U+200B'],
  ['a zero-width joiner', '\u200d', 'U+200D'],
  ['a byte order mark', '\ufeff', 'U+FEFF'],
  ['a soft hyphen', '\u00ad', 'U+00AD'],
  ['a variation selector', '\ufe0f', 'U+FE0F'],
  ['a Hangul filler', '\u3164', 'U+3164'],
  ['a tag', '\u{e0041}', 'U+E0041'],
  ['a line separator', '\u2028', 'U+2028'],
  ['a no-break space', '\u00a0', 'U+00A0'],
  ['a lone surrogate', '\ud800', 'U+D800'],
];

test.each(INVISIBLE)('%s is refused in a name, and shown as its escape (SX1, SX3)', (_, character, code) => {
  expect(invisibleProblem(`a${character}b`)).toBe(`has the invisible character ${code}`);
  const shown = escapeInvisible(`a${character}b`);
  expect(shown).toMatch(/^a(\\u[0-9a-f]{4})+b$/);
  expect(JSON.parse(`"${shown}"`)).toBe(`a${character}b`);
});

test.each(['release 1.0', 'Größe.bin', '固件.bin', 'تحديث.bin', '𝒳', 'a_b-c+d~(1)'])(
  'a name in any script is as it was: %s',
  name => {
    expect(invisibleProblem(name)).toBeUndefined();
    expect(escapeInvisible(name)).toBe(name);
  },
);

test('a quoted text is bounded and on one line, whatever it is (SX2)', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), text => {
      const shown = quoted(text);
      expect(invisibleProblem(shown)).toBeUndefined();
      expect(shown.length).toBeLessThan(80 * 6 + 40);
      if (text.length <= 80) expect(JSON.parse(shown)).toBe(text);
    }),
  );
  expect(quoted('x'.repeat(1_000))).toBe(`"${'x'.repeat(80)}"… (1000 characters)`);
});
