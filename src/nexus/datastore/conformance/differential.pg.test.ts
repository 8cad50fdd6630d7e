/** The datastore in memory and the one over PostgreSQL answer alike, whatever is asked of them in whatever order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRng } from '../../../core/rng.ts';
import { systemClock } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { Datastore } from '../datastore.ts';
import { createMemoryDatabase } from '../memory/memory-database.ts';
import { createTestDatabase } from '../test-database.ts';
import { arbCall, type Call, perform, readAll } from './calls.fixture.ts';
import { wait } from './records.fixture.ts';

/** Of up to MAX_CALLS calls each, in a database of its own. */
const RUNS = 40;
const MAX_CALLS = 25;

/** What differs from clock to clock; that there is a time, or none, does not. */
const masked = (value: unknown, key = ''): unknown => {
  if (typeof value === 'number' && /^time.*Ms$|^heartbeatAgeMs$|^heartbeat_age_ms$/.test(key))
    return 'a time';
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(item => masked(item));
  if (value instanceof Map || value instanceof Set) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, masked(part, name)]));
};

const answerOf = async (call: () => Promise<unknown>): Promise<unknown> => {
  try {
    return masked({ answer: await call() });
  } catch (error) {
    if (!(error instanceof DepotError)) throw error;
    const { code, message, detail } = error;
    return masked({ code, detail, message: message.replace(/alive \d+ ms ago/, 'alive a while ago') });
  }
};

const seen = new Map<string, number>();
/** How often each verb was answered and refused: a run that only met refusals would compare nothing. */
const count = ({ verb }: Call, answer: unknown): void => {
  const kind = `${verb} ${(answer as { code?: string }).code ?? 'ok'}`;
  seen.set(kind, (seen.get(kind) ?? 0) + 1);
};

const compare = async (memory: Datastore, sql: Datastore, calls: readonly Call[]): Promise<void> => {
  for (const call of [{ verb: 'trustRootInsert', root: 0 } as const, ...calls]) {
    const expected = await answerOf(() => perform(sql, call));
    const answer = await answerOf(() => perform(memory, call));
    expect(answer).toEqual(expected);
    expect(await answerOf(() => memory.wantedSet(wait))).toEqual(await answerOf(() => sql.wantedSet(wait)));
    count(call, answer);
  }
  expect(await answerOf(() => readAll(memory))).toEqual(await answerOf(() => readAll(sql)));
};

test('any sequence of calls has the same answers, refusals and wanted sets in memory and in PostgreSQL', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbCall, { minLength: 5, maxLength: MAX_CALLS }), async calls => {
      await using database = await createTestDatabase();
      const clock = systemClock;
      const memory = createMemoryDatabase({ nowMs: clock.nowMs }).openDatastore({
        clock,
        rng: seededRng(1),
        log: silentLogger,
      });
      await compare(memory, await database.openDatastore(), calls);
    }),
    { numRuns: Number(process.env.DIFFERENTIAL_RUNS ?? RUNS) },
  );
  for (const kind of [
    ...['releaseInsert ok', 'releaseInsert RELEASE_CONFLICT', 'releaseInsert ARTIFACT_CONFLICT'],
    ...['repoPrune ok', 'repoPrune NOT_FOUND', 'localRepoDrop ok', 'generationRaise ok'],
  ]) {
    expect(seen.get(kind), kind).toBeGreaterThan(0);
  }
}, 900_000);
