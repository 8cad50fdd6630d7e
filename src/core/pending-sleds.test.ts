import { expect, test } from 'vitest';
import { asGeneration, SledId } from './ids.ts';
import { PENDING_KEPT_MS } from './pending-joins.ts';
import { createPendingSleds, MAX_PENDING_SLEDS } from './pending-sleds.ts';

const sled = (n: number, address = '[::1]:1') => ({
  sledId: SledId.parse(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`),
  ...{ serial: `sled-${n}`, address, publicKeySha256: 'a'.repeat(64), generation: asGeneration(7) },
});

test('a sled is listed once while it asks, with its last address, and is gone when it registers or asks no longer (PES2)', () => {
  const pending = createPendingSleds();
  pending.asked(sled(1), 0);
  pending.asked(sled(2), 5);
  pending.asked(sled(1, '[::1]:2'), PENDING_KEPT_MS);
  expect(pending.list(PENDING_KEPT_MS + 5)).toEqual([
    { ...sled(1, '[::1]:2'), firstAskedMs: 0, lastAskedMs: PENDING_KEPT_MS },
    { ...sled(2), firstAskedMs: 5, lastAskedMs: 5 },
  ]);
  expect(pending.list(PENDING_KEPT_MS + 6).map(({ serial }) => serial)).toEqual(['sled-1']);
  pending.remove(sled(1).sledId);
  expect(pending.list(PENDING_KEPT_MS + 6)).toEqual([]);
});

test('the list is bounded, and who is listed stays (PES1)', () => {
  const pending = createPendingSleds();
  for (let n = 0; n <= MAX_PENDING_SLEDS; n += 1) pending.asked(sled(n), n);
  const ids = pending.list(MAX_PENDING_SLEDS).map(({ serial }) => serial);
  expect([ids.length, ids[0], ids.at(-1)]).toEqual([
    MAX_PENDING_SLEDS,
    'sled-0',
    `sled-${MAX_PENDING_SLEDS - 1}`,
  ]);
});
