import { expect, test } from 'vitest';
import { UploadId } from '../../core/ids.ts';
import { pairKey } from '../../core/plan/input.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import { createRequestLog } from '../history/request-log.ts';
import { createExecutor, DEFAULT_EXECUTE_LIMITS, type ExecuteLimits } from './execute.ts';
import { contentOf, type FakeSled, fakeConnection, fakeSled, generation, hashOf } from './fleet.fixture.ts';
import { createFleetMemory } from './sled-memory.ts';

const uploadId = UploadId.parse('00000003-0000-4000-8000-000000000001');
const NOTHING: Plan = {
  puts: [],
  copies: [],
  deferred: 0,
  nextAttemptMs: undefined,
  blocked: [],
  retried: [],
  localRepos: [],
};

const put = (n: number, target: FakeSled): Plan['puts'][number] => ({
  kind: 'put',
  sha256: hashOf(n),
  sizeBytes: 1000,
  target: target.target.id,
  uploadId,
});
const copy = (
  n: number,
  target: FakeSled,
  source: FakeSled,
  more: { kind?: 'sled' | 'after_put'; recopy?: boolean } = {},
): Plan['copies'][number] => ({
  kind: 'copy',
  sha256: hashOf(n),
  sizeBytes: 1000,
  target: target.target.id,
  source: { kind: more.kind ?? 'sled', sledId: source.target.id },
  recopy: more.recopy ?? false,
});

const execution = (
  count: number,
  options: { limits?: Partial<ExecuteLimits>; connection?: Partial<SledConnection> } = {},
) => {
  const sleds = Array.from({ length: count }, (_, n) => fakeSled(n + 1));
  const config = {
    generation: generation(2),
    artifacts: new Map([1, 2, 3].map(n => [hashOf(n), 1000] as const)),
  };
  for (const sled of sleds) sled.config = config;
  const clock = systemClock;
  const memory = createFleetMemory({ clock, rng: seededRng(1) });
  const requests = createRequestLog({ clock, log: silentLogger });
  const fake = fakeConnection(sleds);
  const executor = createExecutor({
    connection: { ...fake, ...options.connection },
    staging: {
      async openArtifact(_upload, sha256) {
        const n = [1, 2, 3].find(candidate => hashOf(candidate) === sha256)!;
        return {
          sizeBytes: 1000,
          chunks: async function* () {
            yield contentOf(n);
          },
          readRange: async () => new Uint8Array(),
          [Symbol.asyncDispose]: async () => undefined,
        };
      },
    },
    memory,
    requests,
    clock,
    limits: { ...DEFAULT_EXECUTE_LIMITS, ...options.limits },
  });
  const execute = (plan: Partial<Plan>) =>
    executor.execute(
      { ...NOTHING, ...plan },
      {
        generation: generation(2),
        digest: '0'.repeat(64),
        sleds: new Map(sleds.map(sled => [sled.target.id, sled.target])),
      },
      { signal: new AbortController().signal },
    );
  return { sleds, memory, requests, executor, execute, log: fake.log };
};

/** Rejects as a transport does: when the request's signal aborts. */
const hang = (signal: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  );

test('a copy after a put takes another target when its own failed, and is left out when all failed (E3, B8)', async () => {
  const { sleds, execute, log } = execution(3);
  const [a, b, c] = sleds as [FakeSled, FakeSled, FakeSled];
  const disk = async () => {
    throw new DepotError('IO', 'disk error');
  };
  a.fault.put = disk;
  const plan = { puts: [put(1, a), put(1, b)], copies: [copy(1, c, a, { kind: 'after_put' })] };
  expect(await execute(plan)).toEqual({ written: 2, sent: 3, notStarted: 0 });
  expect(log.filter(line => line.startsWith('copy'))).toEqual([
    expect.stringContaining('sled-3 from sled-2'),
  ]);
  b.fault.put = disk;
  expect(await execute(plan)).toEqual({ written: 0, sent: 2, notStarted: 1 });
});

