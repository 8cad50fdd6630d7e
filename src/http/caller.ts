/**
 * The caller of a request, as far as the server knows it, and the one decision whether a route serves it.
 *
 *     connection ─▶ certificate ─▶ peer ─┐
 *     header ─▶ token ───────────────────┴─▶ caller ─▶ admit(route) ─▶ handler, 401 or 403
 *
 * CK1. What a caller presents is compared before its request is parsed; no name in the request counts.
 * CK2. A server without TLS cannot tell processes apart: it serves each process that reaches it (the loopback rule).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Route } from '../api/route.ts';
import { type PeerIdentity, type PeerKind, spiffeId } from '../identity/peer-identity.ts';
import { type Peer, peerOf } from '../identity/tls.ts';
import { DepotError } from '../lib/errors.ts';
import { isLoopback } from './listen.ts';
import { canonicalHost } from './request-guard.ts';

export type Caller = {
  /** Of the connection; empty once it is closed, and undefined for a caller without one, in the same process. */
  readonly address: string | undefined;
  /** By its certificate. */
  readonly peer: Peer;
  /** Of a process on this machine, whichever of its addresses it used. */
  readonly isLocal: boolean;
  /** The sent token, compared with the one of this server; `not_wanted` where the server has none. */
  readonly token: 'not_wanted' | 'matches' | 'missing' | 'wrong';
};

/** A server has one token or none, and an identity if it has TLS. */
export type ServerSecrets = {
  readonly token: string | undefined;
  readonly identity: PeerIdentity | undefined;
};

export const callerOf = (
  { socket, headers }: IncomingMessage,
  { token, identity }: ServerSecrets,
): Caller => ({
  address: socket.remoteAddress ?? '',
  peer: identity === undefined ? { kind: 'plain' } : peerOf(socket, identity.fleet),
  isLocal: isLocal(socket),
  token: token === undefined ? 'not_wanted' : compareBearer(headers.authorization, token),
});

const isLocal = ({ remoteAddress, localAddress }: IncomingMessage['socket']): boolean =>
  remoteAddress !== undefined && (remoteAddress === localAddress || isLoopback(canonicalHost(remoteAddress)));

/**
 * The address that counts against the bounds of strangers; undefined for a caller to which none of them apply: one that its
 * certificate identifies, or one in this process.
 */
export const strangerAddress = ({ address, peer }: Pick<Caller, 'address' | 'peer'>): string | undefined =>
  peer.kind === 'identified' ? undefined : address;

/** What a route or a page says about its callers. */
export type Admission = Pick<Route, 'audience' | 'ownId'>;

/**
 * @param params of the path, not parsed yet
 * @throws DepotError `UNAUTHORIZED` for a caller that is not identified, `FORBIDDEN` for another one than the route serves
 */
export const admit = (
  { audience, ownId }: Admission,
  { peer, token }: Caller,
  { params, self }: { readonly params: unknown; readonly self: PeerIdentity | undefined },
): void => {
  switch (audience) {
    case 'public':
      break;
    case 'operator':
      admitToken(token);
      break;
    case 'nexus':
    case 'sled':
      admitPeer(peer, { kinds: [audience], id: ownId === undefined ? undefined : paramOf(params, ownId) });
      break;
    case 'member':
      admitPeer(peer, { kinds: ['nexus', 'sled'] });
      break;
    case 'self':
      admitPeer(peer, { kinds: self === undefined ? [] : [self.kind], id: self?.id });
      break;
    default:
      audience satisfies never;
  }
};

/** Without an id, any process of these kinds. */
type Wanted = { readonly kinds: readonly PeerKind[]; readonly id?: string | undefined };

const admitPeer = (peer: Peer, { kinds, id }: Wanted): void => {
  const served = `this route serves ${id === undefined ? `a ${kinds.join(' or ')} of this fleet` : `${kinds.join()} ${id}`}`;
  switch (peer.kind) {
    case 'plain':
      break;
    case 'anonymous':
      throw new DepotError('UNAUTHORIZED', `${served}, and the caller presents no certificate`);
    case 'refused':
      throw new DepotError(
        'UNAUTHORIZED',
        `${served}, and the certificate of the caller does not count: ${peer.because}`,
      );
    case 'identified': {
      const { kind, id: actual } = peer.identity;
      if (kinds.includes(kind) && (id === undefined || id === actual)) return;
      throw new DepotError('FORBIDDEN', `${served}, and the caller is ${spiffeId(peer.identity)}`);
    }
    default:
      peer satisfies never;
  }
};

const paramOf = (params: unknown, name: string): string =>
  typeof params === 'object' && params !== null ? String(Reflect.get(params, name)).toLowerCase() : '';

const admitToken = (token: Caller['token']): void => {
  if (token === 'not_wanted' || token === 'matches') return;
  throw new DepotError(
    'UNAUTHORIZED',
    token === 'missing'
      ? 'this server requires a token: send the header "Authorization: Bearer TOKEN"'
      : 'the token is not the one of this server',
  );
};

/** Compares in constant time; digests have equal lengths. */
const compareBearer = (authorization: string | undefined, token: string): Caller['token'] => {
  const sent = /^Bearer +(\S+)\s*$/i.exec(authorization ?? '')?.[1];
  if (sent === undefined) return 'missing';
  return timingSafeEqual(digest(sent), digest(token)) ? 'matches' : 'wrong';
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
