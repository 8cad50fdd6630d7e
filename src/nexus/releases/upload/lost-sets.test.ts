import { expect, test } from 'vitest';
import { hashOf } from '../../datastore/conformance/records.fixture.ts';
import { createLostSets } from './lost-sets.ts';

const [A, B, C, D] = [hashOf('a'), hashOf('b'), hashOf('c'), hashOf('d')];

test('before the first round no release counts as lost', () => {
  const lost = createLostSets();
  expect(lost.isEmpty()).toBe(true);
  expect(lost.bringsBack([A])).toBe(false);
});

test('a release counts as lost if all of it was wanted at one lost point, whether other releases list it or not', () => {
  const lost = createLostSets();
  lost.record([new Set([A, B]), new Set([A, C])]);
  expect(lost.isEmpty()).toBe(false);
  expect(lost.bringsBack([A, B])).toBe(true);
  expect(lost.bringsBack([C])).toBe(true);
  expect(lost.bringsBack([B, C]), 'of two points').toBe(false);
  expect(lost.bringsBack([B, D]), 'only part of it').toBe(false);
  expect(lost.bringsBack([A])).toBe(true);
  expect(lost.bringsBack([]), 'nothing').toBe(false);
});

test('each round replaces the lost points of the one before', () => {
  const lost = createLostSets();
  lost.record([new Set([A])]);
  lost.record([]);
  expect(lost.isEmpty()).toBe(true);
  expect(lost.bringsBack([A])).toBe(false);
});
