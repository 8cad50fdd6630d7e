/**
 * A bounded pool of connections.
 *
 *     acquire ─▶ an idle one, the last used first ─▶ or a new one ─▶ or wait in order ─▶ work ─▶ release
 *
 * CP1. A broken connection is closed, never handed out again.
 * CP2. A connection that failed because of the server makes the idle ones suspect: all of them are closed, so that after a
 *      failover the next transaction has a fresh connection and does not try one dead one after another.
 * CP3. Waiting for a connection has a time limit: a slow database becomes an error, not a queue.
 */
import type { Clock } from '../../lib/clock.ts';

/** What the pool needs of a connection. `pg.Client` is one. */
export type Poolable = {
  readonly on: (event: 'error' | 'end', listener: () => void) => unknown;
};

/** `keep`: it works. `close`: it is broken. `suspect`: the server did not answer, or accepts no writes (CP2). */
export type Release = 'keep' | 'close' | 'suspect';

export type Lease<C> = {
  readonly client: C;
  /** Must be called once. */
  readonly release: (how: Release) => void;
};

export type ConnectionPool<C> = {
  /** Rejects as `open` does, when CP3's limit is over, or with the signal's reason. */
  readonly acquire: (options: { signal: AbortSignal }) => Promise<Lease<C>>;
  /** Closes idle connections, and leased ones when they are released; waits for that. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type PoolLimits = {
  readonly maxConnections: number;
  readonly waitTimeoutMs: number;
  /** An idle connection is closed after this time. */
  readonly idleTimeoutMs: number;
};

type Deps<C> = PoolLimits & {
  readonly open: (options: { signal: AbortSignal }) => Promise<C>;
  /** Takes a bounded time, whatever the server does. */
  readonly close: (client: C) => Promise<void>;
  readonly clock: Clock;
};

export const createConnectionPool = <C extends Poolable>(deps: Deps<C>): ConnectionPool<C> => {
  const ending = new AbortController();
  const queue = createQueue();
  const broken = new WeakSet<C>();
  let places = deps.maxConnections;
  let allClosed = Promise.withResolvers<void>();

  /** A slot is free only when its connection is closed: the server's limit counts closing ones too. */
  const placeIsFree = (): void => {
    places += 1;
    if (places === deps.maxConnections) allClosed.resolve();
    queue.admitNext();
  };
  const close = (client: C): void => void deps.close(client).then(placeIsFree);
  const idle = createShelf({ ...deps, close });

  const lease = (client: C): Lease<C> => ({
    client,
    release(how) {
      if (how === 'suspect') idle.removeAll();
      if (how !== 'keep' || ending.signal.aborted || broken.has(client)) return close(client);
      idle.put(client);
      queue.admitNext();
    },
  });

  const openNew = async (signal: AbortSignal): Promise<C> => {
    places -= 1;
    allClosed = Promise.withResolvers();
    let client: C;
    try {
      client = await deps.open({ signal: AbortSignal.any([signal, ending.signal]) });
    } catch (error) {
      placeIsFree();
      throw error;
    }
    const breaks = () => {
      broken.add(client);
      idle.remove(client);
    };
    client.on('error', breaks);
    client.on('end', breaks);
    return client;
  };

  return {
    async acquire({ signal }) {
      signal.throwIfAborted();
      let limit: AbortSignal | undefined;
      for (;;) {
        ending.signal.throwIfAborted();
        const client = idle.take();
        if (client !== undefined) return lease(client);
        if (places > 0) return lease(await openNew(signal));
        limit ??= deps.clock.timeout(deps.waitTimeoutMs);
        try {
          await queue.wait(AbortSignal.any([signal, limit, ending.signal]));
        } catch (error) {
          if (!limit.aborted || signal.aborted) throw error;
          throw new Error(`no connection became free within ${deps.waitTimeoutMs} ms`);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      ending.abort(new Error('the connections to the database are closed'));
      idle.removeAll();
      if (places < deps.maxConnections) await allClosed.promise;
    },
  };
};

/** Callers that wait for a connection or for a slot, in order. */
const createQueue = () => {
  const waiters: (() => void)[] = [];
  return {
    admitNext: (): void => waiters.shift()?.(),
    wait: (signal: AbortSignal): Promise<void> =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const leave = () => {
          waiters.splice(waiters.indexOf(admit), 1);
          reject(signal.reason);
        };
        const admit = () => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        waiters.push(admit);
        signal.addEventListener('abort', leave, { once: true });
      }),
  };
};

/** Idle connections; each is closed when its time is over. */
const createShelf = <C>({
  clock,
  idleTimeoutMs,
  close,
}: {
  clock: Clock;
  idleTimeoutMs: number;
  close: (client: C) => void;
}) => {
  const timers = new Map<C, AbortController>();
  const forget = (client: C): boolean => {
    timers.get(client)?.abort();
    return timers.delete(client);
  };
  const remove = (client: C): void => {
    if (forget(client)) close(client);
  };
  return {
    remove,
    removeAll: (): void => [...timers.keys()].forEach(remove),
    take(): C | undefined {
      const last = [...timers.keys()].at(-1);
      if (last !== undefined) forget(last);
      return last;
    },
    put(client: C): void {
      const timer = new AbortController();
      timers.set(client, timer);
      clock.sleep(idleTimeoutMs, { signal: timer.signal }).then(
        () => remove(client),
        () => undefined,
      );
    },
  };
};
