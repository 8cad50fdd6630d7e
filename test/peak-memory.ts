/** The most memory that processes of a fleet ever had, and loads that could take much of it. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect } from 'node:tls';
import type { TestProcess } from './fleet-process.fixture.ts';

/**
 * In MiB, from sources: with uploads and transfers of any size, and with all connections that both servers of a process let
 * strangers have as well, which take some 40 KiB each with TLS.
 */
export const MEMORY_LIMITS = {
  nexus: { loaded: 256, flooded: 384 },
  sled: { loaded: 192, flooded: 320 },
};
export type MemoryLimits = (typeof MEMORY_LIMITS)[keyof typeof MEMORY_LIMITS];

/** In MiB: VmHWM of /proc, the most that was ever resident. */
export const peakMib = async ({ pid }: Pick<TestProcess, 'pid'>): Promise<number> => {
  const status = await readFile(`/proc/${pid()}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
};

/** Few at once, as one machine that does nothing else manages it. */
const AT_ONCE = 32;

type Flood = {
  readonly address: string;
  /** Without it, connections that never begin a handshake. */
  readonly isSecure: boolean;
  readonly count: number;
};

/**
 * Opens connections, completes their handshakes, and keeps them: from 250 addresses of this machine, so that each is a stranger of
 * its own.
 * @returns how many of the connections were made, and how many the server has left open
 */
export const floodConnections = async ({
  address,
  isSecure,
  count,
}: Flood): Promise<{ readonly made: number; readonly open: number }> => {
  const port = Number(address.split(':').at(-1));
  const sockets: Socket[] = [];
  let made = 0;
  const openOne = async (n: number): Promise<void> => {
    const from = { host: '127.0.0.1', port, localAddress: `127.1.0.${1 + (n % 250)}` };
    const socket = isSecure ? connect({ ...from, rejectUnauthorized: false }) : connectPlain(from);
    sockets.push(socket);
    socket.on('error', () => undefined);
    const isMade = once(socket, isSecure ? 'secureConnect' : 'connect').then(
      () => true,
      () => false,
    );
    const ended = once(socket, 'close').then(() => false);
    if (await Promise.race([isMade, ended])) made += 1;
  };
  for (let n = 0; n < count; n += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - n) }, (_, at) => openOne(n + at)));
  const open = sockets.filter(({ destroyed }) => !destroyed).length;
  for (const socket of sockets) socket.destroy();
  return { made, open };
};
