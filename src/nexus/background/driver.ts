/**
 * The driver: activates background tasks, by timer, by signal and after each other.
 *
 *     start ─▶ timer ──┐
 *     signal ──────────┼─▶ activate ─▶ result ─▶ dependents, next timer
 *     dependency ──────┘
 *
 * BD1. One task never runs twice at once in one Nexus.
 * BD2. Any number of signals during an activation cause one more activation after it; none is lost.
 * BD3. A failed activation is reported in the status, and does not end the task (S15).
 * BD4. The first activation is immediate: after a restart nothing waits for a period.
 * BD5. A failed activation is repeated by timer within seconds, with back-off; a success ends the back-off (P6,
 *      core/after-failure.ts). A task whose timers are turned off waits for its next signal.
 * BD6. {@link Driver.retryFailed} ends the back-offs of all tasks: the cause of their failures may be over.
 */
import { afterFailure } from '../../core/after-failure.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { ActivationReason, BackgroundTask, TaskResult } from './task.ts';

type RunningActivation = {
  readonly iteration: number;
  readonly reason: ActivationReason;
  readonly startMs: number;
};

export type TaskStatus = {
  readonly name: string;
  readonly description: string;
  readonly periodMs: number;
  readonly periodic: boolean;
  readonly current: RunningActivation | undefined;
  readonly last:
    | (RunningActivation & {
        readonly elapsedMs: number;
        /** `{ error }` if the activation failed. */
        readonly summary: Readonly<Record<string, unknown>>;
        /** For the list of tasks. */
        readonly listed: () => Readonly<Record<string, unknown>>;
        readonly details: () => Readonly<Record<string, unknown>>;
      })
    | undefined;
};

export type Driver = {
  /** Signals a task; `NOT_FOUND` names the existing tasks. */
  readonly activate: (name: string) => void;
  readonly status: (name: string) => TaskStatus;
  readonly list: () => readonly TaskStatus[];
  /** Activates the tasks whose last activation failed, as their timers would (BD6). */
  readonly retryFailed: () => void;
  /** Resolves when no activation is running or pending a signal; timers do not count. */
  readonly idle: () => Promise<void>;
  /** Aborts running activations and waits for their end. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Slot = {
  readonly task: BackgroundTask;
  readonly log: Logger;
  pending: ActivationReason | undefined;
  wake: () => void;
  /** Ends the timer that the last activation set; the next activation sets another. */
  timer: AbortController;
  current: TaskStatus['current'];
  last: TaskStatus['last'];
  iteration: number;
  /** Activations in a row that failed. */
  failures: number;
};

export const createDriver = (deps: {
  tasks: readonly BackgroundTask[];
  clock: Clock;
  rng: Rng;
  log: Logger;
}): Driver => {
  const stop = new AbortController();
  const slots = new Map<string, Slot>();
  const idleWaiters = new Set<() => void>();
  for (const task of deps.tasks) slots.set(task.name, newSlot(task, deps.log));

  const slotOf = (name: string): Slot => {
    const slot = slots.get(name);
    if (slot === undefined) {
      const known = [...slots.keys()].sort().join(', ');
      throw new DepotError('NOT_FOUND', `there is no background task "${name}"; background tasks: ${known}`);
    }
    return slot;
  };

  const trigger = (slot: Slot, reason: ActivationReason) => {
    // A timer is the least specific reason; any other one that came first is kept.
    if (slot.pending === undefined || slot.pending === 'timeout') slot.pending = reason;
    slot.wake();
  };

  const triggerDependents = (name: string) => {
    for (const slot of slots.values()) if (slot.task.dependsOn?.includes(name)) trigger(slot, 'dependency');
  };

  const settleIdle = () => {
    if ([...slots.values()].some(slot => slot.current !== undefined || slot.pending !== undefined)) return;
    for (const resolve of idleWaiters) resolve();
    idleWaiters.clear();
  };

  const loops = [...slots.values()].map(async slot => {
    for (;;) {
      const running = await nextActivation(slot, deps.clock, stop.signal);
      if (running === undefined) return;
      const result = await runOnce(slot, running, deps.clock, stop.signal);
      slot.current = undefined;
      slot.failures = result === undefined ? slot.failures + 1 : 0;
      scheduleNext(slot, result, deps, () => trigger(slot, 'timeout'));
      if (result?.changed === true) triggerDependents(slot.task.name);
      settleIdle();
    }
  });

  return {
    activate: name => trigger(slotOf(name), 'signaled'),
    status: name => statusOf(slotOf(name)),
    list: () => [...slots.values()].map(statusOf),
    retryFailed() {
      for (const slot of slots.values())
        if (slot.failures > 0 && slot.current === undefined && slot.task.disable !== true)
          trigger(slot, 'timeout');
    },
    idle: () =>
      new Promise(resolve => {
        idleWaiters.add(resolve);
        settleIdle();
      }),
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'the background tasks are being stopped'));
      for (const slot of slots.values()) {
        slot.timer.abort();
        slot.wake();
      }
      await Promise.all(loops);
    },
  };
};

