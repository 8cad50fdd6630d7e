import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededRng } from '../../core/rng.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import type { Clock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { createDriver } from './driver.ts';
import type { Activation, BackgroundTask, TaskResult } from './task.ts';

/** Timers fire only when the test advances the clock. */
const manualClock = () => {
  let nowMs = 0;
  const sleepers = new Set<{ atMs: number; resolve: () => void }>();
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (ms, { signal }) =>
      new Promise((resolve, reject) => {
        const sleeper = { atMs: nowMs + ms, resolve };
        sleepers.add(sleeper);
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
    timeout: () => new AbortController().signal,
  };
  const advance = async (ms: number) => {
    nowMs += ms;
    for (const sleeper of sleepers) {
      if (sleeper.atMs > nowMs) continue;
      sleepers.delete(sleeper);
      sleeper.resolve();
    }
    await delay(0);
  };
  return { clock, advance };
};

const rng = seededRng(1);
const DONE: TaskResult = { summary: {} };

const recordingTask = (
  options: Partial<BackgroundTask> = {},
  run: () => Promise<TaskResult> = async () => DONE,
) => {
  const reasons: string[] = [];
  const task: BackgroundTask = {
    name: 'recorder',
    description: 'records its activations',
    periodMs: 1000,
    activate: async ({ reason }: Activation) => {
      reasons.push(reason);
      return run();
    },
    ...options,
  };
  return { task, reasons };
};

test('a task runs at once, then after each period, and says why (BD4)', async () => {
  const { clock, advance } = manualClock();
  const { task, reasons } = recordingTask();
  await using driver = createDriver({ tasks: [task], clock, rng, log: silentLogger });
  await driver.idle();
  await advance(999);
  expect(reasons).toEqual(['timeout']);
  await advance(1);
  await driver.idle();
  driver.activate('recorder');
  await driver.idle();
  expect(reasons).toEqual(['timeout', 'timeout', 'signaled']);
  expect(driver.status('recorder').last).toMatchObject({ iteration: 3, reason: 'signaled' });
});

test('many signals while a task runs cause one more activation after it (BD1, BD2)', async () => {
  const { clock } = manualClock();
  const gates: PromiseWithResolvers<void>[] = [];
  const { task, reasons } = recordingTask({}, async () => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
    return DONE;
  });
  await using driver = createDriver({ tasks: [task], clock, rng, log: silentLogger });
  await delay(0);
  expect(driver.status('recorder').current).toMatchObject({ iteration: 1 });
  for (let i = 0; i < 5; i += 1) driver.activate('recorder');
  await delay(0);
  expect(gates).toHaveLength(1);
  gates[0]!.resolve();
  await delay(0);
  expect(gates).toHaveLength(2);
  gates[1]!.resolve();
  await driver.idle();
  expect(reasons).toEqual(['timeout', 'signaled']);
});

test('an activation that fails is a status with the chain of causes, and the task goes on (BD3, S15)', async () => {
  const { clock } = manualClock();
  let failing = true;
  const { task } = recordingTask({}, async () => {
    if (failing) throw new Error('reading the config', { cause: new Error('connection refused') });
    return DONE;
  });
  await using driver = createDriver({ tasks: [task], clock, rng, log: silentLogger });
  await driver.idle();
  expect(driver.status('recorder').last?.summary).toEqual({
    error: 'reading the config: connection refused',
  });
  failing = false;
  driver.activate('recorder');
  await driver.idle();
  expect(driver.status('recorder').last?.summary).toEqual({});
});

test('a task may request another activation before its period ends (P6)', async () => {
  const { clock, advance } = manualClock();
  const { task, reasons } = recordingTask({}, async () => ({ summary: {}, againInMs: 10 }));
  await using driver = createDriver({ tasks: [task], clock, rng, log: silentLogger });
  await driver.idle();
  await advance(10);
  await driver.idle();
  expect(reasons).toEqual(['timeout', 'timeout']);
});

