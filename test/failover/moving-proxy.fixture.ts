/**
 * For tests: a proxy at one loopback port, first before one server and later before another, like the address that a failover
 * manager moves.
 *
 *     client ── TCP, one port ──▶ proxy ── TCP ──▶ one of several ports
 *
 * MP1. `pointAt` affects new connections; open ones stay with their server until they are cut.
 * MP2. `silent` forwards nothing in either direction and closes nothing, like a lost route or a frozen host. When it ends, the
 *      bytes sent meanwhile arrive.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type MovingProxy = {
  readonly port: number;
  readonly pointAt: (port: number) => void;
  readonly target: () => number;
  /** Closes all connections to the server and to its clients. */
  readonly cut: () => void;
  /** Cuts all connections, and closes new ones while `refusing` is set. */
  readonly setRefusing: (refusing: boolean) => void;
  /** MP2. */
  readonly setSilent: (silent: boolean) => void;
  readonly openCount: () => number;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export const createMovingProxy = async (firstTarget: number): Promise<MovingProxy> => {
  const open = new Set<Socket>();
  let target = firstTarget;
  let refusing = false;
  let silent = false;

  const keep = (socket: Socket, end: () => void) => {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on('error', end);
    socket.on('close', () => {
      open.delete(socket);
      end();
    });
  };
  const server = createServer(client => {
    if (refusing) return void client.destroy();
    const upstream = connect(target, '127.0.0.1');
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    keep(client, end);
    keep(upstream, end);
    client.on('data', chunk => void upstream.write(chunk));
    upstream.on('data', chunk => void client.write(chunk));
    if (silent) for (const socket of [client, upstream]) socket.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    pointAt(port) {
      target = port;
    },
    target: () => target,
    cut,
    setRefusing(value) {
      refusing = value;
      if (refusing) cut();
    },
    setSilent(value) {
      silent = value;
      for (const socket of open) silent ? socket.pause() : socket.resume();
    },
    openCount: () => open.size,
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
};
