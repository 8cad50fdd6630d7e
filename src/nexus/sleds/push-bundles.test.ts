import { expect, test } from 'vitest';
import { seededRng } from '../../core/rng.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { SledTarget } from '../../sled-client/sled-connection.ts';
import { fakeSled } from './fleet.fixture.ts';
import { createBundlePusher } from './push-bundles.ts';

const MIB = 1024 * 1024;
const bundle = (n: number) => n.toString(16).repeat(64);
const targets = (count: number) => Array.from({ length: count }, (_, n) => fakeSled(n + 1).target);

/** With requests that end when the test says so. */
const pusher = (sizeBytes = 100) => {
  const clock = createTestClock();
  const reads: string[] = [];
  const puts: { readonly answer: (error?: Error) => void; readonly signal: AbortSignal }[] = [];
  let open = 0;
  let most = 0;
  const bundles = createBundlePusher({
    clock,
    rng: seededRng(1),
    datastore: {
      async bundleGet(sha256) {
        reads.push(sha256);
        return new Uint8Array(sizeBytes);
      },
    },
    connection: {
      putBundle: (_target, _bundle, { signal }) =>
        new Promise((resolve, reject) => {
          open += 1;
          most = Math.max(most, open);
          const answer = (error?: Error) => {
            open -= 1;
            if (error === undefined) resolve();
            else reject(error);
          };
          signal.addEventListener('abort', () => answer(signal.reason), { once: true });
          puts.push({ answer, signal });
        }),
    },
  });
  const wait = { log: silentLogger, signal: new AbortController().signal };
  const push = (target: SledTarget, ...missing: string[]) => bundles.push(target, missing, wait);
  const settled = async () => {
    for (let turn = 0; turn < 50; turn += 1) await new Promise(resolve => setImmediate(resolve));
  };
  return { clock, reads, puts, bundles, push, settled, most: () => most };
};

test('a bundle that takes longer than a round waits is sent all the same, once (PBU4)', async () => {
  const { clock, puts, bundles, push, settled } = pusher();
  const [sled] = targets(1);
  const first = push(sled!, bundle(1));
  await settled();
  await clock.advance(2_000);
  expect(await first).toEqual({ sent: 0 });
  expect(bundles.isUnderWay()).toBe(true);
  const second = push(sled!, bundle(1), bundle(2));
  await settled();
  expect(puts).toHaveLength(1);
  expect(puts[0]!.signal.aborted).toBe(false);
  puts[0]!.answer();
  expect(await second).toEqual({ sent: 1 });
  expect(bundles.isUnderWay()).toBe(false);
});

test.each(['refuses', 'takes it and asks for it again'])(
  'a sled that %s is sent the bundle again after a back-off, which grows; a bundle that it does not lack any more begins anew (PBU5)',
  async how => {
    const { clock, puts, push, settled } = pusher();
    const [sled] = targets(1);
    const error = how === 'refuses' ? new DepotError('NO_SPACE', 'full') : undefined;
    const attempt = async (): Promise<boolean> => {
      const before = puts.length;
      const pushed = push(sled!, bundle(1));
      await settled();
      const isSent = puts.length > before;
      if (isSent) puts.at(-1)!.answer(error);
      await pushed;
      return isSent;
    };
    const waits: number[] = [];
    expect(await attempt()).toBe(true);
    for (let n = 0; n < 4; n += 1) {
      let waited = 0;
      while (!(await attempt())) {
        await clock.advance(500);
        waited += 500;
      }
      waits.push(waited);
    }
    expect(waits[0]).toBeGreaterThanOrEqual(1_000);
    expect(waits[3]).toBeGreaterThan(4 * waits[0]!);
    await push(sled!);
    expect(await attempt()).toBe(true);
  },
);

test('the same bundle for many sleds is read once; large ones are sent to two sleds at once (PBU3)', async () => {
  const large = pusher(8 * MIB);
  const sleds = targets(20);
  const pushed = Promise.all(sleds.map(sled => large.push(sled, bundle(1))));
  for (let n = 0; n < sleds.length; n += 1) {
    await large.settled();
    large.puts[n]!.answer();
  }
  await pushed;
  expect(large.reads).toEqual([bundle(1)]);
  expect(large.most()).toBe(2);
});

test('a large bundle is read for a sled when its turn comes, and not before to learn its length (PBU3)', async () => {
  const large = pusher(40 * MIB); // one of them is kept
  const sleds = targets(4);
  const pushed: Promise<unknown>[] = [];
  for (const [n, sled] of sleds.entries()) {
    pushed.push(large.push(sled, bundle(1 + (n % 2))));
    await large.settled();
  }
  expect(large.puts).toHaveLength(2);
  for (let n = 0; n < sleds.length; n += 1) {
    large.puts[n]!.answer();
    await large.settled();
  }
  await Promise.all(pushed);
  expect(large.reads).toEqual([1, 2, 1, 2].map(bundle));
});

test('sleds that take nothing hold up no other sled beyond a bounded time (PBU2)', async () => {
  const { clock, puts, bundles, push, settled } = pusher(8 * MIB);
  const [a, b, honest] = targets(3);
  const pushed = Promise.all([push(a!, bundle(1)), push(b!, bundle(1)), push(honest!, bundle(1))]);
  await settled();
  expect(puts).toHaveLength(2);
  await clock.advance(120_000);
  await pushed;
  await settled();
  expect(puts).toHaveLength(3);
  puts[2]!.answer();
  await settled();
  expect(bundles.isUnderWay()).toBe(false);
});

test('a stop ends what is under way', async () => {
  const { puts, bundles, push, settled } = pusher();
  const [sled] = targets(1);
  const pushed = push(sled!, bundle(1));
  await settled();
  await bundles[Symbol.asyncDispose]();
  expect(puts[0]!.signal.aborted).toBe(true);
  expect(await pushed).toEqual({ sent: 0 });
});