test('disabling a task stops its timers, not its signals (S9)', async () => {
  const { clock, advance } = manualClock();
  const { task, reasons } = recordingTask({ disable: true }, async () => ({ summary: {}, againInMs: 1 }));
  await using driver = createDriver({ tasks: [task], clock, rng, log: silentLogger });
  await advance(100_000);
  expect(reasons).toEqual([]);
  driver.activate('recorder');
  await driver.idle();
  await advance(100_000);
  expect(reasons).toEqual(['signaled']);
});

test('a change of one task activates those that depend on it; no change does not (S9)', async () => {
  const { clock } = manualClock();
  let changed = true;
  const { task: source } = recordingTask({ name: 'source' }, async () => ({ summary: {}, changed }));
  const { task: dependent, reasons } = recordingTask({
    name: 'dependent',
    dependsOn: ['source'],
    disable: true,
  });
  await using driver = createDriver({ tasks: [source, dependent], clock, rng, log: silentLogger });
  await driver.idle();
  expect(reasons).toEqual(['dependency']);
  changed = false;
  driver.activate('source');
  await driver.idle();
  expect(reasons).toEqual(['dependency']);
});

test('an unknown task is refused with the names of those there are', async () => {
  const { clock } = manualClock();
  await using driver = createDriver({ tasks: [recordingTask().task], clock, rng, log: silentLogger });
  expect(() => driver.activate('recoder')).toThrow('background tasks: recorder');
});

test('an activation that a stop aborts is no failure, and is not logged as one (S15)', async () => {
  const { clock } = manualClock();
  const errors: unknown[] = [];
  const log = {
    ...silentLogger,
    child: () => log,
    error: (fields: unknown) => void errors.push(fields),
  } as never;
  const { task } = recordingTask({
    activate: ({ signal }: Activation) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
      ),
  });
  const driver = createDriver({ tasks: [task], clock, rng, log });
  await delay(0);
  expect(driver.status('recorder').current).toBeDefined();
  await driver[Symbol.asyncDispose]();
  expect(errors).toEqual([]);
});

test('a task that failed is activated again within a second, then with back-off, and by its period after a success (BD5)', async () => {
  const clock = createTestClock();
  let failing = true;
  const timesMs: number[] = [];
  const task: BackgroundTask = {
    ...recordingTask().task,
    periodMs: 60_000,
    activate: async () => {
      timesMs.push(clock.monotonicMs());
      if (failing) throw new Error('the database does not answer');
      return DONE;
    },
  };
  await using driver = createDriver({ tasks: [task], clock, rng, log: silentLogger });
  await driver.idle();
  await clock.advance(1_000);
  expect(timesMs).toHaveLength(2);
  await clock.advance(6_000);
  expect(timesMs).toHaveLength(4);
  failing = false;
  await clock.advance(8_000);
  expect(timesMs).toHaveLength(5);
  const afterSuccessMs = timesMs.at(-1)!;
  failing = true;
  await clock.advance(60_000);
  expect(timesMs[5]! - afterSuccessMs).toBe(60_000);
  await clock.advance(1_000);
  expect(timesMs[6]! - timesMs[5]!).toBeLessThanOrEqual(1_000);
});

test('a task whose timers are turned off is not repeated after a failure (BD5)', async () => {
  const clock = createTestClock();
  const { task, reasons } = recordingTask({ disable: true }, async () => {
    throw new Error('the database does not answer');
  });
  await using driver = createDriver({ tasks: [task], clock, rng, log: silentLogger });
  driver.activate('recorder');
  await driver.idle();
  await clock.advance(1_000_000);
  expect(reasons).toEqual(['signaled']);
});

test('when the cause of failures is over, the failed tasks are activated at once, and no others (BD6)', async () => {
  const clock = createTestClock();
  let failing = true;
  const failed = recordingTask({ name: 'failed' }, async () => {
    if (failing) throw new Error('the database does not answer');
    return DONE;
  });
  const well = recordingTask({ name: 'well' });
  const tasks = [failed.task, well.task];
  await using driver = createDriver({ tasks, clock, rng, log: silentLogger });
  await driver.idle();
  failing = false;
  driver.retryFailed();
  await driver.idle();
  driver.retryFailed();
  await driver.idle();
  expect(failed.reasons).toEqual(['timeout', 'timeout']);
  expect(well.reasons).toEqual(['timeout']);
});
