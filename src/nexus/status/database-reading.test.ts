import { expect, test } from 'vitest';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import { createDatabaseWatch } from '../datastore/database-watch.ts';
import { createDatabaseReader, databaseView, outageReasons, READ_TIMEOUT_MS } from './database-reading.ts';

const wait = { signal: new AbortController().signal };

type Options = { readonly signal: AbortSignal };

/** A database at some generation, empty otherwise; every verb first meets its fate. */
const setUp = () => {
  const clock = createTestClock();
  const watch = createDatabaseWatch(clock);
  const database = { generation: 7, fate: async (_: Options): Promise<void> => undefined };
  const verb = (answer: () => unknown) => async (options: Options) => {
    await database.fate(options);
    return answer();
  };
  const datastore = watch.watched({
    currentGeneration: verb(() => ({ generation: database.generation })),
    nexusList: verb(() => []),
    sledList: (_: unknown, options: Options) => verb(() => ({ items: [] }))(options),
    trustRootList: (_: unknown, options: Options) => verb(() => ({ items: [] }))(options),
    releaseRoles: verb(() => []),
  } as never);
  return { clock, database, read: createDatabaseReader({ datastore, watch, clock }) };
};

const away = async (): Promise<never> => {
  throw new DepotError('DATABASE_UNAVAILABLE', 'current_generation: the database does not answer');
};

test('while the database is away the status has the facts of the last answer, with their age and the outage (RD2)', async () => {
  const { clock, database, read } = setUp();
  expect(databaseView(await read(wait))).toMatchObject({ state: 'answers', age_s: 0 });
  await clock.advance(30_000);
  database.fate = away;
  await read(wait);
  await clock.advance(12_000);
  const reading = await read(wait);
  expect(reading.known).toMatchObject({ facts: { generation: 7 }, ageMs: 42_000 });
  expect(databaseView(reading)).toEqual({
    state: 'unavailable',
    time_read: '2026-01-01T00:00:00.000Z',
    age_s: 42,
    time_unavailable_since: '2026-01-01T00:00:30.000Z',
    message: 'current_generation: the database does not answer',
  });
  expect(outageReasons(reading)).toEqual([
    {
      code: 'DATABASE_UNAVAILABLE',
      because: 'no_answer',
      error: 'current_generation: the database does not answer',
      sinceMs: Date.parse('2026-01-01T00:00:30.000Z'),
      readAgeMs: 42_000,
    },
  ]);
  Object.assign(database, { generation: 8, fate: async () => undefined });
  expect(await read(wait)).toMatchObject({
    known: { facts: { generation: 8 }, ageMs: 0 },
    outage: undefined,
  });
});

test('a Nexus that has never read its database says so', async () => {
  const { database, read } = setUp();
  database.fate = away;
  const reading = await read(wait);
  expect(reading.known).toBeUndefined();
  const [reason] = outageReasons(reading);
  expect(reason).toMatchObject({ because: 'no_answer' });
  expect(reason).not.toHaveProperty('readAgeMs');
});

test('a database that is silent does not hold up the status (RD1)', async () => {
  const { clock, database, read } = setUp();
  database.fate = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
  const reading = read(wait);
  await clock.advance(READ_TIMEOUT_MS);
  expect(await reading).toMatchObject({ outage: { message: expect.stringContaining('within 5 s') } });
});

test('an invalid answer of the database is an error of the status', async () => {
  const { database, read } = setUp();
  database.fate = async () => {
    throw new DepotError('DATABASE_CONTENT', 'the database answered the integer 9007199254740993');
  };
  await expect(read(wait)).rejects.toMatchObject({ code: 'DATABASE_CONTENT' });
});
