import { expect, test } from 'vitest';
import { hashOf } from '../datastore/conformance/records.fixture.ts';
import { createLostSets } from './lost-sets.ts';

const [A, B, C, D] = [hashOf('a'), hashOf('b'), hashOf('c'), hashOf('d')];

test('before the first round nothing is lost, and nothing brings anything back', () => {
  const lost = createLostSets();
  expect(lost.isEmpty()).toBe(true);
  expect(lost.bringsBack([A])).toBe(false);
});

test('a release is brought back if one lost point wanted all of it, and some of it is not wanted any more', () => {
  const lost = createLostSets();
  lost.record({ sets: [new Set([A, B]), new Set([A, C])], wanted: new Set([A]) });
  expect(lost.isEmpty()).toBe(false);
  expect(lost.bringsBack([A, B])).toBe(true);
  expect(lost.bringsBack([C])).toBe(true);
  expect(lost.bringsBack([B, C]), 'of two points').toBe(false);
  expect(lost.bringsBack([B, D]), 'only part of it').toBe(false);
  expect(lost.bringsBack([A]), 'wanted already').toBe(false);
  expect(lost.bringsBack([]), 'nothing').toBe(false);
});

test('each round replaces what was known before', () => {
  const lost = createLostSets();
  lost.record({ sets: [new Set([A])], wanted: new Set() });
  lost.record({ sets: [], wanted: new Set() });
  expect(lost.isEmpty()).toBe(true);
  expect(lost.bringsBack([A])).toBe(false);
});
