/** A request that was refused for its caller, as a fact: for whatever keeps count of them. */
import type { IncomingMessage } from 'node:http';
import type { Admission } from '../api/route.ts';
import type { RefusedRequest } from '../core/facts/refusal.ts';
import type { Peer } from '../identity/judged-peer.ts';
import { spiffeId } from '../identity/peer-identity.ts';
import { findDepotError } from '../lib/errors.ts';
import type { Caller, Connected } from './caller.ts';
import { strangerOf } from './places.ts';

/** Is called in the path of the request: it must not wait. */
export type NoteRefusal = (refusal: RefusedRequest) => void;

type SeenRequest = {
  readonly connected: Connected;
  readonly admission: Admission & { readonly path?: string };
  readonly request: Pick<IncomingMessage, 'method'>;
  readonly signal: AbortSignal;
};

/**
 * Runs a request, and shows it where it is refused for its caller.
 *
 * @param run reports the caller once its token was looked up, before it is judged
 */
export const showingRefusal = async (
  show: NoteRefusal | undefined,
  seen: SeenRequest,
  run: (judged: (caller: Pick<Caller, 'operator'>) => void) => Promise<void>,
): Promise<void> => {
  let operator: Caller['operator'] | undefined;
  try {
    await run(caller => {
      operator = caller.operator;
    });
  } catch (error) {
    const refusal = refusalOf(error, seen, operator);
    if (refusal !== undefined) show?.(refusal);
    throw error;
  }
};

/** Undefined for an error that is not about who sent the request. */
const refusalOf = (
  error: unknown,
  { connected, admission, request: { method = '' }, signal }: SeenRequest,
  operator: Caller['operator'] | undefined,
): RefusedRequest | undefined => {
  // A request is ended when the certificate of its caller is revoked (H4).
  const who = whyOf(error, { peer: connected.peer, operator, isEnded: signal.aborted });
  if (who === undefined) return undefined;
  const address = connected.address ?? '';
  // Of the route: no text of the caller.
  const request = `${method} ${admission.path ?? 'of another path'}`;
  return { ...who, address, network: strangerOf(address), request };
};

type Who = Pick<RefusedRequest, 'why' | 'tokenId' | 'identity'>;

type Judged = {
  readonly peer: Peer;
  readonly operator: Caller['operator'] | undefined;
  readonly isEnded: boolean;
};

const whyOf = (error: unknown, { peer, operator, isEnded }: Judged): Who | undefined => {
  switch (findDepotError(error)?.code) {
    case 'HOST_NOT_SERVED':
      return { why: 'host_not_served' };
    case 'CROSS_SITE_REQUEST':
      return { why: 'cross_site' };
    case 'INVITATION_USED':
      return { why: 'invitation_used' };
    case 'INVITATION_INVALID':
      return { why: 'invitation_invalid' };
    case 'SLED_KEY_IN_USE':
      return {
        why: 'key_of_another_sled',
        ...(peer.kind === 'identified' && { identity: spiffeId(peer.identity) }),
      };
    case 'SLED_NOT_PLAIN':
      return { why: 'sled_not_plain' };
    case 'FORBIDDEN':
    case 'UNAUTHORIZED':
      return isEnded && peer.kind === 'identified'
        ? { why: 'certificate_revoked', identity: spiffeId(peer.identity) }
        : (ofOperator(operator) ?? ofPeer(peer));
    default:
      return undefined;
  }
};

/** Undefined where the token is not the reason. */
const ofOperator = (claim: Caller['operator'] | undefined): Who | undefined => {
  switch (claim?.kind) {
    case 'missing':
    case 'not_served':
      return { why: 'no_token' };
    case 'malformed':
      return { why: 'token_damaged' };
    case 'unknown':
      return { why: 'token_unknown' };
    case 'revoked':
      return { why: 'token_revoked', tokenId: claim.id };
    case 'expired':
      return { why: 'token_expired', tokenId: claim.id };
    case 'known': {
      const { id } = claim.operator;
      return { why: 'role_too_small', ...(id !== 'break-glass' && { tokenId: id }) };
    }
    case 'unverified':
    case 'not_asked':
    case undefined:
      return undefined;
    default:
      return claim satisfies never;
  }
};

const ofPeer = (peer: Peer): Who | undefined => {
  switch (peer.kind) {
    case 'plain':
      return undefined;
    case 'anonymous':
      return { why: 'no_certificate' };
    case 'refused':
      return peer.revoked === undefined
        ? { why: 'certificate_refused' }
        : { why: 'certificate_revoked', identity: spiffeId(peer.revoked) };
    case 'expired':
      return { why: 'certificate_expired', identity: spiffeId(peer.identity) };
    case 'identified':
      return { why: 'other_identity', identity: spiffeId(peer.identity) };
    default:
      return peer satisfies never;
  }
};
