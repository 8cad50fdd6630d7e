import { expect, test } from 'vitest';
import { MAX_REVOCATIONS } from '../../../../core/revocation.ts';
import { wait } from '../../conformance/records.fixture.ts';
import { createTestDatabase } from '../../database.fixture.ts';

test('more revocations than are kept are listed from the newest on', async () => {
  await using database = await createTestDatabase();
  const datastore = await database.openDatastore();
  await database.query(
    `INSERT INTO identity_revocation (kind, id, time_revoked) SELECT 'sled',
       ('00000000-0000-4000-8000-' || lpad(to_hex($1 - n), 12, '0'))::UUID, now() + n * interval '1 second'
     FROM generate_series(0, $1::INT) AS n`,
    [MAX_REVOCATIONS],
  );
  const list = await datastore.revocationList(wait);
  expect(list).toHaveLength(MAX_REVOCATIONS);
  expect(list[0]?.id, 'the newest').toMatch(/-000000000000$/);
  expect(list.map(({ timeMs }) => timeMs)).toEqual(
    list.map(({ timeMs }) => timeMs).toSorted((a, b) => b - a),
  );
});
