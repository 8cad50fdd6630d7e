import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createPendingJoins,
  MAX_PENDING_JOINS,
  MAX_PENDING_OF_NETWORK,
  PENDING_KEPT_MS,
} from './pending-joins.ts';

const from = (key: string, network = 'home') => ({ key, address: `${network}.1`, network });

test('however many keys strangers make, a machine that goes on asking stays listed, and the list has its places (PEJ1, PEJ2)', () => {
  const arbAsked = fc.tuple(fc.nat(2_000), fc.nat(80), fc.nat(PENDING_KEPT_MS));
  fc.assert(
    fc.property(fc.array(arbAsked, { maxLength: 600 }), asked => {
      const joins = createPendingJoins();
      let nowMs = 0;
      expect(joins.asked(from('mine'), nowMs)).toBe(true);
      for (const [key, network, laterMs] of asked) {
        joins.asked(from(`${key}`, `${network}`), nowMs);
        nowMs += laterMs;
        expect(joins.asked(from('mine'), nowMs)).toBe(true);
        const list = joins.list(nowMs);
        expect(list.length).toBeLessThanOrEqual(MAX_PENDING_JOINS);
        const addresses = Map.groupBy(list, ({ address }) => address);
        for (const of of addresses.values()) expect(of.length).toBeLessThanOrEqual(MAX_PENDING_OF_NETWORK);
        expect(list[0]).toMatchObject({ key: 'mine', firstAskedMs: 0, lastAskedMs: nowMs });
      }
    }),
    { numRuns: 20 },
  );
});

test('one network takes a few places, and all of them together no more than there are (PEJ1)', () => {
  const joins = createPendingJoins();
  const ask = (network: string, count: number) =>
    Array.from({ length: count }, (_, n) => joins.asked(from(`${network} ${n}`, network), 0)).filter(Boolean)
      .length;
  expect(ask('one', 100)).toBe(MAX_PENDING_OF_NETWORK);
  for (let n = 0; n < 100; n += 1) ask(`network ${n}`, 100);
  expect(joins.list(0)).toHaveLength(MAX_PENDING_JOINS);
  expect(ask('late', 1), 'there is no room').toBe(0);
  joins.remove('one 0');
  expect(ask('late', 1)).toBe(1);
});

test('a machine that stopped to ask is not listed any more (PEJ2)', () => {
  const joins = createPendingJoins();
  joins.asked(from('gone'), 0);
  joins.asked(from('here'), PENDING_KEPT_MS);
  expect(joins.list(PENDING_KEPT_MS).map(({ key }) => key)).toEqual(['gone', 'here']);
  expect(joins.list(PENDING_KEPT_MS + 1).map(({ key }) => key)).toEqual(['here']);
});
