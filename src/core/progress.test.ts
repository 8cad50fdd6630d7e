import { expect, test } from 'vitest';
import type { InventorySled } from './inventory.ts';
import { hash, listing, silentSled, sled, wantedOf } from './plan/fleet.fixture.ts';
import { copiesHeld, releaseProgress } from './progress.ts';

const wanted = wantedOf([[1, 2]]);
const release = wanted.releases[0]!;
const full = listing([
  [hash(1), 2],
  [hash(2), 2],
]);
const onOneDataset = listing([
  [hash(1), 2],
  [hash(2), 1],
]);
const half = listing([[hash(1), 2]]);
const progress = (sleds: readonly InventorySled[], min = 3) => releaseProgress(release, wanted, sleds, min);

test('safe when enough sleds hold all of it, complete when every sled does, on every dataset (S24)', () => {
  expect(progress([sled(1, full), sled(2, full), sled(3, half)])).toMatchObject({
    safe: false,
    complete: false,
  });
  expect(progress([sled(1, full), sled(2, full), sled(3, onOneDataset)])).toMatchObject({
    safe: true,
    complete: false,
  });
  expect(progress([1, 2, 3].map(n => sled(n, full)))).toMatchObject({ safe: true, complete: true });
  expect(progress([1, 2].map(n => sled(n, full)))).toMatchObject({ safe: false, complete: true });
});

test('the copies of an unreachable sled do not count, and it is not left out of the total (S24, S7)', () => {
  const sleds = [sled(1, full), sled(2, full), sled(3, full), silentSled(4)];
  expect(progress(sleds)).toMatchObject({
    safe: true,
    complete: false,
    sledsHoldingAll: 3,
    copiesHeld: 6,
    copiesWanted: 8,
  });
});

test('a release is not safe if each artifact is on enough sleds, but never all on one sled (PR1)', () => {
  const other = listing([[hash(2), 2]]);
  expect(progress([sled(1, half), sled(2, half), sled(3, other), sled(4, other)], 2).safe).toBe(false);
});

test('without a sled in service nothing is complete', () => {
  expect(progress([])).toMatchObject({ safe: false, complete: false });
});

test('progress counts copies on datasets, of wanted artifacts only (P6)', () => {
  const sleds = [sled(1, onOneDataset), sled(2, listing([[hash(9), 2]])), silentSled(3)];
  expect(copiesHeld(wanted, sleds)).toBe(3);
});
