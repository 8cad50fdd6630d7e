import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  allowed,
  counted,
  type DeletionRecord,
  type DeletionRules,
  gone,
  judged,
  NO_DELETIONS,
  observed,
  takenBack,
} from './deletion.ts';
import { ArtifactHash } from './ids.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const RULES: DeletionRules = { waitMs: 10 * MINUTE_MS, limitPercent: 50, limitWaitMs: 7 * DAY_MS };

const hashOf = (n: number): ArtifactHash => ArtifactHash.parse(n.toString(16).padStart(64, '0'));
const sizesOf = (artifacts: Readonly<Record<number, number>>) =>
  new Map(Object.entries(artifacts).map(([n, sizeBytes]) => [hashOf(Number(n)), sizeBytes]));
const sumOf = (sizes: ReadonlyMap<ArtifactHash, number>) => [...sizes.values()].reduce((a, b) => a + b, 0);

type Look = { record?: DeletionRecord; kept?: readonly number[]; isComplete?: boolean };

/** After a look of a sled that holds `wanted`, and `unwanted`, which may be deleted. */
const look = (
  clockMs: number,
  wanted: Readonly<Record<number, number>>,
  unwanted: Readonly<Record<number, number>>,
  { record = NO_DELETIONS, kept = [], isComplete = true }: Look = {},
): DeletionRecord =>
  observed(record, clockMs, {
    heldBytes: sumOf(sizesOf(wanted)) + sumOf(sizesOf(unwanted)),
    deletable: sizesOf(unwanted),
    kept: new Set(kept.map(hashOf)),
    isComplete,
  });
const due = (record: DeletionRecord, clockMs: number, rules = RULES) =>
  judged(record, clockMs, rules).flatMap(({ sha256, remainingMs }) => (remainingMs === 0 ? [sha256] : []));

test('an artifact that no config lists is due after its wait, counted from the first look at it (WT1)', () => {
  const record = look(5, { 1: 100 }, { 2: 10 });
  expect(judged(record, 5, RULES)).toMatchObject([{ sha256: hashOf(2), remainingMs: 10 * MINUTE_MS }]);
  expect(due(record, 5 + 10 * MINUTE_MS - 1)).toEqual([]);
  const again = look(9 * MINUTE_MS, { 1: 100 }, { 2: 10 }, { record });
  expect(due(again, 5 + 10 * MINUTE_MS)).toEqual([hashOf(2)]);
});

test('an artifact that is listed again is taken back, and a later wait begins at zero (WT1)', () => {
  const record = takenBack(look(0, { 1: 100 }, { 2: 10, 3: 10 }), new Set([hashOf(2)]));
  expect([...record.pending.keys()]).toEqual([hashOf(3)]);
  const again = look(9 * MINUTE_MS, { 1: 100 }, { 2: 10, 3: 10 }, { record });
  expect(due(again, 11 * MINUTE_MS)).toEqual([hashOf(3)]);
});

test('what something else keeps does not wait, and neither does what is gone; what one dataset may hide goes on waiting', () => {
  const record = look(0, { 1: 100 }, { 2: 10, 3: 10, 4: 10 });
  const after = (options: Look) => [...look(1, { 1: 100 }, { 4: 10 }, { record, ...options }).pending.keys()];
  expect(after({ kept: [2] })).toEqual([hashOf(4)]);
  expect(after({ kept: [2], isComplete: false })).toEqual([hashOf(3), hashOf(4)]);
});

test('exactly the share may be deleted, and with one byte more nothing is, for the long wait (WT2)', () => {
  const [half, more] = [look(0, { 1: 10 }, { 2: 10 }), look(0, { 1: 10 }, { 2: 10, 3: 1 })];
  expect(due(half, RULES.waitMs)).toEqual([hashOf(2)]);
  expect(due(more, RULES.waitMs)).toEqual([]);
  expect(judged(more, 0, RULES)).toMatchObject([
    { isLimited: true, isEvictable: false, remainingMs: RULES.limitWaitMs },
    { isLimited: true },
  ]);
  expect(due(more, RULES.limitWaitMs)).toEqual([hashOf(2), hashOf(3)]);
});

