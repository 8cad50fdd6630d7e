import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePathPattern, pathPatternProblem, targetPath } from './path-pattern.ts';
import { STEPS, uncounted } from './work-budget.ts';

const isMatch = (pattern: string, path: string): boolean =>
  compilePathPattern(pattern)(targetPath(path), uncounted);

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
  expect(isMatch(pattern, path)).toBe(expected);
});

test('matches like the obvious regular expression', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?'), maxLength: 12 });
  const asExpression = (pattern: string) =>
    new RegExp(`^${pattern.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}$`);
  fc.assert(
    fc.property(text, text, (pattern, path) => {
      expect(isMatch(pattern, path)).toBe(asExpression(pattern).test(path));
    }),
    { numRuns: 2000 },
  );
});

/** A path whose characters are counted when they are compared. */
const countedPath = (name: string) => {
  let reads = 0;
  const count = (segment: readonly string[]): readonly string[] =>
    new Proxy(segment, {
      get(target, key, receiver) {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads += 1;
        return Reflect.get(target, key, receiver);
      },
    });
  const path = targetPath(name);
  const segments = path.segments().map(count);
  return { path: { ...path, segments: () => segments }, reads: () => reads };
};

test('any pattern and any path take at most pattern × path steps, each of them counted (PA2)', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '*'), maxLength: 60 });
  const slowest = ['*'.repeat(30), `*${'a'.repeat(255)}b`, `${'*a'.repeat(200)}b`];
  const path = fc.oneof(text, fc.constantFrom('a'.repeat(511), 'a'.repeat(300)));
  fc.assert(
    fc.property(fc.oneof(text, fc.constantFrom(...slowest)), path, (pattern, name) => {
      const counted = countedPath(name);
      let steps = 0;
      compilePathPattern(pattern)(counted.path, more => {
        steps += more;
      });
      expect(steps).toBeGreaterThan(0);
      expect(counted.reads()).toBeLessThanOrEqual(steps);
      expect(steps - STEPS.comparison).toBeLessThanOrEqual((pattern.length + 1) * (name.length + 1));
    }),
    { examples: slowest.map(pattern => [pattern, 'a'.repeat(511)]) },
  );
});

test.each(['[ab]', '{a,b}', 'a\\*', 'x'.repeat(513)])('the pattern %s is refused (PA1)', pattern => {
  expect(pathPatternProblem(pattern)).toBeDefined();
});
