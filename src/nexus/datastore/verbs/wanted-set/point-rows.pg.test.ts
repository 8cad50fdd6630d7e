/** Whatever moves the generation records its new point in the same transaction, or does not move it (P13). */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asGeneration, SledId, type TrustRootId } from '../../../../core/ids.ts';
import { insertTrustRoot, newId, uploadOf, version, wait } from '../../conformance/records.fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../database.fixture.ts';
import type { Datastore } from '../../datastore.ts';

let database: TestDatabase;
let datastore: Datastore;
let trustRoot: TrustRootId;
beforeEach(async () => {
  database = await createTestDatabase();
  datastore = await database.openDatastore();
  trustRoot = await insertTrustRoot(datastore);
  await datastore.releaseInsert(uploadOf(trustRoot, '1.0.0', ['a']), wait);
});
afterEach(() => database[Symbol.asyncDispose]());

const paths = {
  'recording a release': () => datastore.releaseInsert(uploadOf(trustRoot, '2.0.0', ['b']), wait),
  'deleting a release': () => datastore.repoPrune(version('1.0.0'), wait),
  'a recovery': () => datastore.generationRaise({ to: asGeneration(9), orderedBy: 'an operator' }, wait),
  'a rise for one sled': () => datastore.generationMend({ to: asGeneration(9), sledId: newId(SledId) }, wait),
} as const satisfies Record<string, () => Promise<unknown>>;

test.for(Object.entries(paths))(
  '%s fails as a whole when its point cannot be recorded',
  async ([, change]) => {
    const before = await datastore.wantedSet(wait);
    await database.query('ALTER TABLE tuf_point ADD CONSTRAINT no_more CHECK (generation < 3)');
    await expect(change()).rejects.toThrow();
    expect(await datastore.wantedSet(wait)).toEqual(before);
    await database.query('ALTER TABLE tuf_point DROP CONSTRAINT no_more');
    await change();
    const { generation, digest } = await datastore.currentGeneration(wait);
    expect(generation).toBeGreaterThan(before.generation);
    expect(
      await database.query('SELECT 1 AS found FROM tuf_point WHERE generation = $1 AND digest = $2', [
        generation,
        digest,
      ]),
    ).toHaveLength(1);
  },
);

test('a point records its cause, and its operator or its sled', async () => {
  const sledId = newId(SledId);
  const accepted = [{ generation: asGeneration(4), digest: 'c'.repeat(64) }];
  await datastore.generationRaise({ to: asGeneration(9), accepted, orderedBy: 'an operator' }, wait);
  await datastore.generationMend({ to: asGeneration(12), sledId }, wait);
  const rows = await database.query(
    'SELECT generation, origin, ordered_by, sled_id FROM tuf_point ORDER BY generation',
  );
  expect(rows).toEqual([
    { generation: '1', origin: 'first', ordered_by: null, sled_id: null },
    { generation: '2', origin: 'change', ordered_by: null, sled_id: null },
    { generation: '4', origin: 'accepted', ordered_by: 'an operator', sled_id: null },
    { generation: '9', origin: 'raise', ordered_by: 'an operator', sled_id: null },
    { generation: '12', origin: 'raise', ordered_by: null, sled_id: sledId },
  ]);
});

test('a raise for one sled is granted again a day later', async () => {
  const sledId = newId(SledId);
  const mend = (to: number) => datastore.generationMend({ to: asGeneration(to), sledId }, wait);
  expect(await mend(5)).toMatchObject({ generation: 5 });
  await database.query("UPDATE tuf_point SET time_created = now() - interval '23 hours 59 minutes'");
  expect(await mend(6)).toBeUndefined();
  await database.query("UPDATE tuf_point SET time_created = now() - interval '24 hours 1 minute'");
  expect(await mend(6)).toMatchObject({ generation: 6 });
});

test('a database whose first point was removed by hand is an error that says so', async () => {
  await database.query("DELETE FROM tuf_point WHERE origin = 'first'");
  await expect(datastore.pointsRecorded([], wait)).rejects.toMatchObject({
    code: 'DATABASE_CONTENT',
    message: expect.stringContaining('tuf_point'),
  });
});
