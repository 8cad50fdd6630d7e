import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addRevocations,
  includesRevocations,
  MAX_REVOCATIONS,
  mergeRevocations,
  type Revocation,
} from './revocation.ts';

const revocations = fc.array(
  fc.record({
    kind: fc.constantFrom('nexus' as const, 'sled' as const),
    id: fc.integer({ min: 0, max: 3 }).map(String),
    timeMs: fc.integer({ min: 0, max: 5 }),
  }),
  { maxLength: 12 },
);

test('what several processes know is merged in any order to the same list, which includes all of it', () => {
  fc.assert(
    fc.property(revocations, revocations, revocations, (a, b, c) => {
      const merged = mergeRevocations(a, b, c);
      expect(mergeRevocations(c, mergeRevocations(b, a))).toEqual(merged);
      expect(mergeRevocations(merged, merged)).toEqual(merged);
      for (const part of [a, b, c]) expect(includesRevocations(merged, part)).toBe(true);
      expect(new Set(merged.map(({ kind, id }) => `${kind}/${id}`)).size).toBe(merged.length);
      for (const { kind, id, timeMs } of merged) {
        const times = [a, b, c].flat().filter(each => each.kind === kind && each.id === id);
        expect(timeMs).toBe(Math.max(...times.map(each => each.timeMs)));
      }
    }),
  );
});

test('a later revocation, and one of another identity, is not included in an earlier one', () => {
  const sled: Revocation = { kind: 'sled', id: 'a', timeMs: 5 };
  expect(includesRevocations([sled], [{ ...sled, timeMs: 6 }])).toBe(false);
  expect(includesRevocations([sled], [{ ...sled, kind: 'nexus' }])).toBe(false);
});

test('beyond the bound what is known stays, the newest of the others are taken, and the rest is counted', () => {
  const known: Revocation = { kind: 'nexus', id: 'known', timeMs: 0 };
  const many = Array.from(
    { length: MAX_REVOCATIONS + 2 },
    (_, at): Revocation => ({
      kind: 'sled',
      id: String(at),
      timeMs: at,
    }),
  );
  const { list, refused } = addRevocations([known], many);
  expect(list.length).toBe(MAX_REVOCATIONS);
  expect(refused).toBe(3);
  expect(list).toContainEqual(known);
  expect(Math.min(...list.filter(({ kind }) => kind === 'sled').map(({ timeMs }) => timeMs))).toBe(3);
  const later = { ...known, timeMs: 9 };
  const again = addRevocations(list, [later]);
  expect(again.refused).toBe(0);
  expect(again.list).toContainEqual(later);
});
