/** What a round mends by itself, against a datastore in memory that keeps the rules of every datastore. */
import { expect, test } from 'vitest';
import { createMemoryDatabase } from '../../../sim/datastore/memory-database.ts';
import { type ArtifactHash, asGeneration, type Point } from '../../core/ids.ts';
import { seededRng } from '../../core/rng.ts';
import { sledReport } from '../../core/sled-report.fixture.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { hashOf, insertTrustRoot, uploadOf } from '../datastore/conformance/records.fixture.ts';
import { MAX_MEND } from '../datastore/decisions/generation.ts';
import type { Note } from '../history/history.ts';
import { digestOf, fakeConnection, fakeSled } from '../sleds/fleet.fixture.ts';
import { createLostPointsMemory, type LostPoint } from '../sleds/lost-points.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { findLostPoints, mendGeneration } from './mend-generation.ts';

const wait = { log: silentLogger, signal: new AbortController().signal };
const [A, B, C] = [hashOf('a'), hashOf('b'), hashOf('c')];
const sleds = [1, 2, 3].map(n => fakeSled(n).target);
const point = (generation: number, ...hashes: readonly ArtifactHash[]): Point => ({
  generation: asGeneration(generation),
  digest: digestOf(hashes),
});
const lost = (n: number, generation: number, ...hashes: readonly ArtifactHash[]): LostPoint => ({
  point: point(generation, ...hashes),
  owners: [sleds[n - 1]!.id],
  artifacts: new Set(hashes),
});

/** A database at generation 2 that wants a and b, and what a round makes of lost points. */
const setUp = async () => {
  let nowMs = 0;
  const database = createMemoryDatabase({ nowMs: () => nowMs });
  const datastore = database.openDatastore({ clock: systemClock, rng: seededRng(1), log: silentLogger });
  await datastore.releaseInsert(uploadOf(await insertTrustRoot(datastore), '1.0.0', ['a', 'b']), wait);
  const notes: Parameters<Note>[0][] = [];
  return {
    datastore,
    notes,
    passes: (ms: number) => {
      nowMs += ms;
    },
    mend: async (...points: readonly LostPoint[]) => {
      const wanted = await datastore.wantedSet(wait);
      return mendGeneration({ datastore, note: note => void notes.push(note) }, wanted, points, wait);
    },
    generation: async () => (await datastore.currentGeneration(wait)).generation,
  };
};

test('a point whose whole set is wanted is mended: the generation rises above it, and that is noted', async () => {
  const { mend, generation, notes } = await setUp();
  expect(await mend(lost(1, 9, A))).toBe(true);
  expect(await generation()).toBe(10);
  expect(notes).toMatchObject([{ kind: 'generation_recovered', generation: 10, sledId: sleds[0]!.id }]);
});

test('a point of the database’s own generation with a smaller set is mended too', async () => {
  const { mend, generation } = await setUp();
  expect(await mend(lost(1, 2, B))).toBe(true);
  expect(await generation()).toBe(3);
});

test('a point below the generation needs no rise: the next config is above it and includes its set', async () => {
  const { mend, generation } = await setUp();
  expect(await mend(lost(1, 1, A))).toBe(false);
  expect(await generation()).toBe(2);
});

test('a point of which one artifact is not wanted, or whose set nobody gave, waits for a person', async () => {
  const { mend, generation, notes } = await setUp();
  expect(await mend(lost(1, 9, A, C), { ...lost(2, 9), artifacts: undefined })).toBe(false);
  expect(await generation()).toBe(2);
  expect(notes).toEqual([]);
});

test('of several the highest that can be mended is, once in a round', async () => {
  const { mend, generation } = await setUp();
  const far = lost(3, 2 + MAX_MEND, A);
  expect(await mend(lost(1, 7, A), far, lost(2, 9, A, B), lost(3, Number.MAX_SAFE_INTEGER, A))).toBe(true);
  expect(await generation()).toBe(10);
});

test('a sled is mended for once a day, by at most 1,000, and others meanwhile (G8)', async () => {
  const { mend, generation, passes } = await setUp();
  expect(await mend(lost(1, 2 + MAX_MEND, A)), 'one too many').toBe(false);
  expect(await mend(lost(1, 1 + MAX_MEND, A))).toBe(true);
  const at = await generation();
  expect(at).toBe(2 + MAX_MEND);
  expect(await mend(lost(1, at + 5, A))).toBe(false);
  expect(await mend(lost(1, at + 5, A), lost(2, at + 1, A))).toBe(true);
  expect(await generation()).toBe(at + 2);
  passes(24 * 60 * 60 * 1_000);
  expect(await mend(lost(1, at + 5, A))).toBe(true);
  expect(await generation()).toBe(at + 6);
});

test('of several sleds at one point another one takes its turn, and one that only keeps it spends none (G8)', async () => {
  const { mend, generation } = await setUp();
  const shared = (at: number): LostPoint => ({ ...lost(1, at, A), owners: [sleds[0]!.id, sleds[1]!.id] });
  expect(await mend(shared(9))).toBe(true);
  expect(await mend(shared(12)), 'the first had its turn today').toBe(true);
  expect(await mend(shared(15))).toBe(false);
  expect(await mend({ ...lost(3, 20, A), owners: [] }), 'kept alone').toBe(false);
  expect(await generation()).toBe(13);
});

const collected = (n: number, own: Point | undefined, ...kept: readonly Point[]): CollectedSled =>
  ({
    target: sleds[n - 1]!,
    claim: own && { ...own, hasLineage: true },
    report: sledReport({ pointsKept: kept.map(({ generation, digest }) => ({ generation, digest })) }),
  }) as unknown as CollectedSled;

test('lost points are those of configs and those kept that a read after the answers does not know', async () => {
  const { datastore } = await setUp();
  const holders = [1, 2].map(n => fakeSled(n));
  holders[0]!.config = { generation: asGeneration(9), artifacts: new Map([[C, 1]]) };
  const connection = fakeConnection(holders);
  const deps = { connection, clock: systemClock, memory: createLostPointsMemory(), datastore };
  const current = await datastore.currentGeneration(wait);
  const found = await findLostPoints(
    deps,
    [collected(1, point(9, C)), collected(2, current, point(7, A), point(1)), collected(3, undefined)],
    wait,
  );
  expect(found).toEqual(
    expect.arrayContaining([
      { point: point(9, C), owners: [sleds[0]!.id], artifacts: new Set([C]) },
      { point: point(7, A), owners: [], artifacts: undefined },
    ]),
  );
  expect(found).toHaveLength(2);
  expect(await findLostPoints(deps, [collected(3, undefined)], wait)).toEqual([]);
});
