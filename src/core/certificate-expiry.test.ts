import fc from 'fast-check';
import { expect, test } from 'vitest';
import { certificateReasons } from './certificate-expiry.ts';
import { renderReason } from './facts/reason-text.ts';
import { worst } from './health.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 5, 1);
const inDays = (process: string, days: number) => ({ process, expiresMs: NOW_MS + days * DAY_MS });

test('a certificate is a reason two weeks before its end, and degrades the verdict three days before it', () => {
  const codes = (days: number) => certificateReasons([inDays('a', days)], NOW_MS).map(({ code }) => code);
  expect([15, 14, 4, 3, 1, 0, -1].map(codes)).toEqual([
    [],
    ['CERTIFICATE_EXPIRING'],
    ['CERTIFICATE_EXPIRING'],
    ['CERTIFICATE_EXPIRES_SOON'],
    ['CERTIFICATE_EXPIRES_SOON'],
    ['CERTIFICATE_EXPIRED'],
    ['CERTIFICATE_EXPIRED'],
  ]);
  expect(worst(certificateReasons([inDays('a', 10)], NOW_MS))).toBe('ok');
  expect(worst(certificateReasons([inDays('a', 2)], NOW_MS))).toBe('degraded');
  expect(worst(certificateReasons([inDays('a', -2)], NOW_MS))).toBe('degraded');
});

test('however many certificates expire, each stage is one reason, which counts them and names the first (CX1)', () => {
  const days = fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 50 });
  fc.assert(
    fc.property(days, all => {
      const certificates = all.map((each, n) => inDays(`process-${n}`, each));
      const reasons = certificateReasons(certificates, NOW_MS);
      expect(new Set(reasons.map(({ code }) => code)).size).toBe(reasons.length);
      const due = all.filter(each => each <= 14);
      const counted = reasons.reduce(
        (sum, reason) => sum + ('processes' in reason ? reason.processes : 0),
        0,
      );
      expect(counted).toBe(due.length);
      if (due.length > 0) expect(reasons[0]).toMatchObject({ expiresMs: NOW_MS + Math.min(...due) * DAY_MS });
    }),
  );
});

test('the text names the first process, its time, and how many others there are', () => {
  const [reason] = certificateReasons(
    [inDays('spiffe://f/sled/2', 2), inDays('spiffe://f/sled/1', 1)],
    NOW_MS,
  );
  expect(renderReason(reason!).message).toBe(
    'The certificate of spiffe://f/sled/1, and 1 other, expires soon: at 2026-06-02T00:00:00.000Z. Then it is out of the fleet.',
  );
});