test('what was deleted within a day counts, and a day later it does not (WT2)', () => {
  const first = look(0, { 1: 10, 2: 10, 3: 10 }, { 4: 10 });
  const deleted = gone(counted(first, RULES.waitMs, RULES, new Set([hashOf(4)])), new Set([hashOf(4)]));
  const second = look(HOUR_MS, { 2: 10, 3: 10 }, { 1: 10 }, { record: deleted });
  expect(judged(second, HOUR_MS, RULES)).toMatchObject([{ isLimited: false }]);
  const twice = gone(counted(second, 2 * HOUR_MS, RULES, new Set([hashOf(1)])), new Set([hashOf(1)]));
  const third = (clockMs: number) =>
    judged(look(clockMs, { 3: 10 }, { 2: 10 }, { record: twice }), clockMs, RULES);
  expect(third(3 * HOUR_MS)).toMatchObject([{ isLimited: true }]);
  expect(third(2 * HOUR_MS + DAY_MS - 1)).toMatchObject([{ isLimited: true }]);
  expect(third(4 * HOUR_MS + DAY_MS)).toMatchObject([{ isLimited: false }]);
});

test('bytes that were counted before a crash are not counted again (WT2)', () => {
  const before = counted(look(0, { 1: 10 }, { 2: 10 }), RULES.waitMs, RULES, new Set([hashOf(2)]));
  const after = look(RULES.waitMs, { 1: 10 }, { 2: 10 }, { record: before });
  expect(due(after, RULES.waitMs)).toEqual([hashOf(2)]);
  expect(counted(after, RULES.waitMs, RULES, new Set([hashOf(2)])).hours).toEqual(after.hours);
});

test('what a person allowed is due at once, and takes nothing from the limit of the others (WT3)', () => {
  const record = allowed(look(0, { 1: 10 }, { 2: 50, 3: 5 }), [{ sha256: hashOf(2), sinceMs: 0 }]);
  expect(due(record, 1)).toEqual([hashOf(2)]);
  expect(judged(record, 1, RULES)).toMatchObject([{ isLimited: false }, { isLimited: false }]);
  expect(counted(record, 1, RULES, new Set([hashOf(2)])).hours.at(-1)?.deletedBytes).toBe(0);
});

test('what a person allowed is one wait: the next wait of the same artifact is not allowed by it (WT3)', () => {
  const record = look(5, { 1: 10 }, { 2: 50 });
  expect(due(allowed(record, [{ sha256: hashOf(2), sinceMs: 4 }]), 5)).toEqual([]);
  expect(due(allowed(record, [{ sha256: hashOf(2), sinceMs: 5 }]), 5)).toEqual([hashOf(2)]);
});

test('half of the wait is enough where room is needed, but not beyond the limit (WT4)', () => {
  const isEvictable = (record: DeletionRecord, clockMs: number) =>
    judged(record, clockMs, RULES).map(each => each.isEvictable);
  expect(isEvictable(look(0, { 1: 10 }, { 2: 10 }), RULES.waitMs / 2 - 1)).toEqual([false]);
  expect(isEvictable(look(0, { 1: 10 }, { 2: 10 }), RULES.waitMs / 2)).toEqual([true]);
  expect(isEvictable(look(0, { 1: 10 }, { 2: 11 }), 6 * DAY_MS)).toEqual([false]);
});

test('without a wait and without a limit everything is due at once', () => {
  const rules = { waitMs: 0, limitPercent: 100, limitWaitMs: 0 };
  const record = look(0, {}, { 1: 10, 2: 0 });
  expect(due(record, 0, rules)).toEqual([hashOf(1), hashOf(2)]);
});

type Life = readonly {
  readonly listed: readonly number[];
  readonly afterMs: number;
  readonly isNeeded: boolean;
}[];

