/**
 * Who may join by an invitation as a Nexus.
 *
 *     invitation, key ─▶ decideNexusJoin() ─┬─▶ first: burn the invitation, revoke what the Nexus had before
 *                                           └─▶ repeat: the same answer, and nothing changes
 *
 * NJ1. As JD1: an invitation is used once, and the key that used it is answered again for {@link JOIN_REPEATED_MS}, until another
 *      machine joins as the same Nexus.
 * NJ2. The id is that of the invitation, which Nexus made or took from the database. What the machine is already is only compared.
 * NJ3. Used invitations are kept: the database knows each Nexus that ever joined, also one that never reached it, to expunge it.
 */
import type { Policy } from '../../../core/facts/event.ts';
import type { NexusId } from '../../../core/ids.ts';
import { isoTime } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import type {
  NewNexusInvitation,
  NexusInvitationRecord,
  NexusJoinRequest,
} from '../ports/nexus-invitation-port.ts';
import { isInvitationForgotten, JOIN_REPEATED_MS, requireInvitationRoom } from './join.ts';

/** @param openInvitations without the new one @throws `NOT_FOUND`, `NEXUS_EXPUNGED`, `TOO_MANY_INVITATIONS` */
export const requireInvitableNexus = (
  { nexusId, isKnown }: Pick<NewNexusInvitation, 'nexusId' | 'isKnown'>,
  policy: Policy | undefined,
  openInvitations: number,
): void => {
  if (isKnown && policy === undefined) throw new DepotError('NOT_FOUND', `there is no Nexus ${nexusId}`);
  requireNexusNotExpunged(nexusId, policy);
  requireInvitationRoom(openInvitations);
};

/** @throws `NEXUS_EXPUNGED` */
const requireNexusNotExpunged = (id: NexusId, policy: Policy | undefined): void => {
  if (policy !== 'expunged') return;
  throw new DepotError('NEXUS_EXPUNGED', `Nexus ${id} is expunged: no machine can join as it`);
};

export type NexusJoinFacts = {
  /** With the digest of the token. */
  readonly invitation: NexusInvitationRecord | undefined;
  readonly policy: Policy | undefined;
  /** Of the same Nexus. */
  readonly uses: readonly { readonly timeMs: number; readonly publicKeySha256: string }[];
  readonly revokedMs: number | null;
  /** By the database's clock. */
  readonly nowMs: number;
};

export type NexusJoinDecision = {
  readonly kind: 'first' | 'repeat';
  readonly invitation: NexusInvitationRecord;
  /** Certificates that the Nexus has from before count until then. */
  readonly revokes: boolean;
};

/** @throws `INVITATION_INVALID`, `INVITATION_USED`, `NEXUS_ID_DIFFERS`, `NEXUS_EXPUNGED` */
export const decideNexusJoin = (
  { publicKeySha256, presentNexusId }: Omit<NexusJoinRequest, 'sha256'>,
  { invitation, policy, uses, revokedMs, nowMs }: NexusJoinFacts,
): NexusJoinDecision => {
  if (invitation === undefined)
    throw new DepotError(
      'INVITATION_INVALID',
      'this database has no invitation of a Nexus with this token; one of a sled is of no use here',
    );
  const { id, nexusId, used, timeExpiresMs } = invitation;
  requireNexusNotExpunged(nexusId, policy);
  if (used !== null) {
    const refuse = (how: string): never => {
      throw new DepotError(
        'INVITATION_USED',
        `a machine joined as Nexus ${nexusId} with invitation ${id} at ${isoTime(used.timeMs)}, ${how}`,
      );
    };
    if (used.publicKeySha256 !== publicKeySha256) refuse('with another key');
    if (revokedMs !== null && revokedMs > used.timeMs) refuse('and another key joined as this Nexus since');
    if (nowMs - used.timeMs > JOIN_REPEATED_MS) refuse('and the answer is repeated for a day only');
  } else if (timeExpiresMs <= nowMs)
    throw new DepotError(
      'INVITATION_INVALID',
      `invitation ${id} expired at ${isoTime(timeExpiresMs)}, and was not used`,
    );
  if (presentNexusId !== undefined && presentNexusId !== nexusId)
    throw new DepotError(
      'NEXUS_ID_DIFFERS',
      `this machine is Nexus ${presentNexusId} already, and the invitation is for ${nexusId}`,
      { detail: { nexus_id: presentNexusId } },
    );
  return {
    kind: used === null ? 'first' : 'repeat',
    invitation,
    revokes:
      used === null && (policy !== undefined || uses.some(each => each.publicKeySha256 !== publicKeySha256)),
  };
};

/** NJ3. @param nowMs by the database's clock */
export const isNexusInvitationForgotten = (
  invitation: Pick<NexusInvitationRecord, 'timeExpiresMs' | 'used'>,
  nowMs: number,
): boolean => invitation.used === null && isInvitationForgotten(invitation, nowMs);
