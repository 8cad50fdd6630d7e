/**
 * For tests: a pooler in transaction mode before PostgreSQL. It keeps its clients through a failover, and they do not
 * notice it: one transaction is at the old server, the next one at the new one.
 *
 *     client ── stays connected ──▶ pooler ──▶ old server, from the next transaction on: new server
 *
 * PB1. A client changes servers only between transactions. During one, or while it waits for an answer, it is cut together
 *      with its server.
 * PB2. An unsolicited message of a server, such as the notice of its shutdown, is not forwarded.
 * PB3. A client that sends a query while no server accepts it waits.
 *
 * Each client has a server connection of its own; its login, with the password in the clear, is sent again to the new one.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { MovingProxy } from './moving-proxy.fixture.ts';

const RETRY_MS = 100;
const READY_FOR_QUERY = 'Z'.charCodeAt(0);
const OUTSIDE_OF_TRANSACTION = 'I'.charCodeAt(0);

export const createPooler = async (firstTarget: number): Promise<MovingProxy> => {
  let target = firstTarget;
  let refusing = false;
  let silent = false;
  const clients = new Set<PooledClient>();
  const server = createServer(socket => {
    if (refusing) return void socket.destroy();
    const client = poolClient(socket, () => target);
    clients.add(client);
    socket.once('close', () => clients.delete(client));
    if (silent) client.setPaused(true);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endAll = () => {
    for (const client of clients) client.end();
  };
  return {
    port: (server.address() as AddressInfo).port,
    pointAt(port) {
      target = port;
    },
    target: () => target,
    cut() {
      for (const client of clients) client.cutServer();
    },
    setRefusing(value) {
      refusing = value;
      if (refusing) endAll();
    },
    setSilent(value) {
      silent = value;
      for (const client of clients) client.setPaused(value);
    },
    openCount: () => clients.size,
    async [Symbol.asyncDispose]() {
      server.close();
      endAll();
      await once(server, 'close');
    },
  };
};

type PooledClient = {
  readonly cutServer: () => void;
  readonly setPaused: (paused: boolean) => void;
  readonly end: () => void;
};

const poolClient = (client: Socket, target: () => number): PooledClient => {
  const login: Buffer[] = [];
  /** PB1: outside of a transaction and of a query. */
  let isIdle = false;
  let isLoggedIn = false;
  let server: { readonly socket: Socket; readonly port: number } | undefined;
  /** Messages that wait until the login to a server is complete. */
  let queued: Buffer[] | undefined;

  const lose = (socket: Socket) => {
    if (server?.socket !== socket) return;
    server = undefined;
    if (queued !== undefined) setTimeout(attach, RETRY_MS);
    else if (!isIdle) client.destroy();
  };
  const attach = (): void => {
    if (client.destroyed) return;
    const port = target();
    const socket = connect(port, '127.0.0.1');
    server = { socket, port };
    const status = readStatus();
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => lose(socket));
    if (isLoggedIn) socket.write(Buffer.concat(login));
    socket.on('data', chunk => {
      if (server?.socket !== socket) return;
      const ready = status(chunk);
      if (queued !== undefined && isLoggedIn) {
        if (!ready.isReady) return;
        for (const each of queued) socket.write(each);
        queued = undefined;
        return;
      }
      if (isIdle) return; // PB2
      client.write(chunk);
      isLoggedIn ||= ready.isReady;
      isIdle = ready.isReady && ready.isOutside;
    });
  };
  client.setNoDelay(true);
  client.on('data', chunk => {
    if (!isLoggedIn) login.push(chunk);
    const isElsewhere = server === undefined || server.port !== target();
    if (isIdle && isElsewhere && queued === undefined) {
      const old = server?.socket;
      queued = [];
      attach();
      old?.destroy();
    }
    isIdle = false;
    if (queued !== undefined) queued.push(chunk);
    else server?.socket.write(chunk);
  });
  client.on('error', () => undefined);
  client.on('close', () => server?.socket.destroy());
  attach();
  return {
    cutServer: () => server?.socket.destroy(),
    setPaused(paused) {
      for (const socket of [client, server?.socket]) paused ? socket?.pause() : socket?.resume();
    },
    end: () => client.destroy(),
  };
};

/** Follows the messages of a server: whether the last whole one says that the server is ready, and in which state. */
const readStatus = (): ((chunk: Buffer) => { readonly isReady: boolean; readonly isOutside: boolean }) => {
  let rest: Buffer = Buffer.alloc(0);
  return chunk => {
    rest = Buffer.concat([rest, chunk]);
    let state = { isReady: false, isOutside: false };
    while (rest.length >= 5) {
      const length = 1 + rest.readUInt32BE(1);
      if (rest.length < length) break;
      state = { isReady: rest[0] === READY_FOR_QUERY, isOutside: rest[5] === OUTSIDE_OF_TRANSACTION };
      rest = rest.subarray(length);
    }
    return rest.length === 0 ? state : { isReady: false, isOutside: false };
  };
};
