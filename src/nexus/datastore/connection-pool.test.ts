import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { createConnectionPool, type Poolable } from './connection-pool.ts';

type FakeClient = Poolable & { readonly id: number; readonly breaks: () => void };

const { signal } = new AbortController();
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

const createPool = (maxConnections = 2) => {
  const clock = createTestClock();
  const closed: number[] = [];
  const faults: Error[] = [];
  let opened = 0;
  const pool = createConnectionPool<FakeClient>({
    async open() {
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      opened += 1;
      const id = opened;
      const events = new EventEmitter();
      return {
        id,
        breaks: () => void events.emit('end'),
        on: (event, listener) => events.on(event, listener),
      };
    },
    close: async ({ id }) => void closed.push(id),
    clock,
    maxConnections,
    waitTimeoutMs: 5_000,
    idleTimeoutMs: 10_000,
  });
  return { pool, clock, closed, faults, opened: () => opened };
};

test('a connection that was kept is used again', async () => {
  const { pool, opened } = createPool();
  (await pool.acquire({ signal })).release('keep');
  const again = await pool.acquire({ signal });
  expect(again.client.id).toBe(1);
  expect(opened()).toBe(1);
});

test('a connection that broke is closed and replaced (CP1)', async () => {
  const { pool, closed } = createPool();
  (await pool.acquire({ signal })).release('close');
  const kept = await pool.acquire({ signal });
  kept.client.breaks();
  kept.release('keep');
  await turns();
  expect(closed).toEqual([1, 2]);
  expect((await pool.acquire({ signal })).client.id).toBe(3);
});

test('an idle connection that the server closes is not handed out (CP1)', async () => {
  const { pool, closed } = createPool();
  const lease = await pool.acquire({ signal });
  lease.release('keep');
  lease.client.breaks();
  await turns();
  expect(closed).toEqual([1]);
  expect((await pool.acquire({ signal })).client.id).toBe(2);
});

test('a connection that failed because the server is gone closes the idle ones too (CP2)', async () => {
  const { pool, closed } = createPool(3);
  const [one, two, three] = [
    await pool.acquire({ signal }),
    await pool.acquire({ signal }),
    await pool.acquire({ signal }),
  ];
  two.release('keep');
  one.release('suspect');
  await turns();
  expect(closed.toSorted()).toEqual([1, 2]);
  three.release('keep');
  expect((await pool.acquire({ signal })).client.id).toBe(3);
});

test('waiting callers are served in order, by a kept connection or by a slot that became free', async () => {
  const { pool } = createPool(1);
  const held = await pool.acquire({ signal });
  const order: string[] = [];
  const first = pool.acquire({ signal }).then(lease => {
    order.push(`first has ${lease.client.id}`);
    lease.release('close');
  });
  const second = pool.acquire({ signal }).then(lease => void order.push(`second has ${lease.client.id}`));
  await turns();
  held.release('keep');
  await Promise.all([first, second]);
  expect(order).toEqual(['first has 1', 'second has 2']);
});

test('a slot whose connection could not be opened passes to the next waiting caller', async () => {
  const { pool, faults } = createPool(1);
  const held = await pool.acquire({ signal });
  faults.push(new Error('refused'));
  const first = pool.acquire({ signal });
  const second = pool.acquire({ signal });
  held.release('close');
  await expect(first).rejects.toThrow('refused');
  expect((await second).client.id).toBe(2);
});

test('waiting ends with an error after its limit, or when the caller leaves, and uses up no slot (CP3)', async () => {
  const { pool, clock } = createPool(1);
  const held = await pool.acquire({ signal });
  const late = pool.acquire({ signal });
  const aborter = new AbortController();
  const left = pool.acquire({ signal: aborter.signal });
  aborter.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  const expired = expect(late).rejects.toThrow('no connection became free within 5000 ms');
  await clock.advance(5_000);
  await expired;
  held.release('keep');
  expect((await pool.acquire({ signal })).client.id).toBe(1);
});

test('an idle connection is closed after its time', async () => {
  const { pool, clock, closed } = createPool();
  (await pool.acquire({ signal })).release('keep');
  await clock.advance(9_999);
  expect(closed).toEqual([]);
  await clock.advance(1);
  await turns();
  expect(closed).toEqual([1]);
});

test('ending closes idle connections, waits for those in use, and refuses waiting callers', async () => {
  const { pool, closed } = createPool();
  const used = await pool.acquire({ signal });
  const other = await pool.acquire({ signal });
  const refused = expect(pool.acquire({ signal })).rejects.toThrow('are closed');
  const ended = pool[Symbol.asyncDispose]();
  await refused;
  other.release('keep');
  await turns();
  expect(closed).toEqual([2]);
  used.release('keep');
  await ended;
  expect(closed).toEqual([2, 1]);
  await expect(pool.acquire({ signal })).rejects.toThrow('are closed');
});
