import { expect, test } from 'vitest';
import { createMemoryDatabase } from '../../../sim/datastore/memory-database.ts';
import { OperatorTokenId } from '../../core/ids.ts';
import { seededRng } from '../../core/rng.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { makeOperatorToken, tokenDigest } from '../../lib/operator-token.ts';
import { newId, wait } from '../datastore/conformance/records.fixture.ts';
import type { OperatorTokenPort } from '../datastore/ports/operator-token-port.ts';
import { createKnownTokens, TOKENS_FRESH_MS, TOKENS_MAX_AGE_MS, UNKNOWN_PAUSE_MS } from './known-tokens.ts';

const HOUR_MS = 3_600_000;
/** Longer than the pause after a failed read. */
const A_WHILE_MS = 6_000;

/** The tokens of one Nexus over a database that may be away, and whose clock is not that of this machine. */
const setUp = () => {
  const clock = createTestClock();
  const database = createMemoryDatabase({ nowMs: () => clock.monotonicMs() + 5 * 365 * 24 * HOUR_MS });
  const datastore = database.openDatastore({ clock, rng: seededRng(1), log: silentLogger });
  const state = { isAway: false, reads: 0, writes: 0 };
  const answer = async <T>(verb: () => Promise<T>): Promise<T> => {
    if (state.isAway) throw new DepotError('DATABASE_UNAVAILABLE', 'the database is unavailable');
    return await verb();
  };
  const watched: Pick<OperatorTokenPort, 'operatorTokenList' | 'operatorTokensUsed'> = {
    operatorTokenList: options => {
      state.reads += 1;
      return answer(() => datastore.operatorTokenList(options));
    },
    operatorTokensUsed: (ids, options) => {
      state.writes += 1;
      return answer(() => datastore.operatorTokensUsed(ids, options));
    },
  };
  const logged: string[] = [];
  const log = { ...silentLogger, debug: (_facts: unknown, text: string) => logged.push(text) };
  const openTokens = (own: Partial<typeof watched> = {}) =>
    createKnownTokens({ datastore: { ...watched, ...own }, clock, log: log as never });
  const tokens = openTokens();
  const create = async (lifeMs = 100 * HOUR_MS) => {
    const token = makeOperatorToken();
    const id = newId(OperatorTokenId);
    await datastore.operatorTokenCreate(
      { id, role: 'operator', description: '', sha256: tokenDigest(token), lifeMs },
      wait,
    );
    return { id, token };
  };
  const find = async (token: string) => (await tokens.find(token, wait)).kind;
  return { clock, datastore, state, tokens, openTokens, logged, create, find };
};

test('a token is known with its id and its role, and many requests cost one read, also at once', async () => {
  const { tokens, create, state } = setUp();
  const { id, token } = await create();
  const known = {
    kind: 'known',
    operator: { id, role: 'operator', timeExpiresMs: expect.any(Number) },
  };
  expect(await Promise.all([1, 2, 3].map(() => tokens.find(token, wait)))).toEqual([known, known, known]);
  for (let n = 0; n < 5; n += 1) expect(await tokens.find(token, wait)).toEqual(known);
  expect(state.reads).toBe(1);
});

test('a token that another Nexus revoked is refused within a minute (OT1)', async () => {
  const { clock, datastore, create, find, tokens } = setUp();
  const { id, token } = await create();
  expect(await find(token)).toBe('known');
  await datastore.operatorTokenRevoke(id, wait);
  await clock.advance(TOKENS_FRESH_MS);
  expect(await tokens.find(token, wait)).toEqual({ kind: 'revoked', id });
});

test('a token that this Nexus revoked is refused at once', async () => {
  const { datastore, create, find, tokens } = setUp();
  const { id, token } = await create();
  expect(await find(token)).toBe('known');
  await datastore.operatorTokenRevoke(id, wait);
  tokens.changed();
  expect(await find(token)).toBe('revoked');
});

test('a read that began before a change by this Nexus answers no request that came after it (OT5)', async () => {
  const { datastore, create, openTokens } = setUp();
  const [revoked, other] = [await create(), await create()];
  const held = Promise.withResolvers<void>();
  let reads = 0;
  const tokens = openTokens({
    async operatorTokenList(options) {
      reads += 1;
      const list = await datastore.operatorTokenList(options);
      if (reads === 1) await held.promise;
      return list;
    },
  });
  const before = tokens.find(other.token, wait);
  await expect.poll(() => reads).toBe(1);
  await datastore.operatorTokenRevoke(revoked.id, wait);
  tokens.changed();
  const made = await create();
  tokens.changed();
  const [after, ofMade] = [tokens.find(revoked.token, wait), tokens.find(made.token, wait)];
  held.resolve();
  expect((await before).kind).toBe('known');
  expect(await after).toEqual({ kind: 'revoked', id: revoked.id });
  expect((await ofMade).kind).toBe('known');
  expect(reads).toBe(2);
});

test('a token that this Nexus revoked is refused although the database goes away at once (OT5)', async () => {
  const { datastore, create, find, tokens, state } = setUp();
  const [revoked, other] = [await create(), await create()];
  expect(await find(revoked.token)).toBe('known');
  await datastore.operatorTokenRevoke(revoked.id, wait);
  state.isAway = true;
  tokens.changed({ revoked: revoked.id });
  expect(await find(revoked.token)).toBe('revoked');
  expect(await find(other.token)).toBe('known');
});

