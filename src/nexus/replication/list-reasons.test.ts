import { expect, test } from 'vitest';
import { renderReason } from '../../core/facts/reason-text.ts';
import { worst } from '../../core/health.ts';
import { DatasetId, LeaseId } from '../../core/ids.ts';
import { sledReport } from '../../core/sled-report.fixture.ts';
import type { SledReport } from '../../core/sled-report.ts';
import { fakeSled, hashOf } from '../sleds/fleet.fixture.ts';
import { listReasons } from './list-reasons.ts';

const TIME = '2026-01-01T00:00:00.000Z';
const wanted = new Set([hashOf(1), hashOf(2)]);

/** A sled with two datasets that lists what is given. */
const reasonsOf = (copies: Record<string, number>, extras: Partial<SledReport>) => {
  const { id, serial } = fakeSled(1).target;
  const held = new Map(Object.entries(copies).map(([n, count]) => [hashOf(Number(n)), count]));
  const answer = { kind: 'ok' as const, held, datasets: 2, copiesInFlight: new Set<never>() };
  return listReasons(
    { id, serial, answer: { ...answer, incarnationId: undefined }, report: sledReport(extras) },
    wanted,
  );
};

const bad = (n: number) => ({
  sha256: hashOf(n),
  datasetId: DatasetId.parse('00000000-0000-4000-8000-000000000001'),
  reason: `rot ${n}`,
  timeMs: Date.parse(TIME),
});

test('a leased artifact is named with its holder, and is no fault (B6)', () => {
  const leases = [
    {
      sha256: hashOf(9),
      id: LeaseId.parse('00000000-0000-4000-8000-000000000002'),
      holder: 'installer',
      termMs: 60_000,
      timeExpiresMs: Date.parse(TIME),
      remainingMs: 5_000,
    },
  ];
  const deferred = { sha256: hashOf(9), reason: `in use by installer, until ${TIME}`, leases };
  const reasons = reasonsOf({}, { deletionsDeferred: [deferred] });
  expect(reasons).toMatchObject([
    {
      code: 'DELETION_DEFERRED',
      sha256: hashOf(9),
      serial: 'sled-1',
      artifacts: 1,
      why: `in use by installer, until ${TIME}`,
    },
  ]);
  expect(worst(reasons)).toBe('ok');
});

test('deletions beyond the limit are a fault with their number, bytes and time; those that only wait are none (T4)', () => {
  const first = [
    { sha256: hashOf(8), sizeBytes: 5, remainingMs: 7_200_000.4 },
    { sha256: hashOf(9), sizeBytes: 6, remainingMs: 9_000_000 },
  ];
  const kept = { artifacts: 2, sizeBytes: 11, first };
  const reasons = reasonsOf({}, { deletionsLimited: kept, deletionsWaiting: kept });
  expect(reasons).toMatchObject([
    { code: 'DELETION_LIMITED', serial: 'sled-1', artifacts: 2, sizeBytes: 11, remainingMs: 7_200_000 },
  ]);
  expect(worst(reasons)).toBe('degraded');
  const [reason] = reasons;
  expect(reason && renderReason(reason)).toMatchObject({
    message: expect.stringContaining('in 2 hours'),
    remedy: expect.stringContaining('allow-deletion'),
  });
});

test('a copy that went bad is a fault until the artifact is on every dataset again, then it is evidence (B11)', () => {
  const onOne = reasonsOf({ 1: 1, 2: 2 }, { quarantined: [bad(1)] });
  expect(onOne).toMatchObject([
    { code: 'COPY_QUARANTINED', sha256: hashOf(1), copies: 1, why: 'rot 1', sinceMs: Date.parse(TIME) },
  ]);
  expect(worst(onOne)).toBe('degraded');
  expect(worst(reasonsOf({ 2: 2 }, { quarantined: [bad(1)] })), 'on none').toBe('degraded');
  const again = reasonsOf({ 1: 2, 2: 2 }, { quarantined: [bad(1)] });
  expect(again).toMatchObject([{ code: 'COPY_REPLACED', sha256: hashOf(1) }]);
  expect(worst(again)).toBe('ok');
  expect(worst(reasonsOf({}, { quarantined: [bad(7)] })), 'unwanted').toBe('ok');
});

test('both are reported together, each with its number (B11)', () => {
  const reasons = reasonsOf({ 1: 2, 2: 1 }, { quarantined: [bad(1), bad(2), bad(2)] });
  expect(reasons).toMatchObject([
    { code: 'COPY_QUARANTINED', copies: 2 },
    { code: 'COPY_REPLACED', copies: 1 },
  ]);
});
