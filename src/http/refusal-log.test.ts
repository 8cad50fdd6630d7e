import { expect, test } from 'vitest';
import type { RefusedRequest } from '../core/facts/refusal.ts';
import { createRefusalLog } from './refusal-log.ts';

const MINUTE_MS = 60_000;
const from = (why: RefusedRequest['why'], address: string): RefusedRequest => ({
  why,
  address,
  network: address,
  request: 'GET /artifacts',
});

test('each cause of refusals is logged at most once a minute, with the number of them (RFL1)', () => {
  const lines: unknown[] = [];
  let nowMs = 5;
  const note = createRefusalLog(
    { warn: (facts: object) => void lines.push(facts) },
    { monotonicMs: () => nowMs },
  );
  for (let n = 1; n <= 100; n += 1) note(from('no_certificate', `192.0.2.${n}`));
  note(from('host_not_served', '192.0.2.200'));
  const line = { request: 'GET /artifacts' };
  expect(lines.splice(0)).toEqual([
    { ...line, why: 'no_certificate', address: '192.0.2.1', times: 1 },
    { ...line, why: 'host_not_served', address: '192.0.2.200', times: 1 },
  ]);
  nowMs += MINUTE_MS - 1;
  note(from('no_certificate', '192.0.2.101'));
  expect(lines).toEqual([]);
  nowMs += 1;
  note(from('no_certificate', '192.0.2.102'));
  expect(lines).toEqual([{ ...line, why: 'no_certificate', address: '192.0.2.102', times: 101 }]);
});
