/** What a person decides by statements, in a store: deletions beyond the limit, and points that a database did not know (T4). */
import { expect, test } from 'vitest';
import { asGeneration, type Point } from '../../core/ids.ts';
import { samePoint } from '../../core/lineage.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import {
  configOf,
  DELETION_AT_ONCE,
  offer,
  put,
  reconcile,
  type TestArtifact,
  tellFloor,
  testArtifact,
} from './artifact.fixture.ts';
import { createMachine, DIRECTORIES, type Machine } from './memory-store.fixture.ts';
import { pointOf } from './point.ts';
import type { ArtifactStore, Decisions } from './store.ts';

const [a, b, c] = [1, 2, 3].map(seed => testArtifact(seed, 1000)) as [
  TestArtifact,
  TestArtifact,
  TestArtifact,
];
const deletion = { waitMs: 600_000, limitPercent: 50, limitWaitMs: 7 * 24 * 3_600_000 };
const pointAt = (generation: number, artifacts: readonly TestArtifact[]): Point =>
  pointOf(configOf(generation, artifacts));
const has = (machine: Machine, { sha256 }: TestArtifact): boolean =>
  DIRECTORIES.some(directory => machine.memory.files().has(`${directory}/${sha256}`));

/** Decisions that a test makes while the store runs. */
const person = () => {
  const made = { allowed: [] as Point[], accepted: [] as Point[], isPinned: true };
  const among = (points: readonly Point[], point: Point) => points.some(each => samePoint(each, point));
  const decisions: Decisions = {
    areRequired: () => made.isPinned,
    allowDeletionAt: point => among(made.allowed, point),
    accept: point => among(made.accepted, point),
  };
  return { made, decisions };
};

const holding = async (
  machine: Machine,
  artifacts: readonly TestArtifact[],
  options: Parameters<Machine['start']>[0],
): Promise<ArtifactStore> => {
  const store = await machine.start({ clock: createTestClock(), ...options });
  await tellFloor(store, 1);
  await offer(store, 5, artifacts);
  for (const artifact of artifacts) await put(store, artifact);
  return store;
};

test('what is beyond the limit is deleted once a person allows it for exactly the point of the sled, and for no other (T4)', async () => {
  const machine = createMachine();
  const { made, decisions } = person();
  const store = await holding(machine, [a, b, c], { deletion, decisions });
  await offer(store, 6, [a]);
  await reconcile(store);
  expect((await store.list()).deletionsLimited.artifacts).toBe(2);
  made.allowed = [pointAt(5, [a, b, c]), pointAt(7, [a]), pointAt(6, [b])];
  await reconcile(store);
  expect((await store.list()).deletionsLimited.artifacts).toBe(2);
  expect([a, b, c].map(each => has(machine, each))).toEqual([true, true, true]);
  made.allowed = [pointAt(6, [a])];
  await reconcile(store);
  expect([a, b, c].map(each => has(machine, each))).toEqual([true, false, false]);
  expect((await store.list()).deletionsTotal).toBe(2);
});

test('an allowance of a point says nothing about the next point: what is dropped there waits for itself (T4)', async () => {
  const machine = createMachine();
  const { made, decisions } = person();
  const store = await holding(machine, [a, b, c], { deletion, decisions });
  made.allowed = [pointAt(6, [a, b])];
  await offer(store, 6, [a, b]);
  await reconcile(store);
  expect(has(machine, c)).toBe(false);
  await offer(store, 7, []);
  await reconcile(store);
  expect([a, b].map(each => has(machine, each))).toEqual([true, true]);
  expect((await store.list()).deletionsLimited.artifacts).toBe(2);
});

