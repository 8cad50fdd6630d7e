/**
 * The caller of a request, as far as the server knows it, and the one decision whether a route serves it.
 *
 *     connection ─▶ certificate ─▶ peer ─────────────────────────┐
 *     header ─▶ token ─▶ the server's `OperatorCheck` ─▶ operator ┴─▶ caller ─▶ admit(route) ─▶ handler, 401 or 403
 *
 * CK1. What a caller presents is compared before its request is parsed; no name in the request counts.
 * CK2. A server without TLS cannot tell processes apart: it serves each process that reaches it. There is one only where a
 *      configuration says so by name.
 * CK3. A server without an `OperatorCheck` serves no operator.
 */
import type { IncomingMessage } from 'node:http';
import type { Admission } from '../api/route.ts';
import type { OperatorTokenId } from '../core/ids.ts';
import { mayActAs, type OperatorRole } from '../core/operator-role.ts';
import type { CredentialSource } from '../identity/credentials.ts';
import type { Peer } from '../identity/judged-peer.ts';
import { type PeerIdentity, type PeerKind, spiffeId } from '../identity/peer-identity.ts';
import { type Judge, peerOf } from '../identity/tls.ts';
import { DepotError } from '../lib/errors.ts';
import { isLoopback } from './listen.ts';
import type { Claimant } from './places.ts';
import { canonicalHost } from './request-guard.ts';

/** A person with a token. `break-glass`: that of the token file of a Nexus. */
export type Operator = {
  readonly id: OperatorTokenId | 'break-glass';
  readonly role: OperatorRole;
  /** By the clock of the database; absent for a break-glass token. */
  readonly timeExpiresMs?: number;
};

/** What a bearer token turned out to be. */
export type OperatorClaim =
  | { readonly kind: 'known'; readonly operator: Operator }
  /** It has the form of a token with a mistyped or missing part. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'revoked' | 'expired'; readonly id: OperatorTokenId }
  /** The tokens are in the database, which has not answered for too long. */
  | { readonly kind: 'unverified'; readonly why: string };

/** Looks a bearer token up. */
export type OperatorCheck = (token: string, options: { signal: AbortSignal }) => Promise<OperatorClaim>;

export type Caller = {
  /** Of the connection; empty once it is closed, and undefined for a caller without one, in the same process. */
  readonly address: string | undefined;
  /** By its certificate. */
  readonly peer: Peer;
  /** Whether it is a process on this machine, whichever address of the machine it used. */
  readonly isLocal: boolean;
  /** Against whose bounds its requests count. */
  readonly claimant: Claimant;
  /** `not_asked` where the route is not for operators, `not_served` where the server knows none. */
  readonly operator: OperatorClaim | { readonly kind: 'not_asked' | 'not_served' | 'missing' };
};

/** What the connection alone says of a caller. */
export type Connected = Omit<Caller, 'operator'>;

/** @param credentials of this process; undefined without TLS */
export const connectedOf = (
  { socket }: Pick<IncomingMessage, 'socket'>,
  credentials: (Judge & Pick<CredentialSource, 'current'>) | undefined,
): Connected => {
  const peer: Peer = credentials === undefined ? { kind: 'plain' } : peerOf(socket, credentials);
  const address = socket.remoteAddress ?? '';
  const claimant = claimantOf(peer, address, credentials?.current().identity.kind);
  return { address, isLocal: isLocal(socket), peer, claimant };
};

/**
 * A sled counts under its name, so that it cannot take the places of others; it may take kept ones of a Nexus, but not of another
 * sled, which keeps them for Nexuses. A Nexus directs the fleet, and has no bound.
 * @param server the kind of this process
 */
const claimantOf = (peer: Peer, address: string, server: PeerKind | undefined): Claimant => {
  if (peer.kind !== 'identified') return address;
  const { kind } = peer.identity;
  return {
    name: spiffeId(peer.identity),
    isBounded: kind === 'sled',
    mayTakeKept: kind === 'nexus' || server === 'nexus',
  };
};

export const callerOf = async (
  { headers }: Pick<IncomingMessage, 'headers'>,
  connected: Connected,
  { audience }: Admission,
  operators: OperatorCheck | undefined,
  options: { readonly signal: AbortSignal },
): Promise<Caller> => ({
  ...connected,
  operator:
    audience === 'operator'
      ? await checkBearer(headers.authorization, operators, options)
      : { kind: 'not_asked' },
});

const checkBearer = async (
  authorization: string | undefined,
  check: OperatorCheck | undefined,
  options: { readonly signal: AbortSignal },
): Promise<Caller['operator']> => {
  if (check === undefined) return { kind: 'not_served' };
  const token = /^Bearer +(\S+)\s*$/i.exec(authorization ?? '')?.[1];
  return token === undefined ? { kind: 'missing' } : await check(token, options);
};

const isLocal = ({ remoteAddress, localAddress }: IncomingMessage['socket']): boolean =>
  remoteAddress !== undefined && (remoteAddress === localAddress || isLoopback(canonicalHost(remoteAddress)));

