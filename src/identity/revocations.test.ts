import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MAX_REVOCATIONS, type Revocation } from '../core/revocation.ts';
import { DepotError } from '../lib/errors.ts';
import { CLOCK_TOLERANCE_MS } from './clock-tolerance.ts';
import type { PeerIdentity } from './peer-identity.ts';
import { createRevocations, openRevocations } from './revocations.ts';

const NOW = Date.UTC(2026, 0, 2);
const identity: PeerIdentity = {
  fleet: 'test.example',
  kind: 'sled',
  id: '11111111-1111-4111-8111-111111111111',
};
const { fleet: _, ...named } = identity;
const revoked = (timeMs: number): Revocation => ({ ...named, timeMs });

const remembering = (save: (list: readonly Revocation[]) => Promise<void> = async () => undefined) =>
  createRevocations({ known: [], save, nowMs: () => NOW });

test('a certificate that began no later than the revocation does not count, and a newer one does (RVK1, T1c)', async () => {
  const revocations = remembering();
  expect(revocations.fault(identity, NOW)).toBeUndefined();
  await revocations.add([revoked(NOW)]);
  expect(revocations.fault(identity, NOW)).toContain(
    'when sled/11111111-1111-4111-8111-111111111111 was revoked',
  );
  expect(revocations.fault(identity, NOW - 1)).toBeDefined();
  expect(revocations.fault(identity, NOW + 1)).toBeUndefined();
  expect(revocations.fault({ ...identity, kind: 'nexus' }, NOW)).toBeUndefined();
});

test('an earlier time takes nothing back, and listeners hear of changes alone (RVK2)', async () => {
  const revocations = remembering();
  let changes = 0;
  const listener = revocations.onChange(() => {
    changes += 1;
  });
  await revocations.add([revoked(NOW)]);
  await revocations.add([revoked(NOW - 5)]);
  await revocations.add([]);
  expect(revocations.list()).toEqual([revoked(NOW)]);
  expect(changes).toBe(1);
  listener[Symbol.dispose]();
  await revocations.add([revoked(NOW + 1)]);
  expect(changes).toBe(1);
});

test('one that cannot be written counts at once, fails, and is written with the next (RVK3)', async () => {
  const written: (readonly Revocation[])[] = [];
  let isFull = true;
  const revocations = remembering(async list => {
    if (isFull) throw new DepotError('NO_SPACE', 'the disk is full');
    written.push(list);
  });
  await expect(revocations.add([revoked(NOW)])).rejects.toMatchObject({ code: 'NO_SPACE' });
  expect(revocations.fault(identity, NOW)).toBeDefined();
  isFull = false;
  await revocations.add([revoked(NOW)]);
  await revocations.add([revoked(NOW)]);
  expect(written).toEqual([[revoked(NOW)]]);
});

test('a time in the future is cut to what clocks may differ by, and refused as well (RVK4)', async () => {
  const revocations = remembering();
  await expect(revocations.add([revoked(NOW + 365 * 86_400_000)])).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: expect.stringContaining('compare the clocks'),
  });
  expect(revocations.timeOf(identity)).toBe(NOW + CLOCK_TOLERANCE_MS);
  expect(revocations.fault(identity, NOW + CLOCK_TOLERANCE_MS + 1)).toBeUndefined();
});

test('a list that is full forgets nothing, and says what finds no room (RVK5)', async () => {
  const revocations = remembering();
  await revocations.add([revoked(0)]);
  const flood = Array.from({ length: MAX_REVOCATIONS }, (_, at) => ({ ...revoked(NOW), id: String(at) }));
  await expect(revocations.add(flood)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: expect.stringMatching(/^1 revoked identities find no room/),
  });
  expect(revocations.timeOf(identity)).toBe(0);
});

test('the list lies beside the certificate, and a process that starts again reads it (RVK2)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'revocations-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const open = () => openRevocations(join(directory, 'certificate.pem'), { nowMs: () => NOW });
  await (await open()).add([revoked(NOW)]);
  expect((await open()).list()).toEqual([revoked(NOW)]);
  const file = join(directory, 'revoked.json');
  const whole = await readFile(file, 'utf8');
  for (const damaged of [whole.slice(0, -3), '{}', whole.replace('sled', 'moon')]) {
    await writeFile(file, damaged);
    await expect(open()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`${file} is not a list of revoked identities; move it away`),
    });
  }
});

test('a statement of an admin undoes the revocations up to its time, and no later one (RVK6)', async () => {
  const restoredAtMs = NOW - 10;
  const revocations = createRevocations({
    known: [],
    save: async () => undefined,
    nowMs: () => NOW,
    restoredMs: ({ kind }) => (kind === identity.kind ? restoredAtMs : undefined),
  });
  await revocations.add([revoked(NOW - 20), { kind: 'nexus', id: identity.id, timeMs: NOW - 20 }]);
  expect(revocations.fault(identity, NOW - 30)).toBeUndefined();
  expect(revocations.timeOf(identity)).toBeUndefined();
  expect(revocations.fault({ ...identity, kind: 'nexus' }, NOW - 30)).toBeDefined();
  expect(revocations.list()).toHaveLength(2);
  await revocations.add([revoked(NOW - 5)]);
  expect(revocations.fault(identity, NOW - 30)).toBeDefined();
});

test('after a revocation no certificate counts that begins in the future, unless the clock is known to be wrong (RVK7)', () => {
  const year = 365 * 86_400_000;
  const judged = (latestMs: number) =>
    createRevocations({
      known: [revoked(NOW - 1)],
      save: async () => undefined,
      ...{ nowMs: () => NOW, latestMs: () => latestMs },
    }).fault(identity, NOW + year);
  expect(judged(NOW)).toMatch(/in the future here.*compare the clocks/);
  expect(judged(NOW + year)).toBeUndefined();
  expect(judged(Number.POSITIVE_INFINITY)).toBeUndefined();
});
