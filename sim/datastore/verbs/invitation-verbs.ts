import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import type { InvitationId, SledId } from '../../../src/core/ids.ts';
import { revocationKey } from '../../../src/core/revocation.ts';
import { keyInvitationSha256 } from '../../../src/identity/invitation-token.ts';
import {
  decideJoin,
  isInvitationForgotten,
  isInvitationOpen,
  MAX_LISTED_DENIALS,
  MAX_LISTED_INVITATIONS,
  requireInvitable,
  requireNotExpunged,
  requireNotRepeated,
} from '../../../src/nexus/datastore/decisions/join.ts';
import { revokesByJoin } from '../../../src/nexus/datastore/decisions/revoke.ts';
import type {
  InvitationRecord,
  Invitations,
  JoinOutcome,
  JoinRequest,
  KeyDenial,
  NewInvitation,
  SledKeyFacts,
  SledKeyRecord,
} from '../../../src/nexus/datastore/ports/invitation-port.ts';
import { type MemoryState, type Moment, type Query, type Step, withEntry } from '../state.ts';
import { withAudit } from './audit-verbs.ts';
import { withRevocation } from './revocation-verbs.ts';
import { currentKeyOf, policyOf, registeredWith, withPolicy } from './sled-verbs.ts';

export const invitationCreate =
  (
    { id, sha256, sledId, replacesSledId, serial, lifeMs, keySha256 }: NewInvitation,
    audit: AuditOrigin | undefined,
  ): Step<InvitationRecord> =>
  (before, moment) => {
    const { nowMs } = moment;
    const known = before.invitations.get(id);
    if (known !== undefined) return { state: before, answer: known };
    const earlier = [...before.invitations.values()].find(each => each.sha256 === sha256);
    if (earlier !== undefined) requireNotRepeated(earlier, userOf(before, earlier), nowMs);
    const kept = new Map(
      [...before.invitations].filter(
        ([, each]) => !isInvitationForgotten(each, nowMs) && each.sha256 !== sha256,
      ),
    );
    const policies = { sled: policyOf(before, sledId), replaced: policyOf(before, replacesSledId) };
    const open = [...kept.values()].filter(each => isInvitationOpen(each, nowMs)).length;
    requireInvitable({ sledId, replacesSledId }, policies, open);
    const invitation: InvitationRecord = {
      ...{ id, sha256, sledId, replacesSledId, serial },
      timeCreatedMs: nowMs,
      timeExpiresMs: nowMs + lifeMs,
      used: null,
    };
    const action = {
      ...({ kind: 'sled_invited', invitationId: id, expiresMs: invitation.timeExpiresMs } as const),
      ...(sledId !== null && { sledId }),
      ...(replacesSledId !== null && { replacesSledId }),
      ...(keySha256 !== undefined && { publicKeySha256: keySha256 }),
      ...(serial !== null && { serial }),
    };
    const deniedKeys = new Map([...before.deniedKeys].filter(([key]) => key !== keySha256));
    const state = { ...before, deniedKeys, invitations: withEntry(kept, id, invitation) };
    return { state: withAudit(state, audit, action, moment), answer: invitation };
  };

export const invitationList: Query<Invitations> = ({ invitations, sledKeys }, { nowMs }) => ({
  databaseMs: nowMs,
  invitations: [...invitations.values()]
    .map(each => ({
      ...each,
      joinedSledId: (each.used && sledKeys.get(each.used.publicKeySha256)?.sledId) ?? null,
    }))
    .sort((a, b) => b.timeCreatedMs - a.timeCreatedMs || (a.id < b.id ? -1 : 1))
    .slice(0, MAX_LISTED_INVITATIONS),
});

export const invitationEnd =
  (id: InvitationId, audit: AuditOrigin | undefined): Step<boolean> =>
  (before, moment) => {
    const { nowMs, repeated } = moment;
    const invitation = before.invitations.get(id);
    if (invitation === undefined) return { state: before, answer: false };
    if (!isInvitationOpen(invitation, nowMs))
      return { state: before, answer: repeated && invitation.used === null };
    const ended = withEntry(before.invitations, id, { ...invitation, timeExpiresMs: nowMs });
    const action = { kind: 'sled_invitation_ended', invitationId: id } as const;
    return { state: withAudit({ ...before, invitations: ended }, audit, action, moment), answer: true };
  };

export const sledJoin =
  (request: JoinRequest, audit: AuditOrigin | undefined): Step<JoinOutcome> =>
  (before, moment) => {
    const { publicKeySha256 } = request;
    const facts = factsOf(before, request, moment);
    const { kind, sledId, invitation } = decideJoin(request, facts);
    requireNotExpunged(sledId, policyOf(before, sledId));
    const { id: invitationId, replacesSledId, serial } = invitation;
    const identity = { kind: 'sled', id: sledId } as const;
    const answerOf = ({ revocations }: MemoryState) => ({
      ...{ sledId, invitationId, revokedMs: revocations.get(revocationKey(identity))?.timeMs ?? null },
      nowMs: moment.nowMs,
    });
    if (kind === 'repeat') {
      const expunged = moment.repeated ? (replacesSledId ?? undefined) : undefined;
      return { state: before, answer: { ...answerOf(before), isRepeat: !moment.repeated, expunged } };
    }
    const used = { timeMs: moment.nowMs, publicKeySha256 };
    const keyed = {
      ...before,
      invitations: withEntry(before.invitations, invitationId, { ...invitation, used }),
      sledKeys: withKey(before.sledKeys, { sledId, publicKeySha256, serial }, moment),
    };
    const joined = revokesByJoin(invitation, facts.key) ? withRevocation(keyed, identity, moment) : keyed;
    const expunged =
      replacesSledId !== null && policyOf(before, replacesSledId) === 'in_service'
        ? replacesSledId
        : undefined;
    const state = expunged === undefined ? joined : withPolicy(joined, expunged, 'expunged', moment);
    const action = {
      ...({ kind: 'sled_joined', sledId, invitationId, publicKeySha256 } as const),
      ...(expunged !== undefined && { expungedSledId: expunged }),
    };
    return {
      state: withAudit(state, audit, action, moment),
      answer: { ...answerOf(state), isRepeat: false, expunged },
    };
  };