test('what has no free place within the budget is not started, and a put that is being sent is known as in flight (E2)', async () => {
  const { sleds, execute, executor, requests } = execution(2, {
    limits: { putConcurrency: 1, budgetMs: 10 },
  });
  const gate = Promise.withResolvers<void>();
  sleds[0]!.fault.put = () => gate.promise;
  expect(await execute({ puts: [put(1, sleds[0]!), put(1, sleds[1]!)] })).toEqual({
    written: 0,
    sent: 1,
    notStarted: 1,
  });
  expect(executor.putsInFlight()).toEqual([{ sledId: sleds[0]!.target.id, sha256: hashOf(1) }]);
  gate.resolve();
  await expect.poll(() => executor.putsInFlight()).toEqual([]);
  expect(requests.lifetime()).toMatchObject({ put_ok: 1, put_err: 0 });
  expect(sleds[1]!.files.size, 'what was not started is for the next plan').toBe(0);
});

test('a stop aborts puts and copies under way, and waits for them (S15)', async () => {
  const signals: AbortSignal[] = [];
  const { sleds, execute, executor, requests } = execution(2, {
    limits: { budgetMs: 10 },
    connection: {
      put: (_sled, _artifact, { signal }) => {
        signals.push(signal);
        return hang(signal);
      },
      copy: (_sled, _artifact, { signal }) => {
        signals.push(signal);
        return hang(signal);
      },
    },
  });
  await execute({ puts: [put(1, sleds[0]!)], copies: [copy(2, sleds[0]!, sleds[1]!)] });
  expect(signals.map(signal => signal.aborted)).toEqual([false, false]);
  await executor[Symbol.asyncDispose]();
  expect(signals.map(signal => signal.aborted)).toEqual([true, true]);
  expect(requests.lifetime(), 'nothing is under way any more').toMatchObject({ put_err: 1, copy_err: 1 });
});

test('a copy request that is not answered ends at its deadline, with a reason, and costs this copy alone (G8)', async () => {
  const { sleds, execute, requests, memory } = execution(2, {
    limits: { copyAnswerTimeoutMs: 10 },
    connection: { copy: (_sled, _artifact, { signal }) => hang(signal) },
  });
  const [a, b] = sleds as [FakeSled, FakeSled];
  await execute({ copies: [copy(1, a, b)] });
  expect(requests.recent()).toMatchObject([{ failure: { code: 'COPY_SOURCE' } }]);
  expect(memory.sled(a.target.id).silence).toBeUndefined();
  expect(memory.routes().get(a.target.id)?.get(b.target.id)).toMatchObject({
    because: expect.stringContaining('within 0.01 s'),
  });
});

test('a re-copy that a sled accepts is remembered, so that one without effect is not sent over and over (B9)', async () => {
  const { sleds, execute, memory } = execution(2);
  const [a, b] = sleds as [FakeSled, FakeSled];
  b.files.set(hashOf(1), contentOf(1));
  b.files.set(hashOf(2), contentOf(2));
  await execute({ copies: [copy(1, a, b, { recopy: true }), copy(2, a, b)] });
  memory.recopiesEnded(a.target.id, () => false, []);
  expect([...memory.backoff().keys()]).toEqual([pairKey(a.target.id, hashOf(1))]);
});

test('a source is trusted again once a copy from it that was accepted has arrived (B21)', async () => {
  const { sleds, execute, memory } = execution(2);
  const [a, b] = sleds as [FakeSled, FakeSled];
  memory.transferFailed(a.target.id, hashOf(2), new DepotError('COPY_SOURCE', 'cut'), b.target.id);
  b.files.set(hashOf(1), contentOf(1));
  await execute({ copies: [copy(1, a, b)] });
  expect(memory.routes().get(a.target.id)?.get(b.target.id)).toBeDefined();
  memory.transferDone(a.target.id, hashOf(1));
  expect(memory.routes().size).toBe(0);
});
