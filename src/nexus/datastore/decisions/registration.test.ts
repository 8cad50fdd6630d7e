import { expect, test } from 'vitest';
import { asGeneration, SledId } from '../../../core/ids.ts';
import { registration } from '../conformance/records.fixture.ts';
import { admitRegistration, requireForgettable } from './registration.ts';

const MINUTE_MS = 60_000;
const id = SledId.parse('00000000-0000-4000-8000-000000000001');
const admit = (generation: number, registeredAgoMs: number) =>
  admitRegistration(
    id,
    { policy: 'in_service', generation: asGeneration(5), registeredAgoMs },
    registration({ generation: asGeneration(generation) }),
  );

test('a registration with an older generation is ignored while the recorded one is repeated, and taken when it is not any more (RI1, S14)', () => {
  expect(admit(4, 0)).toBe('stale');
  expect(admit(4, 10 * MINUTE_MS)).toBe('stale');
  expect(admit(4, 10 * MINUTE_MS + 1)).toBe('record');
  expect(admit(5, 0)).toBe('record');
  expect(admit(6, 0)).toBe('record');
});

test('an expunged sled is forgotten once no certificate of it can be valid, counted from its expunge or its last registration (RI2)', () => {
  const DAY_MS = 24 * 60 * MINUTE_MS;
  const forget = (nowMs: number, certificateLifeMs: number, timeExpungedMs: number | undefined = DAY_MS) =>
    requireForgettable(
      id,
      { policy: 'expunged', timeLastRegisteredMs: 2 * DAY_MS, timeExpungedMs },
      { certificateLifeMs },
      { nowMs, repeated: false },
    );
  const valid = { code: 'SLED_CERTIFICATE_VALID' };
  expect(() => forget(32 * DAY_MS - 1, 30 * DAY_MS)).toThrow(expect.objectContaining(valid));
  expect(forget(32 * DAY_MS, 30 * DAY_MS)).toBe(true);
  expect(() => forget(32 * DAY_MS, 30 * DAY_MS, 3 * DAY_MS)).toThrow(expect.objectContaining(valid));
  expect(forget(33 * DAY_MS, 30 * DAY_MS, 3 * DAY_MS)).toBe(true);
  expect(forget(2 * DAY_MS, 0), 'without identities').toBe(true);
});
