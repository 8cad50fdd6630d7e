import { expect, test } from 'vitest';
import { type FleetModel, fill } from './model.ts';

const MIB = 1024 ** 2;
const model: FleetModel = {
  sleds: 8,
  sizes: [16, 8, 4, 2, 1, 1].map(mib => mib * MIB),
  bytesPerMs: 125_000,
  originFactor: 1,
  limits: { maxTransfers: 1_000, maxTransfersToSled: 1, maxCopiesFromSource: 1, maxPuts: 1, smallBytes: MIB },
  minSledReplication: 3,
  cutThrough: true,
  failingShare: 0,
  slowShare: 0,
  dyingShare: 0,
  seed: 1,
};
const releaseBytes = 32 * MIB;

test('a fleet receives everything once, never sooner than its links can, and sooner where sleds pass on what arrives', () => {
  const filled = fill(model);
  expect(filled.orders).toBe(48);
  expect(filled.originBytes / releaseBytes).toBeCloseTo(1, 3);
  expect(filled.makespanMs).toBeGreaterThan(releaseBytes / model.bytesPerMs);
  expect(filled.makespanMs).toBeLessThan(fill({ ...model, cutThrough: false }).makespanMs);
});

test('one slow sled does not make those slow that have begun to copy from it (G8, PL13)', () => {
  const slow = { ...model, bytesPerMs: 1_250, slowShare: 1 / 8 };
  for (let seed = 1; seed <= 10; seed += 1)
    expect(fill({ ...slow, seed }).makespanMs).toBeLessThan((8 * releaseBytes) / slow.bytesPerMs);
});

test('the same seed gives the same run, and another one another', () => {
  const run = (seed: number) => {
    const { stepMsMax: _, ...filled } = fill({ ...model, failingShare: 0.1, seed });
    return filled;
  };
  expect(run(3)).toEqual(run(3));
  expect(run(3)).not.toEqual(run(4));
});

test('orders that fail, slow sleds and sleds that die cost time, and the others receive everything', () => {
  const { makespanMs } = fill(model);
  for (const faults of [{ failingShare: 0.2 }, { slowShare: 0.2 }, { dyingShare: 0.2 }])
    expect(fill({ ...model, ...faults }).makespanMs).toBeGreaterThan(makespanMs);
});
