import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPlaces, isPlace, type Member, type Place, strangerOf } from './places.ts';

const known = () => new Set(['10.0.0.1', 'fd00::1']);
const limits = { total: 6, perPeer: 2, kept: 2 };

test('a stranger has its own bound, strangers together leave places free, and known peers take them (PLC1, PLC2)', () => {
  const places = createPlaces(limits, known);
  const take = (address: string) => {
    const taken = places.take(address);
    return isPlace(taken) ? 'taken' : taken.because;
  };
  expect(['10.0.0.7', '10.0.0.7', '10.0.0.7'].map(take)).toEqual(['taken', 'taken', 'peer']);
  expect(['10.0.0.8', '::ffff:10.0.0.8', '10.0.0.8'].map(take)).toEqual(['taken', 'taken', 'peer']);
  expect(take('10.0.0.9')).toBe('strangers');
  expect(['10.0.0.1', '::ffff:10.0.0.1', 'fd00:0::1'].map(take)).toEqual(['taken', 'taken', 'all']);
});

const member = (name: string, options: { isBounded: boolean; mayTakeKept: boolean }): Member => ({
  name,
  ...options,
});

test('one known address leaves what is kept to the others (PLC1)', () => {
  const places = createPlaces(limits, known);
  const take = (address: string) => {
    const taken = places.take(address);
    return isPlace(taken) ? 'taken' : taken.because;
  };
  expect(Array(5).fill('10.0.0.1').map(take)).toEqual([...Array(4).fill('taken'), 'peer']);
  expect(take('fd00::1')).toBe('taken');
});

test('a sled counts under its name, and takes kept places only where the server keeps them for it; a Nexus has no bound (PLC1, PLC2)', () => {
  const takes = (options: { isBounded: boolean; mayTakeKept: boolean }, names: readonly string[]) => {
    const places = createPlaces(limits, known);
    return names.map(name => {
      const taken = places.take(member(name, options));
      return isPlace(taken) ? 'taken' : taken.because;
    });
  };
  const sleds = ['a', 'a', 'a', 'b', 'b', 'c', 'c'];
  expect(takes({ isBounded: true, mayTakeKept: true }, sleds)).toEqual([
    'taken',
    'taken',
    'peer',
    'taken',
    'taken',
    'taken',
    'taken',
  ]);
  expect(takes({ isBounded: true, mayTakeKept: false }, sleds)).toEqual([
    'taken',
    'taken',
    'peer',
    'taken',
    'taken',
    'strangers',
    'strangers',
  ]);
  const nexus = takes({ isBounded: false, mayTakeKept: true }, Array(7).fill('n'));
  expect(nexus).toEqual([...Array(6).fill('taken'), 'all']);
});

test('a place is free again once it is given back, however often it is given back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ peer: fc.integer({ min: 0, max: 4 }), gives: fc.boolean() }), { maxLength: 60 }),
      steps => {
        const places = createPlaces(limits, known);
        const held: Place[] = [];
        for (const { peer, gives } of steps) {
          const given = gives ? held.shift() : undefined;
          given?.[Symbol.dispose]();
          given?.[Symbol.dispose]();
          const taken = gives ? undefined : places.take(`10.0.0.${peer}`);
          if (taken !== undefined && isPlace(taken)) held.push(taken);
          const strangers = held.filter(each => !each.isKnown);
          expect(places.taken()).toBe(held.length);
          expect(held.length).toBeLessThanOrEqual(limits.total);
          expect(strangers.length).toBeLessThanOrEqual(limits.total - limits.kept);
          for (const { peer: one } of strangers)
            expect(strangers.filter(each => each.peer === one).length).toBeLessThanOrEqual(limits.perPeer);
        }
        for (const each of held) each[Symbol.dispose]();
        expect(isPlace(places.take('10.0.0.9'))).toBe(true);
      },
    ),
  );
});

test('the addresses that one machine may choose by itself are one peer', () => {
  expect(strangerOf('2001:db8:1:2::5')).toBe(strangerOf('2001:db8:1:2:ffff::9'));
  expect(strangerOf('2001:db8:1:2::5')).not.toBe(strangerOf('2001:db8:1:3::5'));
  expect(strangerOf('::ffff:10.0.0.8')).toBe('10.0.0.8');
  expect(strangerOf('::1')).toBe('::1');
  expect(strangerOf('127.0.0.1')).not.toBe(strangerOf('127.0.0.2'));
});
