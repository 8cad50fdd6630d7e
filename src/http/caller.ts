/** The caller of a request, as far as the server knows it, and the decision whether a route serves it. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Audience } from '../api/route.ts';
import { DepotError } from '../lib/errors.ts';

export type Caller = {
  /** Of the connection; undefined once it is closed. */
  readonly address: string | undefined;
  /** The sent token, compared with the one of this server; `not_wanted` where the server has none. */
  readonly token: 'not_wanted' | 'matches' | 'missing' | 'wrong';
};

/** @param token of this server; undefined for a server without one */
export const callerOf = ({ socket, headers }: IncomingMessage, token: string | undefined): Caller => ({
  address: socket.remoteAddress,
  token: token === undefined ? 'not_wanted' : compareBearer(headers.authorization, token),
});

/**
 * A server has one token or none. A caller that sends it counts as the audience of every route of that server.
 *
 * @throws DepotError `UNAUTHORIZED`
 */
export const admit = (audience: Audience, { token }: Caller): void => {
  if (audience === 'public' || token === 'not_wanted' || token === 'matches') return;
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
