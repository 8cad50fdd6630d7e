import { expect, test } from 'vitest';
import { asGeneration, SledId } from '../../../../core/ids.ts';
import { newId, registration, wait } from '../../conformance/records.fixture.ts';
import { createTestDatabase } from '../../database.fixture.ts';

test('a registration from before a restore, which no sled repeats, does not keep out a sled whose clock was set back (RI1)', async () => {
  await using database = await createTestDatabase();
  const datastore = await database.openDatastore();
  const id = newId(SledId);
  const at = (generation: number, depotPort: number) =>
    datastore.sledUpsert(id, registration({ generation: asGeneration(generation), depotPort }), wait);
  await at(9, 12_348);
  expect(await at(2, 4_000)).toMatchObject({ stale: true });
  await database.query("UPDATE sled SET time_last_registered = now() - interval '11 minutes'");
  expect(await at(2, 4_000)).toMatchObject({ stale: false, changed: true });
  expect((await datastore.sledGet(id, wait))?.info).toMatchObject({ generation: 2, depotPort: 4_000 });
});
