/** The bytes of all connections of this process that are counted, in both directions, below TLS. */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

export type CountSocket = (socket: Socket) => void;

type Traffic = {
  readonly count: CountSocket;
  readonly bytes: () => number;
  readonly connections: () => number;
};

/** Counts every connection that a server of this process accepts, from now on, and those that are given to `count`. */
export const countTraffic = (): Traffic => {
  const open = new Set<Socket>();
  let opened = 0;
  let closedBytes = 0;
  const count: CountSocket = socket => {
    opened += 1;
    open.add(socket);
    socket.once('close', () => {
      open.delete(socket);
      closedBytes += socket.bytesRead + socket.bytesWritten;
    });
  };
  subscribe('net.server.socket', message => count((message as { socket: Socket }).socket));
  return {
    count,
    bytes: () => [...open].reduce((sum, each) => sum + each.bytesRead + each.bytesWritten, closedBytes),
    connections: () => opened,
  };
};
