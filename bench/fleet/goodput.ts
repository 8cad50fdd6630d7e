/** What one TCP stream brings over the links of a network: from this machine to the first peer. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestNetwork } from '../../test/network.fixture.ts';
import { spawnOn } from './spawned.ts';

const PORT = 5001;
const SECONDS = 8;
const CHUNK_BYTES = 256 * 1024;

/** Counts from a second after the first byte: the stream has its rate by then. */
const RECEIVER = `
  const server = require('node:net').createServer(socket => {
    let first, base, last, bytes = 0;
    socket.on('data', data => {
      last = performance.now();
      first ??= last;
      if (last - first < 1000) return;
      if (base === undefined) base = last;
      else bytes += data.length;
    });
    socket.on('error', () => {}).on('close', () => {
      console.log('rate ' + bytes / ((last - base) / 1000));
      server.close();
    });
  });
  server.listen(${PORT}, () => console.log('listens'));
`;

/** In bytes a second. */
export const measureGoodput = async (network: TestNetwork, signal: AbortSignal): Promise<number> => {
  const [peer] = network.peers;
  await using receiver = spawnOn(peer!.within, [process.execPath, '-e', RECEIVER], { signal });
  await receiver.line('listens');
  const socket = connect({ host: peer!.address, port: PORT });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const pour = () => {
    while (socket.write(chunk));
  };
  socket.on('drain', pour);
  pour();
  await delay(SECONDS * 1000, undefined, { signal });
  socket.destroy();
  return Number(await receiver.line('rate '));
};
