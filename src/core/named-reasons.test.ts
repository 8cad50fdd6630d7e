import { expect, test } from 'vitest';
import type { HealthReason } from './facts/reason.ts';
import { SledId } from './ids.ts';
import { nameReasons } from './named-reasons.ts';

const sledId = (n: number) => SledId.parse(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);

const unreachable = (count: number): HealthReason[] =>
  Array.from({ length: count }, (_, n) => ({
    code: 'SLED_UNREACHABLE',
    ...{ sledId: sledId(n), serial: `sled-${n}`, sinceMs: 0, error: 'silent', errorCode: 'PEER_STALLED' },
  }));
const deferred = (count: number): HealthReason[] =>
  Array.from({ length: count }, (_, n) => ({
    code: 'DELETION_WAITING',
    ...{ sledId: sledId(n), serial: `sled-${n}`, artifacts: 1, sizeBytes: 1, remainingMs: 1 },
  })) as never;
const paused: HealthReason = { code: 'REPLICATION_PAUSED' };

test('a few reasons are all named, as they are', () => {
  const reasons = [...unreachable(3), paused];
  expect(nameReasons(reasons)).toEqual({
    named: reasons,
    totals: [
      { code: 'SLED_UNREACHABLE', total: 3 },
      { code: 'REPLICATION_PAUSED', total: 1 },
    ],
  });
});

test('of ten thousand sleds that cannot be reached some are named, all are counted, and no other code is crowded out (NR1, NR2, NR3)', () => {
  const { named, totals } = nameReasons([...unreachable(10_000), paused]);
  expect(named.map(({ code }) => code)).toEqual([...unreachable(20), paused].map(({ code }) => code));
  expect(totals[0]).toEqual({ code: 'SLED_UNREACHABLE', total: 10_000 });
});

test('with too many in all, each code has its first, and the worst codes have more (NR2)', () => {
  const { named } = nameReasons([...deferred(9), ...unreachable(9), paused], 6);
  const count = (code: string) => named.filter(each => each.code === code).length;
  expect([count('REPLICATION_PAUSED'), count('SLED_UNREACHABLE'), count('DELETION_WAITING')]).toEqual([
    1, 3, 2,
  ]);
});