/**
 * @param params of the path, not parsed yet, as the query
 * @throws DepotError `UNAUTHORIZED` for a caller that is not identified, `FORBIDDEN` for another one than the route serves,
 *   `DATABASE_UNAVAILABLE` for a token that cannot be looked up
 */
export const admit = (
  admission: Admission,
  { peer, operator }: Caller,
  {
    params,
    query,
    self,
  }: { readonly params: unknown; readonly query: unknown; readonly self: PeerIdentity | undefined },
): void => {
  const { ownId, servesExpired, servesRevoked } = admission;
  switch (admission.audience) {
    case 'public':
      break;
    case 'operator':
      requireOperator(operator, admission.role);
      for (const [flag, role] of Object.entries(admission.flagRoles ?? {}))
        if (isGiven(query, flag)) requireOperator(operator, role, `with ${flag}`);
      break;
    case 'nexus':
    case 'sled':
      admitPeer(peer, {
        kinds: [admission.audience],
        servesExpired,
        servesRevoked,
        id: ownId === undefined ? undefined : paramOf(params, ownId),
      });
      break;
    case 'member':
      admitPeer(peer, { kinds: ['nexus', 'sled'], servesExpired, servesRevoked });
      break;
    case 'self':
      admitPeer(peer, {
        kinds: self === undefined ? [] : [self.kind],
        id: self?.id,
        servesExpired,
        servesRevoked,
      });
      break;
    default:
      admission satisfies never;
  }
};

/** Without an id, any process of these kinds. */
type Wanted = {
  readonly kinds: readonly PeerKind[];
  readonly id?: string | undefined;
  readonly servesExpired: boolean | undefined;
  readonly servesRevoked: boolean | undefined;
};

const admitPeer = (peer: Peer, { kinds, id, servesExpired = false, servesRevoked = false }: Wanted): void => {
  const served = `this route serves ${id === undefined ? `a ${kinds.join(' or ')} of this fleet` : `${kinds.join()} ${id}`}`;
  switch (peer.kind) {
    case 'plain':
      break;
    case 'anonymous':
      throw new DepotError('UNAUTHORIZED', `${served}, and the caller presents no certificate`);
    case 'refused':
      if (servesRevoked && peer.revoked !== undefined && kinds.includes(peer.revoked.kind)) break;
      throw new DepotError(
        'UNAUTHORIZED',
        `${served}, and the certificate of the caller does not count: ${peer.because}`,
      );
    case 'expired':
    case 'identified': {
      if (peer.kind === 'expired' && !servesExpired)
        throw new DepotError(
          'UNAUTHORIZED',
          `${served}, and the certificate of the caller does not count: it has expired`,
        );
      const { kind, id: actual } = peer.identity;
      if (kinds.includes(kind) && (id === undefined || id === actual)) return;
      throw new DepotError('FORBIDDEN', `${served}, and the caller is ${spiffeId(peer.identity)}`);
    }
    default:
      peer satisfies never;
  }
};

/** Also with a value that the schema refuses. */
const isGiven = (query: unknown, flag: string): boolean => {
  const value: unknown = typeof query === 'object' && query !== null ? Reflect.get(query, flag) : undefined;
  return value !== undefined && value !== 'false';
};

const paramOf = (params: unknown, name: string): string =>
  typeof params === 'object' && params !== null ? String(Reflect.get(params, name)).toLowerCase() : '';

/**
 * @param how the part of the request that needs the role, if it is not the whole
 * @throws DepotError as {@link admit}
 */
const requireOperator = (claim: Caller['operator'], least: OperatorRole, how?: string): Operator => {
  switch (claim.kind) {
    case 'known':
      if (mayActAs(claim.operator.role, least)) return claim.operator;
      throw tooWeak(claim.operator, least, how);
    case 'missing':
      throw unauthorized(
        `this request needs a token with the role ${least}: send the header "Authorization: Bearer TOKEN"`,
      );
    case 'malformed':
      throw unauthorized('the token is damaged: its checksum is wrong; copy the whole token again');
    case 'unknown':
      throw unauthorized(
        'this token is unknown: it is neither in the database nor the break-glass token of this Nexus',
      );
    case 'revoked':
      throw unauthorized(`token ${claim.id} is revoked`);
    case 'expired':
      throw unauthorized(`token ${claim.id} has expired`);
    case 'unverified':
      throw new DepotError('DATABASE_UNAVAILABLE', `the token cannot be checked: ${claim.why}`);
    case 'not_asked':
    case 'not_served':
      throw unauthorized(
        'this server serves no operators; send the request to the operator address of a Nexus',
      );
    default:
      return claim satisfies never;
  }
};

/** The operator of a request that was admitted. @throws DepotError `UNAUTHORIZED` */
export const operatorOf = ({ operator }: Caller): Operator => requireOperator(operator, 'viewer');

const tooWeak = ({ id, role }: Operator, least: OperatorRole, how: string | undefined): DepotError =>
  new DepotError(
    'FORBIDDEN',
    `this request${how === undefined ? '' : ` ${how}`} needs the role ${least}, and token ${id} has the role ${role}: an admin creates tokens with tuf-depot token create --role ${least}`,
    { detail: { needed_role: least, role } },
  );

const unauthorized = (message: string): DepotError => new DepotError('UNAUTHORIZED', message);