export const sledKeyGet =
  (sledId: SledId, publicKeySha256: string): Query<SledKeyFacts> =>
  (state, { nowMs }) => ({
    policy: policyOf(state, sledId),
    key: state.sledKeys.get(publicKeySha256),
    current: currentKeyOf(state, sledId),
    nowMs,
  });

const factsOf = (
  { invitations, sledKeys, registeredKeys }: MemoryState,
  { sha256, publicKeySha256 }: JoinRequest,
  { nowMs }: Moment,
): Parameters<typeof decideJoin>[1] => {
  const invitation = [...invitations.values()].find(each => each.sha256 === sha256);
  const user = invitation && userOf({ sledKeys }, invitation);
  const registered = registeredWith({ registeredKeys }, publicKeySha256);
  return { invitation, key: sledKeys.get(publicKeySha256), registered, user, nowMs };
};

const userOf = (
  { sledKeys }: Pick<MemoryState, 'sledKeys'>,
  { used }: InvitationRecord,
): SledKeyRecord | undefined => (used === null ? undefined : sledKeys.get(used.publicKeySha256));

/** A sled has one key at a time. */
const withKey = (
  keys: MemoryState['sledKeys'],
  { sledId, publicKeySha256, serial }: Pick<SledKeyRecord, 'sledId' | 'publicKeySha256' | 'serial'>,
  { nowMs }: Moment,
): MemoryState['sledKeys'] => {
  const others = [...keys].map(([digest, key]): [string, SledKeyRecord] => [
    digest,
    key.sledId === sledId && key.timeReplacedMs === null ? { ...key, timeReplacedMs: nowMs } : key,
  ]);
  const key = {
    ...{ publicKeySha256, sledId, serial },
    ...{ timeJoinedMs: nowMs, timeReplacedMs: null, timeExpungedMs: null },
  };
  return withEntry(new Map(others), publicKeySha256, key);
};

export const keyDeny =
  (publicKeySha256: string, audit: AuditOrigin | undefined): Step<void> =>
  (before, moment) => {
    const { nowMs } = moment;
    if (before.deniedKeys.has(publicKeySha256)) return { state: before, answer: undefined };
    const sha256 = keyInvitationSha256(publicKeySha256);
    const invitations = new Map(
      [...before.invitations].map(([id, each]) => [
        id,
        each.sha256 === sha256 && isInvitationOpen(each, nowMs) ? { ...each, timeExpiresMs: nowMs } : each,
      ]),
    );
    const deniedKeys = withEntry(before.deniedKeys, publicKeySha256, nowMs);
    const action = { kind: 'join_key_denied', publicKeySha256 } as const;
    return {
      state: withAudit({ ...before, invitations, deniedKeys }, audit, action, moment),
      answer: undefined,
    };
  };

export const keyDenialList: Query<readonly KeyDenial[]> = ({ deniedKeys }) =>
  [...deniedKeys]
    .map(([publicKeySha256, timeDeniedMs]) => ({ publicKeySha256, timeDeniedMs }))
    .sort((a, b) => b.timeDeniedMs - a.timeDeniedMs || (a.publicKeySha256 < b.publicKeySha256 ? -1 : 1))
    .slice(0, MAX_LISTED_DENIALS);

export const isKeyDenied =
  (publicKeySha256: string): Query<boolean> =>
  ({ deniedKeys }) =>
    deniedKeys.has(publicKeySha256);

/** JD4. */
export const withoutOpenInvitations = (
  state: MemoryState,
  { nowMs }: Moment,
): { readonly state: MemoryState; readonly ended: number } => {
  const open = [...state.invitations.values(), ...state.nexusInvitations.values()].filter(each =>
    isInvitationOpen(each, nowMs),
  );
  return {
    state: {
      ...state,
      invitations: expired(state.invitations, nowMs),
      nexusInvitations: expired(state.nexusInvitations, nowMs),
    },
    ended: open.length,
  };
};

const expired = <Id, Each extends Pick<InvitationRecord, 'timeExpiresMs' | 'used'>>(
  invitations: ReadonlyMap<Id, Each>,
  nowMs: number,
): ReadonlyMap<Id, Each> =>
  new Map(
    [...invitations].map(([id, each]) => [
      id,
      isInvitationOpen(each, nowMs) ? { ...each, timeExpiresMs: nowMs } : each,
    ]),
  );