test('a token expires by the clock of the database, whatever the one of this machine says (OT4)', async () => {
  const { clock, create, find } = setUp();
  const { token } = await create(30_000);
  expect(await find(token)).toBe('known');
  await clock.advance(29_999);
  expect(await find(token)).toBe('known');
  await clock.advance(1);
  expect(await find(token)).toBe('expired');
});

test('a new token is known at once, and tokens that do not exist cost one read a second (OT3)', async () => {
  const { clock, create, find, state } = setUp();
  expect(await find(makeOperatorToken())).toBe('unknown');
  const { token } = await create();
  await clock.advance(UNKNOWN_PAUSE_MS);
  expect(await find(token)).toBe('known');
  const before = state.reads;
  for (let n = 0; n < 50; n += 1) expect(await find(makeOperatorToken())).toBe('unknown');
  expect(state.reads).toBe(before);
  await clock.advance(UNKNOWN_PAUSE_MS);
  for (let n = 0; n < 50; n += 1) await find(makeOperatorToken());
  expect(state.reads).toBe(before + 1);
});

test('while the database is away the tokens read last count for an hour, and the status has their age (OT2)', async () => {
  const { clock, create, find, state, tokens } = setUp();
  const { token } = await create();
  expect(await find(token)).toBe('known');
  expect(tokens.reasons()).toEqual([]);
  state.isAway = true;
  await clock.advance(TOKENS_MAX_AGE_MS);
  expect(await find(token)).toBe('known');
  expect(tokens.reasons()).toEqual([
    {
      code: 'OPERATOR_TOKENS_STALE',
      error: 'the database is unavailable',
      readAgeMs: TOKENS_MAX_AGE_MS,
      maxAgeMs: TOKENS_MAX_AGE_MS,
    },
  ]);
  await clock.advance(1);
  expect(await tokens.find(token, wait)).toEqual({
    kind: 'unverified',
    why: 'the database is unavailable',
  });
  state.isAway = false;
  await clock.advance(A_WHILE_MS);
  expect(await find(token)).toBe('known');
  expect(tokens.reasons()).toEqual([]);
});

test('the end of an outage is seen by the status, also if nobody sends a token', async () => {
  const { clock, create, find, state, tokens } = setUp();
  const { token } = await create();
  await find(token);
  state.isAway = true;
  await clock.advance(TOKENS_FRESH_MS);
  await find(token);
  expect(tokens.reasons()).toHaveLength(1);
  state.isAway = false;
  await clock.advance(A_WHILE_MS);
  expect(tokens.reasons()).toHaveLength(1);
  await expect.poll(() => tokens.reasons()).toEqual([]);
});

test('requests do not wait for a database that is known to be away', async () => {
  const { clock, create, find, state } = setUp();
  const { token } = await create();
  await find(token);
  state.isAway = true;
  await clock.advance(TOKENS_FRESH_MS);
  await find(token);
  const before = state.reads;
  for (let n = 0; n < 20; n += 1) expect(await find(token)).toBe('known');
  expect(state.reads).toBe(before);
});

test('without any answer of the database no token is known, and none is called unknown', async () => {
  const { find, state } = setUp();
  state.isAway = true;
  expect(await find(makeOperatorToken())).toBe('unverified');
});

test('the last use is written once an hour, and a write that fails has no effect', async () => {
  const { clock, datastore, create, find, state, logged } = setUp();
  const { token } = await create();
  const lastUse = async () => (await datastore.operatorTokenList(wait)).tokens[0]!.timeLastUsedMs;
  for (let n = 0; n < 5; n += 1) await find(token);
  expect(state.writes, 'before the first one is seen in a read').toBe(1);
  await expect.poll(lastUse).not.toBeNull();
  const first = await lastUse();
  for (let n = 0; n < 10; n += 1) {
    await clock.advance(HOUR_MS / 10 - 1);
    await find(token);
  }
  expect(state.writes).toBe(1);
  await clock.advance(HOUR_MS / 10);
  await find(token);
  await expect.poll(lastUse).toBeGreaterThan(first!);
  expect(state.writes).toBe(2);
  state.isAway = true;
  await clock.advance(HOUR_MS);
  expect(await find(token)).toBe('known');
  expect(state.writes).toBe(3);
  await expect.poll(() => logged).toEqual(['last use of a token not written']);
});

test('the last use that another Nexus wrote within the hour is not written again', async () => {
  const { clock, datastore, create, find, state } = setUp();
  const { id, token } = await create();
  await datastore.operatorTokensUsed([id], wait);
  await clock.advance(HOUR_MS - 1);
  expect(await find(token)).toBe('known');
  expect(state.writes).toBe(0);
  await clock.advance(1);
  await find(token);
  expect(state.writes).toBe(1);
});

test('a stop cancels the write of a last use, and waits for its end', async () => {
  const { create, openTokens } = setUp();
  const { token } = await create();
  const ended = Promise.withResolvers<void>();
  let signal: AbortSignal | undefined;
  const tokens = openTokens({
    operatorTokensUsed(_ids, options) {
      signal = options.signal;
      return ended.promise;
    },
  });
  await tokens.find(token, wait);
  expect(signal?.aborted).toBe(false);
  let isStopped = false;
  const stopped = tokens[Symbol.asyncDispose]().then(() => {
    isStopped = true;
  });
  expect(signal?.aborted).toBe(true);
  await new Promise(resolve => setImmediate(resolve));
  expect(isStopped).toBe(false);
  ended.resolve();
  await stopped;
});
