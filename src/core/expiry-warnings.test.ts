import { expect, test } from 'vitest';
import { expiryReasons, expiryWarning } from './expiry-warnings.ts';
import { worst } from './health.ts';
import { SystemVersion, TrustRootId } from './ids.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 0, 1);

test('a warning comes at 30, 14, 7 and 1 days, and once it is over (EW1)', () => {
  const warned = (days: number) => {
    const warning = expiryWarning(NOW + days * DAY, NOW);
    return warning?.kind === 'expiring' ? warning.withinDays : warning?.kind;
  };
  expect([31, 30, 15, 14, 8, 7, 2, 1, 0.1, 0, -5].map(warned)).toEqual([
    ...[undefined, 30, 30, 14, 14, 7, 7, 1, 1],
    ...['expired', 'expired'],
  ]);
  expect(expiryWarning(NOW + 30 * DAY + 1, NOW)).toBeUndefined();
});

const ROOT = TrustRootId.parse('00000000-0000-4000-8000-0000000000cc');
const root = (days: number) => [{ id: ROOT, version: 3, expiresMs: NOW + days * DAY }];
const release = (days: number) => [
  {
    systemVersion: SystemVersion.parse('1.0.0'),
    roles: [
      { role: 'targets', version: 1, expiresMs: NOW + (days + 5) * DAY },
      { role: 'timestamp', version: 1, expiresMs: NOW + days * DAY },
      { role: 'root', version: 1, expiresMs: NOW - DAY },
    ] as const,
  },
];

test('a root that expires soon degrades the verdict, the metadata of a release never does (EW2)', () => {
  const verdicts = [40, 30, 14, 7, 1, -1].map(days => worst(expiryReasons([], root(days), NOW)));
  expect(verdicts).toEqual(['ok', 'ok', 'ok', 'degraded', 'degraded', 'degraded']);
  for (const days of [40, 7, -1]) expect(worst(expiryReasons(release(days), [], NOW))).toBe('ok');
});

test('one reason for each release, which names the role that expires first (HE2)', () => {
  expect(expiryReasons(release(40), root(40), NOW)).toEqual([]);
  expect(expiryReasons(release(10), root(10), NOW)).toMatchObject([
    { code: 'ROOT_EXPIRING', trustRootId: ROOT, rootVersion: 3, withinDays: 14 },
    { code: 'METADATA_EXPIRING', systemVersion: '1.0.0', role: 'timestamp', withinDays: 14 },
  ]);
  expect(expiryReasons(release(-1), root(-1), NOW)).toMatchObject([
    { code: 'ROOT_EXPIRED', trustRootId: ROOT, rootVersion: 3, sinceMs: NOW - DAY },
    { code: 'METADATA_EXPIRED', systemVersion: '1.0.0', role: 'timestamp', sinceMs: NOW - DAY },
  ]);
});
