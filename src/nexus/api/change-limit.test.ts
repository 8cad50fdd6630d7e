import { expect, test } from 'vitest';
import { SledId } from '../../core/ids.ts';
import { createChangeLimit } from './change-limit.ts';

const idOf = (n: number): SledId => SledId.parse(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);

const limitAt = () => {
  let nowMs = 0;
  const limit = createChangeLimit({ monotonicMs: () => nowMs });
  const admitted = (ids: Iterable<number>): number => [...ids].filter(n => limit(idOf(n))).length;
  return { admitted, pass: (ms: number) => (nowMs += ms) };
};
const times = (count: number, n: number): number[] => Array<number>(count).fill(n);
const count = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at);

test('an id that changes all the time is recorded a few times, and then once a minute; the others are not held back (CHL1)', () => {
  const { admitted, pass } = limitAt();
  expect(admitted(times(500, 1))).toBe(16);
  expect(admitted([2, 3, 2])).toBe(3);
  pass(59_999);
  expect(admitted(times(10, 1))).toBe(0);
  pass(1);
  expect(admitted(times(10, 1))).toBe(1);
});

test('any number of new ids leaves the history most of its events (CHL1)', () => {
  const { admitted, pass } = limitAt();
  expect(admitted(count(0, 50_000))).toBe(2_048);
  let recorded = 0;
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    pass(60_000);
    recorded += admitted(count(minute * 100, minute * 100 + 100));
  }
  expect(recorded).toBe(8_640);
});

test('a fleet of 1,000 sleds that starts twice is recorded whole', () => {
  const { admitted } = limitAt();
  expect(admitted([...count(0, 1_000), ...count(0, 1_000)])).toBe(2_000);
});
