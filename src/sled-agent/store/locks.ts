/**
 * The two locks of the store (P2), both in order of arrival and both within one process: a dataset has one owner.
 *
 * - one lock per hash: a put's last step and an unlink of the same artifact never overlap;
 * - one lock shared by unlinks and exclusive to adoption: a config is adopted between unlinks, never during one.
 *
 * An unlink takes the hash first and the shared lock second; adoption takes no hash, so there is no cycle.
 */

export type KeyedLock = <T>(key: string, work: () => Promise<T>) => Promise<T>;

export const createKeyedLock = (): KeyedLock => {
  const tails = new Map<string, Promise<void>>();
  return (key, work) => {
    const run = (tails.get(key) ?? Promise.resolve()).then(work);
    const tail = run.then(
      () => undefined,
      () => undefined,
    );
    tails.set(key, tail);
    void tail.then(() => {
      if (tails.get(key) === tail) tails.delete(key);
    });
    return run;
  };
};

export type SharedLock = {
  readonly shared: <T>(work: () => Promise<T>) => Promise<T>;
  readonly exclusive: <T>(work: () => Promise<T>) => Promise<T>;
};

export const createSharedLock = (): SharedLock => {
  const sharers = new Set<Promise<unknown>>();
  let waitingExclusive = 0;
  let lastExclusive: Promise<unknown> = Promise.resolve();
  return {
    async shared(work) {
      // A waiting adoption goes first, so a long deletion pass cannot starve it.
      while (waitingExclusive > 0) await lastExclusive;
      const run = work();
      const settled = run.catch(() => undefined);
      sharers.add(settled);
      try {
        return await run;
      } finally {
        sharers.delete(settled);
      }
    },
    exclusive(work) {
      waitingExclusive += 1;
      const run = lastExclusive.then(async () => {
        try {
          await Promise.all(sharers);
          return await work();
        } finally {
          waitingExclusive -= 1;
        }
      });
      lastExclusive = run.catch(() => undefined);
      return run;
    },
  };
};