const newSlot = (task: BackgroundTask, log: Logger): Slot => ({
  task,
  log: log.child({ task: task.name }),
  pending: task.disable === true ? undefined : 'timeout',
  wake: () => undefined,
  timer: new AbortController(),
  current: undefined,
  last: undefined,
  iteration: 0,
  failures: 0,
});

/** Waits until something is pending and makes it the running activation; undefined once the driver stops. */
const nextActivation = async (
  slot: Slot,
  clock: Clock,
  stop: AbortSignal,
): Promise<RunningActivation | undefined> => {
  while (slot.pending === undefined && !stop.aborted) {
    await new Promise<void>(resolve => {
      slot.wake = resolve;
    });
  }
  if (stop.aborted || slot.pending === undefined) return undefined;
  slot.timer.abort();
  slot.timer = new AbortController();
  // In one step, so that the slot never appears idle in between.
  slot.iteration += 1;
  slot.current = { iteration: slot.iteration, reason: slot.pending, startMs: clock.nowMs() };
  slot.pending = undefined;
  return slot.current;
};

/** BD3: resolves whatever the task does; without a result when it failed. */
const runOnce = async (
  slot: Slot,
  { iteration, reason, startMs }: RunningActivation,
  clock: Clock,
  signal: AbortSignal,
): Promise<TaskResult | undefined> => {
  const began = clock.monotonicMs();
  let result: TaskResult | undefined;
  let summary: Readonly<Record<string, unknown>>;
  try {
    result = await slot.task.activate({ reason, log: slot.log, signal });
    summary = result.summary;
    slot.log.debug({ iteration, reason, ...summary }, 'activation complete');
  } catch (error) {
    summary = { error: messageChain(error) };
    // A failure while the driver stops was caused by the stop.
    if (signal.aborted) slot.log.debug({ iteration, reason, err: error }, 'activation cut off');
    else slot.log.error({ iteration, reason, err: error }, 'activation failed');
  }
  const elapsedMs = clock.monotonicMs() - began;
  const readings = {
    listed: result?.listed ?? (() => summary),
    details: result?.details ?? (() => summary),
  };
  slot.last = { iteration, reason, startMs, elapsedMs, summary, ...readings };
  return result;
};

const scheduleNext = (
  slot: Slot,
  result: TaskResult | undefined,
  { clock, rng }: { clock: Clock; rng: Rng },
  fire: () => void,
): void => {
  if (slot.task.disable === true || slot.timer.signal.aborted) return;
  const { periodMs } = slot.task;
  const waitMs =
    result === undefined
      ? afterFailure(slot.failures, periodMs, rng.next()) // BD5
      : Math.min(periodMs, result.againInMs ?? Number.POSITIVE_INFINITY);
  clock.sleep(waitMs, { signal: slot.timer.signal }).then(fire, () => undefined);
};

const statusOf = ({ task, current, last }: Slot): TaskStatus => ({
  name: task.name,
  description: task.description,
  periodMs: task.periodMs,
  periodic: task.disable !== true,
  current,
  last,
});
