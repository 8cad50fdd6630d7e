import { expect, test } from 'vitest';
import { isRenewalDue, renewalFault } from './renewal-rules.ts';

const NOW = 1_000_000;
const from = (notBeforeMs: number, notAfterMs: number) => ({ notBeforeMs, notAfterMs });

test('a certificate that begins in the future here takes no place, however long it lasts (RNW1)', () => {
  expect(renewalFault(from(NOW + 1, NOW + 99), from(0, NOW + 10), NOW)).toMatch('begins in the future here');
  expect(renewalFault(from(NOW, NOW + 99), from(0, NOW + 10), NOW)).toBeUndefined();
});

test('one from the future gives its place to one that counts now and ends earlier; any other one does not (RNW2)', () => {
  const future = from(NOW + 500, NOW + 600);
  expect(isRenewalDue(future, { nowMs: NOW, belowMs: 0 })).toBe(true);
  expect(renewalFault(from(0, NOW + 10), future, NOW)).toBeUndefined();
  const present = from(0, NOW + 600);
  expect(isRenewalDue(present, { nowMs: NOW, belowMs: 0 })).toBe(false);
  expect(renewalFault(from(0, NOW + 10), present, NOW)).toMatch('does not last longer');
});

test('a clock that is behind the present certificate, as after a boot at 1970, judges no beginning: it is due, and any later one is taken (RNW1, RNW2)', () => {
  const present = from(NOW, NOW + 600);
  expect(isRenewalDue(present, { nowMs: 0, belowMs: 0 })).toBe(true);
  expect(renewalFault(from(NOW + 500, NOW + 1_100), present, 0)).toBeUndefined();
});

test('a certificate is due when less of its life is left than asked for', () => {
  expect(isRenewalDue(from(0, NOW + 10), { nowMs: NOW, belowMs: 10 })).toBe(false);
  expect(isRenewalDue(from(0, NOW + 10), { nowMs: NOW, belowMs: 11 })).toBe(true);
});
