/**
 * The connections of a server: bounded for each peer and in all (places.ts), and the idle ones give way.
 *
 * CNX1. A new connection that finds no place closes the longest idle one: of its own peer if that has all that it may have, of
 *      the stranger with the most idle ones if only kept places are free, else of the peer with the most idle ones. So
 *      idle connections keep no other client out, wherever they come from.
 * CNX2. A connection with a running request is never closed for another one. Where there is no idle one, the new connection is
 *      closed.
 * CNX3. A connection counts by its address until its handshake is over, since no certificate is known before. Then one whose certificate
 *      counts is of that process, wherever it comes from: it leaves the place of the address, and strangers there do not affect it.
 */
import type { Socket } from 'node:net';
import type { Logger } from '../lib/log.ts';
import { createReport } from './log-report.ts';
import {
  createPlaces,
  isPlace,
  type KnownPeers,
  type Member,
  type Place,
  type PlaceLimits,
  type Refusal,
} from './places.ts';

/** The part of a socket that is used. Two layers of one connection, such as TLS, have the same addresses and ports. */
type Connected = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort' | 'destroy'>;

export type Connections = {
  /** Call at its start; it is closed here when there is no place for it. */
  readonly opened: (socket: Connected & Pick<Socket, 'once'>) => void;
  /** Its certificate counts (CNX3); it is closed here when there is no place for this process. */
  readonly identified: (socket: Connected, member: Member) => void;
  /** A request on it begins, and ends. */
  readonly began: (socket: Connected) => void;
  readonly ended: (socket: Connected) => void;
  /** Those too on which nothing was understood yet, such as a TLS handshake that never came. */
  readonly closeAll: () => void;
};

type Connection = { place: Place; readonly close: () => void; running: number };

export const createConnections = (
  limits: PlaceLimits,
  { known, log }: { known: KnownPeers | undefined; log: Logger },
): Connections => {
  const places = createPlaces(limits, known);
  /** The longest idle ones first: one that becomes idle moves to the end. */
  const open = new Map<string, Connection>();
  const report = createReport(log);

  const takePlace = (claimant: string | Member): Place | undefined => {
    const first = places.take(claimant);
    if (isPlace(first)) return first;
    const victim = longestIdle(open, first);
    if (victim === undefined) return undefined;
    const [key, { place, close }] = victim;
    open.delete(key);
    place[Symbol.dispose]();
    close();
    report({ peer: place.peer }, 'an idle connection is closed for a new one: too many are open');
    const again = places.take(claimant);
    return isPlace(again) ? again : undefined;
  };

  return {
    opened(socket) {
      const key = keyOf(socket);
      const place = takePlace(socket.remoteAddress ?? '');
      if (place === undefined) {
        report({ peer: socket.remoteAddress }, REFUSED);
        socket.destroy();
        return;
      }
      const connection = { place, close: () => socket.destroy(), running: 0 };
      open.set(key, connection);
      socket.once('close', () => {
        if (open.get(key) === connection) open.delete(key);
        connection.place[Symbol.dispose]();
      });
    },
    identified(socket, member) {
      const key = keyOf(socket);
      const connection = open.get(key);
      if (connection === undefined) return;
      // Not among those that give way for it.
      open.delete(key);
      connection.place[Symbol.dispose]();
      const place = takePlace(member);
      if (place === undefined) {
        report({ peer: member.name }, REFUSED);
        connection.close();
        return;
      }
      connection.place = place;
      open.set(key, connection);
    },
    began(socket) {
      const connection = open.get(keyOf(socket));
      if (connection !== undefined) connection.running += 1;
    },
    ended(socket) {
      const key = keyOf(socket);
      const connection = open.get(key);
      if (connection === undefined) return;
      connection.running -= 1;
      open.delete(key);
      open.set(key, connection);
    },
    closeAll() {
      for (const { close } of open.values()) close();
    },
  };
};

const REFUSED = 'a connection is refused: too many requests are running';

/** A client may use one port for connections to several addresses of a server that listens on all. */
const keyOf = ({ remoteAddress, remotePort, localAddress, localPort }: Connected): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(' ');

type Entry = readonly [string, Connection];

/** The connection that gives way (CNX1). */
const longestIdle = (
  open: ReadonlyMap<string, Connection>,
  { because, peer }: Pick<Refusal, 'because' | 'peer'>,
): Entry | undefined => {
  const idle = [...open].filter(([, { place, running }]) => {
    if (running > 0) return false;
    if (because === 'peer') return place.peer === peer;
    return because === 'all' || !place.isKnown;
  });
  const counts = new Map<string, number>();
  for (const [, { place }] of idle) counts.set(place.peer, (counts.get(place.peer) ?? 0) + 1);
  const countOf = ([, { place }]: Entry): number => counts.get(place.peer) ?? 0;
  return idle.reduce<Entry | undefined>(
    (largest, each) => (largest === undefined || countOf(each) > countOf(largest) ? each : largest),
    undefined,
  );
};
