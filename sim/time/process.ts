/**
 * A process of the simulated fleet: every event from outside (time, disk, network, database) comes through its gate.
 *
 * TP1. No event reaches a process that has ended, and none of its requests has an effect any more. Its promises never settle:
 *      it does not learn that it was killed.
 * TP2. A paused process receives its events when it resumes, in the order of their arrival.
 */
import type { Clock } from '../../src/lib/clock.ts';
import type { Cancel, Scheduler } from './scheduler.ts';

/** Wall-clock time at the beginning of a run. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

export type SimProcess = {
  readonly name: string;
  readonly state: () => 'running' | 'paused' | 'ended';
  readonly clock: Clock;
  /** Runs in this process after a time. */
  readonly after: (ms: number, run: () => void) => Cancel;
  /** Runs in this process now, or when it resumes. */
  readonly deliver: (run: () => void) => void;
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends it without notice, like SIGKILL. */
  readonly kill: () => void;
  /** For the other ends of its connections. Called at once if it has ended already. */
  readonly onEnd: (listener: () => void) => Cancel;
};

/** @param wallOffsetMs of the machine's clock, read each time: it may jump */
export const createProcess = (
  name: string,
  scheduler: Scheduler,
  wallOffsetMs: () => number = () => 0,
): SimProcess => {
  let state: 'running' | 'paused' | 'ended' = 'running';
  let waiting: (() => void)[] = [];
  const listeners = new Set<() => void>();
  const onEnd: SimProcess['onEnd'] = listener => {
    if (state === 'ended') listener();
    else listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const deliver = (run: () => void): void => {
    if (state === 'running') run();
    else if (state === 'paused') waiting.push(run);
  };
  const after = (ms: number, run: () => void): Cancel => scheduler.after(ms, () => deliver(run));
  return {
    name,
    state: () => state,
    clock: processClock({ scheduler, after, onEnd, wallOffsetMs }),
    after,
    deliver,
    pause() {
      if (state === 'running') state = 'paused';
    },
    resume() {
      if (state !== 'paused') return;
      state = 'running';
      const due = waiting;
      waiting = [];
      for (const run of due) scheduler.after(0, () => deliver(run));
    },
    kill() {
      if (state === 'ended') return;
      state = 'ended';
      waiting = [];
      for (const listener of listeners) listener();
      listeners.clear();
    },
    onEnd,
  };
};

const processClock = ({
  scheduler,
  after,
  onEnd,
  wallOffsetMs,
}: Pick<SimProcess, 'after' | 'onEnd'> & {
  readonly scheduler: Scheduler;
  readonly wallOffsetMs: () => number;
}): Clock => {
  const bootMs = scheduler.nowMs();
  return {
    nowMs: () => Math.floor(EPOCH_MS + scheduler.nowMs() + wallOffsetMs()),
    monotonicMs: () => scheduler.nowMs() - bootMs,
    sleep: (ms, { signal }) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        let forgetEnd: Cancel = () => undefined;
        const leave = () => {
          signal.removeEventListener('abort', abandon);
          forgetEnd();
          cancel();
        };
        const abandon = () => {
          leave();
          reject(signal.reason);
        };
        const cancel = after(ms, () => {
          leave();
          resolve();
        });
        signal.addEventListener('abort', abandon, { once: true });
        // Node keeps a composed signal for as long as it has a listener.
        forgetEnd = onEnd(leave);
      }),
    timeout(ms) {
      const controller = new AbortController();
      after(ms, () => controller.abort(new DOMException('the time was up', 'TimeoutError')));
      return controller.signal;
    },
  };
};