test('a sled that a database did not know adopts less only once a person accepts its point, restarts included (C5)', async () => {
  const machine = createMachine();
  const { made, decisions } = person();
  const options = { deletion: DELETION_AT_ONCE, decisions };
  const first = await holding(machine, [a, b], options);
  await expect(offer(first, 8, [a], 'unknown')).rejects.toMatchObject({
    detail: { reason: 'not_successor' },
  });
  await first[Symbol.asyncDispose]();
  const store = await machine.start(options);
  const own = pointAt(5, [a, b]);
  await expect(offer(store, 9, [a], own)).rejects.toMatchObject({ detail: { reason: 'not_accepted' } });
  made.accepted = [pointAt(5, [a]), pointAt(6, [a, b])];
  await expect(offer(store, 9, [a], own)).rejects.toMatchObject({ detail: { reason: 'not_accepted' } });
  await reconcile(store);
  expect(has(machine, b)).toBe(true);
  made.accepted = [own];
  expect(await offer(store, 9, [a], own)).toBe('adopted');
  await reconcile(store);
  expect(has(machine, b)).toBe(false);
});

test('the memory of an unknown point is added to a hold that has another reason, and ends with the own config (C5)', async () => {
  const machine = createMachine();
  const { decisions } = person();
  const options = { deletion: DELETION_AT_ONCE, decisions };
  const first = await holding(machine, [a, b], options);
  const own = pointAt(5, [a, b]);
  await expect(offer(first, 4, [a])).rejects.toMatchObject({ detail: { reason: 'older' } });
  await expect(offer(first, 8, [a], 'unknown')).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  await first[Symbol.asyncDispose]();
  const store = await machine.start(options);
  await expect(offer(store, 9, [a], own)).rejects.toMatchObject({ detail: { reason: 'not_accepted' } });
  expect(await offer(store, 5, [a, b])).toBe('same');
  expect(await offer(store, 9, [a], own)).toBe('adopted');
});

test('what a Nexus says of another point than the present one of the sled is no news, and needs no person (C5)', async () => {
  const machine = createMachine();
  const { decisions } = person();
  const store = await holding(machine, [a, b], { deletion: DELETION_AT_ONCE, decisions });
  const own = pointAt(5, [a, b]);
  await expect(offer(store, 8, [a], 'unknown', pointAt(4, [b]))).rejects.toMatchObject({
    detail: { reason: 'not_successor' },
  });
  expect(await offer(store, 8, [a], own), 'as if nothing had been said').toBe('adopted');
  await expect(offer(store, 9, [], 'unknown', pointAt(8, [a]))).rejects.toMatchObject({
    detail: { reason: 'not_successor' },
  });
  await expect(offer(store, 10, [], pointAt(8, [a]))).rejects.toMatchObject({
    detail: { reason: 'not_accepted' },
  });
});

test('without a pinned admin key the word of a Nexus that knows the point is enough (C5)', async () => {
  const machine = createMachine();
  const { made, decisions } = person();
  made.isPinned = false;
  const store = await holding(machine, [a, b], { deletion: DELETION_AT_ONCE, decisions });
  await expect(offer(store, 8, [a], 'unknown')).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  expect(await offer(store, 9, [a], pointAt(5, [a, b]))).toBe('adopted');
});

test('the ledger of such a hold has a version that earlier agents refuse, and any other one does not (L4)', async () => {
  const machine = createMachine();
  const store = await holding(machine, [a, b], { deletion: DELETION_AT_ONCE });
  const version = (): unknown => {
    const bytes = machine.memory.files().get(`${DIRECTORIES[0]}/artifact-config.json`);
    return JSON.parse(Buffer.from(bytes ?? '').toString()).version;
  };
  expect(version()).toBe(2);
  await expect(offer(store, 4, [a])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  expect(version()).toBe(2);
  await expect(offer(store, asGeneration(8), [a], 'unknown')).rejects.toMatchObject({
    code: 'CONFIG_GENERATION',
  });
  expect(version()).toBe(3);
  expect(await offer(store, 5, [a, b])).toBe('same');
  expect(version()).toBe(2);
});
