import { expect, test } from 'vitest';
import { contradiction, type ReleaseAct } from './release-history.ts';

const act = (
  kind: ReleaseAct['kind'],
  begunMs: number,
  endedMs: number,
  outcome: ReleaseAct['outcome'] = 'done',
): ReleaseAct => ({ version: '1.0.0', kind, begunMs, endedMs, outcome });
const NEVER = Number.POSITIVE_INFINITY;

const isPossible = (acts: ReleaseAct[], isPresent: boolean) =>
  contradiction(acts, '1.0.0', isPresent) === undefined;

test('what was never uploaded is absent, and nothing else', () => {
  expect(isPossible([], false)).toBe(true);
  expect(isPossible([], true)).toBe(false);
  expect(isPossible([act('upload', 1, 2, 'refused')], true)).toBe(false);
});

test('after an upload and nothing else the release is present', () => {
  expect(isPossible([act('upload', 1, 2)], true)).toBe(true);
  expect(isPossible([act('upload', 1, 2)], false)).toBe(false);
});

test('of two acts one after the other the last one decides', () => {
  expect(isPossible([act('upload', 1, 2), act('delete', 3, 4)], true)).toBe(false);
  expect(isPossible([act('upload', 1, 2), act('delete', 3, 4)], false)).toBe(true);
  expect(isPossible([act('delete', 1, 2), act('upload', 3, 4)], false)).toBe(false);
});

test('of two acts at the same time either may be the last', () => {
  const acts = [act('upload', 1, 4), act('delete', 2, 3)];
  expect(isPossible(acts, true)).toBe(true);
  expect(isPossible(acts, false)).toBe(true);
});

test('an act without an answer may have happened, late, or never', () => {
  expect(isPossible([act('upload', 1, NEVER, 'maybe')], true)).toBe(true);
  expect(isPossible([act('upload', 1, NEVER, 'maybe')], false)).toBe(true);
  expect(isPossible([act('upload', 1, NEVER, 'maybe'), act('delete', 5, 6)], true)).toBe(true);
});

test('acts of other releases say nothing', () => {
  expect(isPossible([{ ...act('upload', 1, 2), version: '2.0.0' }], true)).toBe(false);
});
