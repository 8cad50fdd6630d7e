import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ArtifactHash } from '../../core/ids.ts';
import type { PrefixDigests } from '../../core/prefix-digests.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { silentLogger } from '../../lib/log.ts';
import { createPrefixMemory } from './prefix-memory.ts';

const hashOf = (name: string) => ArtifactHash.parse(createHash('sha256').update(name).digest('hex'));
const digests = (fill: number, count = 1): PrefixDigests => ({
  unitBytes: 1,
  digests: new Uint8Array(32 * count).fill(fill),
});

/** A database that answers when the test says so, or at once. */
const world = ({ maxBytes, isHeld = false }: { maxBytes?: number; isHeld?: boolean } = {}) => {
  const clock = createTestClock();
  const recorded = new Map<ArtifactHash, PrefixDigests>();
  const reads: ArtifactHash[][] = [];
  let held = Promise.withResolvers<void>();
  if (!isHeld) held.resolve();
  const memory = createPrefixMemory({
    clock,
    log: silentLogger,
    signal: new AbortController().signal,
    ...(maxBytes !== undefined && { maxBytes }),
    datastore: {
      async prefixDigests(hashes) {
        reads.push([...hashes]);
        await held.promise;
        return new Map([...recorded].filter(([sha256]) => hashes.has(sha256)));
      },
    },
  });
  return {
    clock,
    recorded,
    reads,
    of: (...names: readonly string[]) => memory.of(new Set(names.map(hashOf))),
    record: (name: string, prefixes: PrefixDigests) => recorded.set(hashOf(name), prefixes),
    answer: () => held.resolve(),
    fail() {
      held = Promise.withResolvers();
      held.reject(new Error('the database does not answer'));
      held.promise.catch(() => undefined);
    },
    recover() {
      held = Promise.withResolvers();
      held.resolve();
    },
  };
};

test('digests are read once, all of one plan together', async () => {
  const { of, record, reads } = world();
  record('a', digests(1));
  record('b', digests(2));
  expect(await of('a', 'b', 'none')).toEqual(
    new Map([
      [hashOf('a'), digests(1)],
      [hashOf('b'), digests(2)],
    ]),
  );
  expect(await of('b', 'none')).toEqual(new Map([[hashOf('b'), digests(2)]]));
  expect(await of()).toEqual(new Map());
  expect(reads).toEqual([['a', 'b', 'none'].map(hashOf)]);
});

test('who asks while they are read waits for the same read, and only the others are read', async () => {
  const { of, record, reads, answer } = world({ isHeld: true });
  record('a', digests(1));
  record('b', digests(2));
  const [first, second] = [of('a'), of('a', 'b')];
  answer();
  expect(await first).toEqual(new Map([[hashOf('a'), digests(1)]]));
  expect((await second).size).toBe(2);
  expect(reads).toEqual([[hashOf('a')], [hashOf('b')]]);
});

test('beyond the limit those that were used least recently are dropped, and read again (PFM1)', async () => {
  const { of, record, reads } = world({ maxBytes: 1_900 });
  for (const name of ['a', 'b', 'c']) record(name, digests(1, 10));
  for (const name of ['a', 'b', 'c']) await of(name);
  await of('a');
  await of('d');
  reads.length = 0;
  await of('a', 'c', 'd');
  expect(reads).toEqual([]);
  await of('b');
  expect(reads).toEqual([[hashOf('b')]]);
});

test('more than the limit at once is answered whole, and kept in part (PFM1)', async () => {
  const { of, record, reads } = world({ maxBytes: 1_000 });
  for (const name of ['a', 'b', 'c']) record(name, digests(1, 10));
  expect((await of('a', 'b', 'c')).size).toBe(3);
  expect((await of('a', 'b', 'c')).size).toBe(3);
  expect(reads.map(({ length }) => length)).toEqual([3, 2]);
});

test('a database that does not answer fails nothing, and is asked again after a minute (PFM2)', async () => {
  const { of, record, reads, fail, recover, clock } = world();
  record('a', digests(1));
  fail();
  expect(await of('a')).toEqual(new Map());
  recover();
  expect(await of('a')).toEqual(new Map());
  expect(reads).toHaveLength(1);
  await clock.advance(60_000);
  expect(await of('a')).toEqual(new Map([[hashOf('a'), digests(1)]]));
});

test('digests that an upload brings, or replaces, are found after a while (PFM3)', async () => {
  const { of, record, clock } = world();
  expect(await of('a')).toEqual(new Map());
  record('a', digests(1));
  await clock.advance(60_000);
  expect(await of('a')).toEqual(new Map([[hashOf('a'), digests(1)]]));
  record('a', digests(2));
  await clock.advance(3_599_000);
  expect(await of('a')).toEqual(new Map([[hashOf('a'), digests(1)]]));
  await clock.advance(1_000);
  expect(await of('a')).toEqual(new Map([[hashOf('a'), digests(2)]]));
});
