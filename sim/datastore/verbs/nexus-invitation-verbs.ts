import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import type { InvitationId, NexusId } from '../../../src/core/ids.ts';
import { revocationKey } from '../../../src/core/revocation.ts';
import { isInvitationOpen, MAX_LISTED_INVITATIONS } from '../../../src/nexus/datastore/decisions/join.ts';
import {
  decideNexusJoin,
  isNexusInvitationForgotten,
  requireInvitableNexus,
} from '../../../src/nexus/datastore/decisions/nexus-join.ts';
import type {
  NewNexusInvitation,
  NexusInvitationRecord,
  NexusInvitations,
  NexusJoinOutcome,
  NexusJoinRequest,
  NexusStanding,
} from '../../../src/nexus/datastore/ports/nexus-invitation-port.ts';
import { type MemoryState, type Query, type Step, withEntry } from '../state.ts';
import { withAudit } from './audit-verbs.ts';
import { withRevocation } from './revocation-verbs.ts';

export const nexusInvitationCreate =
  (
    { id, sha256, nexusId, isKnown, lifeMs }: NewNexusInvitation,
    audit: AuditOrigin | undefined,
  ): Step<NexusInvitationRecord> =>
  (before, moment) => {
    const { nowMs } = moment;
    const known = before.nexusInvitations.get(id);
    if (known !== undefined) return { state: before, answer: known };
    const kept = new Map(
      [...before.nexusInvitations].filter(([, each]) => !isNexusInvitationForgotten(each, nowMs)),
    );
    const open = [...kept.values()].filter(each => isInvitationOpen(each, nowMs)).length;
    requireInvitableNexus({ nexusId, isKnown }, before.nexuses.get(nexusId)?.policy, open);
    const times = { timeCreatedMs: nowMs, timeExpiresMs: nowMs + lifeMs };
    const invitation: NexusInvitationRecord = { ...{ id, sha256, nexusId }, ...times, used: null };
    const action = {
      ...({ kind: 'nexus_invited', invitationId: id, invitedNexusId: nexusId } as const),
      expiresMs: invitation.timeExpiresMs,
    };
    const state = { ...before, nexusInvitations: withEntry(kept, id, invitation) };
    return { state: withAudit(state, audit, action, moment), answer: invitation };
  };

export const nexusInvitationList: Query<NexusInvitations> = ({ nexusInvitations }, { nowMs }) => ({
  databaseMs: nowMs,
  invitations: [...nexusInvitations.values()]
    .sort((a, b) => b.timeCreatedMs - a.timeCreatedMs || (a.id < b.id ? -1 : 1))
    .slice(0, MAX_LISTED_INVITATIONS),
});

export const nexusInvitationEnd =
  (id: InvitationId, audit: AuditOrigin | undefined): Step<boolean> =>
  (before, moment) => {
    const { nowMs, repeated } = moment;
    const invitation = before.nexusInvitations.get(id);
    if (invitation === undefined) return { state: before, answer: false };
    if (!isInvitationOpen(invitation, nowMs))
      return { state: before, answer: repeated && invitation.used === null };
    const nexusInvitations = withEntry(before.nexusInvitations, id, { ...invitation, timeExpiresMs: nowMs });
    const action = {
      ...({ kind: 'nexus_invitation_ended', invitationId: id } as const),
      invitedNexusId: invitation.nexusId,
    };
    return { state: withAudit({ ...before, nexusInvitations }, audit, action, moment), answer: true };
  };

export const nexusJoin =
  (request: NexusJoinRequest, audit: AuditOrigin | undefined): Step<NexusJoinOutcome> =>
  (before, moment) => {
    const { publicKeySha256 } = request;
    const found = [...before.nexusInvitations.values()].find(each => each.sha256 === request.sha256);
    const { kind, invitation, revokes } = decideNexusJoin(request, {
      invitation: found,
      policy: found && before.nexuses.get(found.nexusId)?.policy,
      uses: found === undefined ? [] : usesOf(before, found.nexusId),
      revokedMs: found === undefined ? null : revokedMsOf(before, found.nexusId),
      nowMs: moment.nowMs,
    });
    const { id: invitationId, nexusId } = invitation;
    const answerOf = (state: MemoryState) => ({
      ...{ nexusId, invitationId, isRepeat: kind === 'repeat' && !moment.repeated },
      revokedMs: revokedMsOf(state, nexusId),
      nowMs: moment.nowMs,
    });
    if (kind === 'repeat') return { state: before, answer: answerOf(before) };
    const used = { timeMs: moment.nowMs, publicKeySha256 };
    const burnt = {
      ...before,
      nexusInvitations: withEntry(before.nexusInvitations, invitationId, { ...invitation, used }),
    };
    const joined = revokes ? withRevocation(burnt, { kind: 'nexus', id: nexusId }, moment) : burnt;
    const action = {
      ...({ kind: 'nexus_joined', joinedNexusId: nexusId, invitationId, publicKeySha256 } as const),
    };
    return { state: withAudit(joined, audit, action, moment), answer: answerOf(joined) };
  };

export const nexusStanding =
  (nexusId: NexusId): Query<NexusStanding> =>
  (state, { nowMs }) => ({
    policy: state.nexuses.get(nexusId)?.policy,
    revokedMs: revokedMsOf(state, nexusId),
    nowMs,
  });

/** By an invitation. */
export const hasJoined = (state: MemoryState, id: NexusId): boolean => usesOf(state, id).length > 0;

const usesOf = ({ nexusInvitations }: MemoryState, id: NexusId) =>
  [...nexusInvitations.values()].flatMap(({ nexusId, used }) => (nexusId === id ? (used ?? []) : []));

const revokedMsOf = ({ revocations }: MemoryState, id: NexusId): number | null =>
  revocations.get(revocationKey({ kind: 'nexus', id }))?.timeMs ?? null;
