/** The datastore in memory and the one over PostgreSQL answer alike, whatever is asked of them in whatever order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMemoryDatabase } from '../../../../sim/datastore/memory-database.ts';
import { seededRng } from '../../../core/rng.ts';
import { systemClock } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createTestDatabase, type TestDatabase } from '../database.fixture.ts';
import type { Datastore } from '../datastore.ts';
import { arbCall, askLineage, type Call, perform, readAll } from './calls.fixture.ts';
import { wait } from './records.fixture.ts';

/** Of MIN_CALLS to MAX_CALLS calls each, in a database of its own. */
const RUNS = 25;
const MIN_CALLS = 15;
const MAX_CALLS = 45;

/** Says of a time in which step it was; 0 is before the first. */
type StepOf = (timeMs: number) => number;

const ISO_TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;
const OF_A_STEP = /^time(Created|Pruned|Registered|LastRegistered|Started|Expunged|Heartbeat|Requested)Ms$/;

/** Times become steps; an age differs from clock to clock. */
const masked = (value: unknown, stepOf: StepOf, key = ''): unknown => {
  if (typeof value === 'number' && OF_A_STEP.test(key)) return stepOf(value);
  if (typeof value === 'number' && /^heartbeat_?age_?ms$/i.test(key)) return 'an age';
  if (typeof value === 'string') return value.replace(ISO_TIME, 'a time');
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(item => masked(item, stepOf));
  if (value instanceof Map || value instanceof Set) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, masked(part, stepOf, name)]));
};

const answerOf = async (call: () => Promise<unknown>, stepOf: StepOf): Promise<unknown> => {
  try {
    return masked({ answer: await call() }, stepOf);
  } catch (error) {
    if (!(error instanceof DepotError)) throw error;
    const { code, message, detail } = error;
    return masked(
      { code, detail, message: message.replace(/alive \d+ ms ago/, 'alive a while ago') },
      stepOf,
    );
  }
};

const seen = new Map<string, number>();
/** How often each verb was answered and refused: a run that only met refusals would compare nothing. */
const count = ({ verb }: Call, answer: unknown): void => {
  const kind = `${verb} ${(answer as { code?: string }).code ?? 'ok'}`;
  seen.set(kind, (seen.get(kind) ?? 0) + 1);
};

/** The clock of the server that runs on this machine, told apart by steps: they are further apart than it is precise. */
const sqlSteps = () => {
  const startsMs: number[] = [];
  return {
    stepOf: (timeMs: number) => startsMs.filter(startMs => startMs - 1 <= timeMs).length,
    async begin() {
      const { nowMs, sleep } = systemClock;
      const lastMs = nowMs();
      while (nowMs() < lastMs + 3) await sleep(1, wait);
      startsMs.push(nowMs());
    },
  };
};

const compare = async (database: TestDatabase, calls: readonly Call[]): Promise<void> => {
  const { stepOf, begin } = sqlSteps();
  let step = 0;
  const sql = await database.openDatastore();
  const memory = createMemoryDatabase({ nowMs: () => step }).openDatastore({
    clock: systemClock,
    rng: seededRng(1),
    log: silentLogger,
  });
  const both = async (ask: (datastore: Datastore) => Promise<unknown>): Promise<unknown> => {
    const answer = await answerOf(
      () => ask(memory),
      timeMs => timeMs,
    );
    expect(answer).toEqual(await answerOf(() => ask(sql), stepOf));
    return answer;
  };
  for (const call of [{ verb: 'trustRootInsert', root: 0 } as const, ...calls]) {
    step += 1;
    await begin();
    count(call, await both(datastore => perform(datastore, call)));
    await both(askLineage);
  }
  await both(readAll);
};

/** The same few sequences each time, which have all that is looked for below; or any number of others. */
const howOften = (): { readonly numRuns: number; readonly seed?: number } =>
  process.env.DIFFERENTIAL_RUNS === undefined
    ? { numRuns: RUNS, seed: 1 }
    : { numRuns: Number(process.env.DIFFERENTIAL_RUNS) };

test('any sequence of calls has the same answers, refusals, wanted sets and known points in memory and in PostgreSQL', async () => {
  const arbCalls = fc.array(arbCall, { minLength: MIN_CALLS, maxLength: MAX_CALLS, size: 'max' });
  await fc.assert(
    fc.asyncProperty(arbCalls, async calls => {
      await using database = await createTestDatabase();
      await compare(database, calls);
    }),
    howOften(),
  );
  for (const kind of [
    ...['releaseInsert ok', 'releaseInsert RELEASE_CONFLICT', 'releaseInsert ARTIFACT_CONFLICT'],
    ...['repoPrune ok', 'repoPrune NOT_FOUND', 'repoPrune RELEASE_IN_USE', 'localRepoDrop ok'],
    ...['generationRaise ok', 'generationRaise INVALID_REQUEST', 'generationMend ok', 'nexusBeginRound ok'],
    ...['targetReleaseSet ok', 'trustRootAdvance ok', 'nexusExpunge ok'],
    ...['sledSetTransport ok', 'sledUpsert SLED_NOT_PLAIN'],
  ]) {
    expect(seen.get(kind), kind).toBeGreaterThan(0);
  }
}, 900_000);