/** A life of a sled: what it lists of ten artifacts, and how long until the next look. */
const arbLife: fc.Arbitrary<Life> = fc.array(
  fc.record({
    listed: fc.subarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    afterMs: fc.oneof(fc.nat(20 * MINUTE_MS), fc.nat(3 * DAY_MS)),
    isNeeded: fc.boolean(),
  }),
  { maxLength: 40 },
);
const SIZES = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34];
type Deleted = { readonly n: number; readonly atMs: number; readonly unlistedMs: number };

/** Lives it, and returns what was deleted, and the most bytes held at each time. */
const live = (life: Life) => {
  let clockMs = 0;
  let record = NO_DELETIONS;
  const held = new Set<number>();
  const unlistedSince = new Map<number, number>();
  const deleted: Deleted[] = [];
  const peaks: { atMs: number; bytes: number }[] = [];
  for (const { listed, afterMs, isNeeded } of life) {
    record = takenBack(record, new Set(listed.map(hashOf)));
    for (const n of listed) {
      held.add(n);
      unlistedSince.delete(n);
    }
    const unlisted = [...held].filter(n => !listed.includes(n));
    for (const n of unlisted) if (!unlistedSince.has(n)) unlistedSince.set(n, clockMs);
    const bytes = [...held].reduce((sum, n) => sum + (SIZES[n] ?? 0), 0);
    peaks.push({ atMs: clockMs, bytes });
    const sizes = Object.fromEntries(unlisted.map(n => [n, SIZES[n] ?? 0]));
    record = look(clockMs, { 99: bytes - sumOf(sizesOf(sizes)) }, sizes, { record });
    const going = judged(record, clockMs, RULES).filter(
      ({ remainingMs, isEvictable }) => remainingMs === 0 || (isNeeded && isEvictable),
    );
    const hashes = new Set(going.map(({ sha256 }) => sha256));
    record = gone(counted(record, clockMs, RULES, hashes), hashes);
    for (const n of unlisted) {
      if (!hashes.has(hashOf(n))) continue;
      held.delete(n);
      deleted.push({ n, atMs: clockMs, unlistedMs: clockMs - (unlistedSince.get(n) ?? 0) });
      unlistedSince.delete(n);
    }
    clockMs += afterMs;
  }
  return { deleted, peaks, clockMs, record };
};

test('nothing is deleted before half of its wait, and within a day no more than the share of the most bytes held (T4)', () => {
  fc.assert(
    fc.property(arbLife, life => {
      const { deleted, peaks } = live(life);
      for (const { unlistedMs } of deleted) expect(unlistedMs).toBeGreaterThanOrEqual(RULES.waitMs / 2);
      for (const { atMs } of deleted) {
        const within = deleted.filter(
          each => each.atMs <= atMs && each.atMs > atMs - DAY_MS && each.unlistedMs < RULES.limitWaitMs,
        );
        const bytes = within.reduce((sum, { n }) => sum + (SIZES[n] ?? 0), 0);
        // Whole hours: the most bytes held are remembered for up to an hour longer.
        const day = peaks.filter(peak => peak.atMs <= atMs && peak.atMs > atMs - DAY_MS - HOUR_MS);
        expect(2 * bytes).toBeLessThanOrEqual(Math.max(0, ...day.map(peak => peak.bytes)));
      }
    }),
    { numRuns: 500 },
  );
});

test('whatever happened before, everything that is listed no more is deleted within the long wait (G3)', () => {
  fc.assert(
    fc.property(arbLife, life => {
      const rest = [
        { listed: [], afterMs: RULES.limitWaitMs, isNeeded: false },
        { listed: [], afterMs: 0, isNeeded: false },
      ];
      const { record, deleted, peaks } = live([...life, ...rest]);
      expect(record.pending.size).toBe(0);
      expect(peaks.at(-1)?.bytes).toBe(
        deleted
          .filter(({ atMs }) => atMs === peaks.at(-1)?.atMs)
          .reduce((sum, { n }) => sum + (SIZES[n] ?? 0), 0),
      );
    }),
  );
});

test('what is remembered does not grow with time', () => {
  fc.assert(
    fc.property(arbLife, life => {
      expect(live(life).record.hours.length).toBeLessThanOrEqual(25);
    }),
  );
});
