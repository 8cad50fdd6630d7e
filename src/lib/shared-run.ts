/**
 * One piece of work for all who ask for it at the same time: who asks while it runs shares the next run.
 *
 *     a ─▶ run 1 ──────────┐
 *     b ──▶ waits ─────────┴─▶ run 2 ─▶ answers b and c
 *     c ─────▶ waits ──────────┘
 *
 * SHR1. A caller is answered by a run that began after its call: what the caller did before, that run has met.
 * SHR2. A run that fails also fails the callers that wait for the next one. A sync of a disk needs that: after a failure the
 *       kernel may have dropped their changes too, and report success the second time.
 */
export const createSharedRun = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  let running: Promise<T> | undefined;
  let waiting: Promise<T> | undefined;
  const begin = (): Promise<T> => {
    waiting = undefined;
    const run = work().finally(() => {
      if (running === run) running = undefined;
    });
    running = run;
    return run;
  };
  return () => {
    if (running === undefined) return waiting ?? begin();
    waiting ??= running.then(begin, (error: unknown) => {
      waiting = undefined;
      throw error;
    });
    return waiting;
  };
};
