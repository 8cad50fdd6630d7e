import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePathPattern, pathPatternProblem } from './path-pattern.ts';

test.each([
  ['*.tgz', 'foo.tgz', true],
  ['*.tgz', 'dir/foo.tgz', false],
  ['targets/*.tgz', 'targets/foo.tgz', true],
  ['targets/*.tgz', 'targets/foo.txt', false],
  ['foo-version-?.tgz', 'foo-version-2.tgz', true],
  ['foo-version-?.tgz', 'foo-version-alpha.tgz', false],
  ['foo-?', 'foo-/', false],
  ['*', '', true],
  ['*', '.hidden', true],
  ['**', 'a/b', false],
  ['*/*', 'a/b', true],
  ['a*b*c', 'a-b-b-c', true],
  ['a*b*c', 'a-b-b', false],
  ['a?', 'a𝒳', true],
  ['README.md', 'readme.md', false],
  ['a.c', 'abc', false],
])('the pattern %s and the path %s', (pattern, path, expected) => {
  expect(compilePathPattern(pattern)(path)).toBe(expected);
});

test('matches like the obvious regular expression', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?'), maxLength: 12 });
  const asExpression = (pattern: string) =>
    new RegExp(`^${pattern.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}$`);
  fc.assert(
    fc.property(text, text, (pattern, path) => {
      expect(compilePathPattern(pattern)(path)).toBe(asExpression(pattern).test(path));
    }),
    { numRuns: 2000 },
  );
});

test('a pattern crafted to be slow is matched fast (PA2)', () => {
  const matches = compilePathPattern(`${'*a'.repeat(200)}b`);
  expect(matches('a'.repeat(500))).toBe(false);
});

test.each(['[ab]', '{a,b}', 'a\\*', 'x'.repeat(513)])('the pattern %s is refused (PA1)', pattern => {
  expect(pathPatternProblem(pattern)).toBeDefined();
});
