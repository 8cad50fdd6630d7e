/** Slow strangers, at addresses of their own (127.0.0.2 …), beside the configured Nexus of a sled at 127.0.0.1. */
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { Generation } from '../core/ids.ts';
import { TEMPORARY_PREFIX } from '../lib/durable-file.ts';
import { errorCodeOf } from '../lib/errors.ts';
import { hashOf, startTestSled, type TestSled } from './sled.fixture.ts';

const CONTENT = 'slow content';

/** Closed before the sled, which otherwise waits for their requests. */
const openSockets = (): DisposableStack => new DisposableStack();

/** A put of `CONTENT` that has sent this much of it, and waits. */
const slowPut = async (
  sockets: DisposableStack,
  sled: TestSled,
  generation: Generation,
  { from, sent }: { from: string; sent: string },
): Promise<Socket & { answer: () => string }> => {
  const port = Number(sled.agent.agentAddress.split(':')[1]);
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => undefined);
  sockets.defer(() => socket.destroy());
  await once(socket, 'connect');
  const path = `/artifacts/${hashOf(CONTENT)}?generation=${generation}`;
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${CONTENT.length}\r\n\r\n${sent}`);
  let answer = '';
  socket.on('data', chunk => {
    answer += chunk;
  });
  return Object.assign(socket, { answer: () => answer });
};

/** No stall is noticed while a test waits. */
const PATIENT = { intervals: { stall_s: 600 } };

test('clients that announce a body and send none of it hold no slot, and no space (T5)', async () => {
  await using sled = await startTestSled({ ...PATIENT, limits: { puts: 2 } });
  using sockets = openSockets();
  const generation = await sled.want(CONTENT, 'abc');
  for (const from of ['127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.3'])
    await slowPut(sockets, sled, generation, { from, sent: '' });
  expect(await sled.put('abc', generation)).toEqual({ datasets: 2, successful_writes: 2 });
});

test('a client that sends no byte in time is answered that it stalled', async () => {
  await using sled = await startTestSled({ intervals: { stall_s: 0.3 } });
  using sockets = openSockets();
  const generation = await sled.want(CONTENT);
  const slow = await slowPut(sockets, sled, generation, { from: '127.0.0.2', sent: '' });
  await expect.poll(slow.answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*BODY_STALLED/);
});

test.each(['127.0.0.1', 'localhost'])(
  'slow strangers have half of the slots each, and leave some for the Nexus at %s (SO1, T5)',
  async nexusHost => {
    await using sled = await startTestSled({ ...PATIENT, limits: { puts: 4 } }, { nexusHost });
    using sockets = openSockets();
    const generation = await sled.want(CONTENT, 'abc');
    const held: Socket[] = [];
    for (const [from, refused] of [
      ['127.0.0.2', undefined],
      ['127.0.0.2', undefined],
      ['127.0.0.2', /as many as it allows for 127\.0\.0\.2/],
      ['127.0.0.3', undefined],
      ['127.0.0.4', /3 puts are in flight on this sled, as many as it allows for others than its Nexuses/],
    ] as const) {
      const slow = await slowPut(sockets, sled, generation, { from, sent: CONTENT.slice(0, 3) });
      if (refused === undefined) held.push(slow);
      else {
        await expect.poll(slow.answer).toMatch(refused);
        expect(slow.answer()).toMatch(/^HTTP\/1\.1 429 [\s\S]*SLED_BUSY/);
      }
      await expect.poll(() => putsInFlight(sled)).toBe(held.length);
    }
    // Until the name of the Nexus is resolved, it is a stranger too.
    await expect
      .poll(() => sled.put('abc', generation).catch(errorCodeOf))
      .toEqual({ datasets: 2, successful_writes: 2 });
  },
);

test('slow readers of the depot leave some of its answers for the Nexus (SO1)', async () => {
  await using sled = await startTestSled({ ...PATIENT, limits: { depot_reads: 4 } });
  using sockets = openSockets();
  const big = Buffer.alloc(32 * 1024 * 1024, 7);
  await sled.put(big, await sled.want(big));
  const port = Number(new URL(sled.depotUrl).port);
  const read = async (from: string): Promise<string> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    sockets.defer(() => socket.destroy());
    socket.write(`GET /artifact/sha256/${hashOf(big)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    const [chunk] = await once(socket, 'data');
    socket.pause();
    return String(chunk).slice(9, 12);
  };
  const answers: string[] = [];
  for (const from of ['127.0.0.2', '127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.1'])
    answers.push(await read(from));
  expect(answers).toEqual(['200', '200', '429', '200', '429', '200']);
});

/** Each has a temporary file on the first dataset. */
const putsInFlight = async (sled: TestSled): Promise<number> => {
  return (await readdir(sled.datasets[0]!)).filter(name => name.startsWith(TEMPORARY_PREFIX)).length;
};
