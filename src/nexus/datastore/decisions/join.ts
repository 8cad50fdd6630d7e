/**
 * Who may join by an invitation, and as which sled.
 *
 *     invitation, key ─▶ decideJoin() ─┬─▶ first: burn the invitation, record the key, expunge the sled that it replaces
 *                                      └─▶ repeat: the same answer, and nothing changes
 *
 * JD1. An invitation is used once. The key that used it is answered again for {@link JOIN_REPEATED_MS}, since its answer may
 *      have been lost; any other key is refused, and learns as which sled the other one joined: the caller has the token, and a
 *      person has to know that somebody else had it too.
 * JD2. One key has one sled, so that no machine counts as two (G4), also one that registered with a certificate that was issued in
 *      another way (RI3). A sled has one key at a time; the last one that joined.
 * JD3. The id of a sled is that of the invitation, or made by Nexus. What the machine calls itself is only compared.
 * JD4. A database that lost commits may list as unused what machines have used, and as open what an admin has ended. So the recovery
 *      that follows ends all that are open, of sleds and Nexuses, in its own transaction.
 * JD5. An invitation may name the serial number that the machine has to report. Another one is refused, and so is none, of a version
 *      that does not report it; neither uses the invitation up. The key keeps it for its registrations (RI5). A machine reports what its
 *      configuration says: this catches a token or a configuration on the wrong machine, and proves nothing.
 */
import type { SledId } from '../../../core/ids.ts';
import { isoTime } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import type {
  InvitationRecord,
  JoinRequest,
  NewInvitation,
  SledKeyRecord,
} from '../ports/invitation-port.ts';
import type { SledRecord } from '../ports/sled-port.ts';

/** More machines than a fleet installs within the life of an invitation. */
export const MAX_OPEN_INVITATIONS = 1_000;
/** As many as may be open, and those that ended lately. */
export const MAX_LISTED_INVITATIONS = 2 * MAX_OPEN_INVITATIONS;
/** An admin denies one by one. Older ones count too. */
export const MAX_LISTED_DENIALS = 1_000;
/** An invitation that ended is named as used or expired for this long. The audit log keeps it. */
export const ENDED_INVITATIONS_KEPT_MS = 90 * 24 * 3_600_000;
/** A person who lost the answer tries again within the day. */
export const JOIN_REPEATED_MS = 24 * 3_600_000;

type Policies = {
  /** Of the sled that the machine joins as; undefined if it is not registered. */
  readonly sled: SledRecord['policy'] | undefined;
  readonly replaced: SledRecord['policy'] | undefined;
};

/** @param openInvitations without the new one @throws `NOT_FOUND`, `SLED_DECOMMISSIONED`, `TOO_MANY_INVITATIONS` */
export const requireInvitable = (
  { sledId, replacesSledId }: Pick<NewInvitation, 'sledId' | 'replacesSledId'>,
  policies: Policies,
  openInvitations: number,
): void => {
  if (sledId !== null && policies.sled === undefined) throw noSled(sledId);
  if (replacesSledId !== null && policies.replaced === undefined) throw noSled(replacesSledId);
  if (sledId !== null) requireNotExpunged(sledId, policies.sled);
  requireInvitationRoom(openInvitations);
};

/** @param openInvitations without a new one @throws `TOO_MANY_INVITATIONS` */
export const requireInvitationRoom = (openInvitations: number): void => {
  if (openInvitations < MAX_OPEN_INVITATIONS) return;
  throw new DepotError(
    'TOO_MANY_INVITATIONS',
    `${openInvitations} invitations are neither used nor expired, the most that are kept`,
    { detail: { limit: MAX_OPEN_INVITATIONS } },
  );
};

/** @throws `SLED_DECOMMISSIONED` */
export const requireNotExpunged = (id: SledId, policy: SledRecord['policy'] | undefined): void => {
  if (policy !== 'expunged') return;
  throw new DepotError('SLED_DECOMMISSIONED', `sled ${id} is expunged: no machine can join as it`);
};

const noSled = (id: SledId): DepotError => new DepotError('NOT_FOUND', `there is no sled ${id}`);

/**
 * JD1: an invitation of a key does not end the repetition of an earlier one of the same key.
 *
 * @param user the key that used the earlier one, as it joined
 * @throws `INVITATION_USED`
 */
export const requireNotRepeated = (
  earlier: InvitationRecord,
  user: SledKeyRecord | undefined,
  nowMs: number,
): void => {
  if (earlier.used === null || user === undefined) return;
  const untilMs = earlier.used.timeMs + JOIN_REPEATED_MS;
  if (user.timeReplacedMs !== null || user.timeExpungedMs !== null || nowMs > untilMs) return;
  throw alreadyUsed(earlier, user, `and is answered again until ${isoTime(untilMs)}: nothing is to approve`);
};

export type JoinDecision = {
  readonly kind: 'first' | 'repeat';
  readonly sledId: SledId;
  readonly invitation: InvitationRecord;
};

type JoinFacts = {
  /** With the digest of the token. */
  readonly invitation: InvitationRecord | undefined;
  /** The key that asks, as it joined before. */
  readonly key: SledKeyRecord | undefined;
  /** The sled that registered with the key that asks. */
  readonly registered: SledId | undefined;
  /** The key that used the invitation, as it joined then. */
  readonly user: SledKeyRecord | undefined;
  /** By the database's clock. */
  readonly nowMs: number;
};

/** @throws `INVITATION_INVALID`, `INVITATION_USED`, `SLED_SERIAL_DIFFERS`, `SLED_KEY_IN_USE` */
export const decideJoin = (
  request: JoinRequest,
  { invitation, key, registered, user, nowMs }: JoinFacts,
): JoinDecision => {
  if (invitation === undefined)
    throw new DepotError('INVITATION_INVALID', 'this database has no invitation with this token');
  const { used } = invitation;
  if (used !== null) {
    if (used.publicKeySha256 !== request.publicKeySha256)
      throw alreadyUsed(invitation, user, 'with another key');
    if (key === undefined)
      throw alreadyUsed(invitation, undefined, 'with this key, and its sled was forgotten since');
    if (key.timeReplacedMs !== null) throw alreadyUsed(invitation, key, 'and another key replaced this one');
    if (nowMs - used.timeMs > JOIN_REPEATED_MS)
      throw alreadyUsed(invitation, key, 'and the answer is repeated for a day only');
    requireSerial(request, invitation);
    requirePresentName(request, key.sledId);
    return { kind: 'repeat', sledId: key.sledId, invitation };
  }
  if (invitation.timeExpiresMs <= nowMs)
    throw new DepotError(
      'INVITATION_INVALID',
      `invitation ${invitation.id} expired at ${isoTime(invitation.timeExpiresMs)}, and was not used`,
    );
  requireSerial(request, invitation);
  const sledId = invitation.sledId ?? request.newSledId;
  for (const other of [key?.sledId, registered])
    if (other !== undefined && other !== sledId)
      throw keyInUse(`the key of this machine is of sled ${other}`, other);
  requirePresentName(request, sledId);
  return { kind: 'first', sledId, invitation };
};

/** JD5. */
const requireSerial = ({ serial: reported }: JoinRequest, { id, serial }: InvitationRecord): void => {
  if (serial === null || serial === reported) return;
  const why =
    reported === undefined
      ? `the tuf-depot of this machine reports none, as versions before this did`
      : `the configuration of this machine says ${reported}`;
  throw new DepotError(
    'SLED_SERIAL_DIFFERS',
    `invitation ${id} is for the machine with the serial number ${serial}, and ${why}`,
    { detail: { expected: serial, ...(reported !== undefined && { reported }) } },
  );
};

const requirePresentName = ({ presentSledId }: JoinRequest, sledId: SledId): void => {
  if (presentSledId === undefined || presentSledId === sledId) return;
  throw keyInUse(`this machine has a certificate of sled ${presentSledId}`, presentSledId);
};

const keyInUse = (what: string, sledId: SledId): DepotError =>
  new DepotError('SLED_KEY_IN_USE', `${what}, and the invitation is not for that sled`, {
    detail: { sled_id: sledId },
  });

const alreadyUsed = (
  { id, used }: InvitationRecord,
  by: SledKeyRecord | undefined,
  how: string,
): DepotError => {
  const time = used === null ? '' : ` at ${isoTime(used.timeMs)}`;
  const sled = by === undefined ? 'a machine' : `sled ${by.sledId}`;
  return new DepotError('INVITATION_USED', `${sled} joined with invitation ${id}${time}, ${how}`);
};

/** @param nowMs by the database's clock */
export const isInvitationForgotten = (
  { timeExpiresMs, used }: Pick<InvitationRecord, 'timeExpiresMs' | 'used'>,
  nowMs: number,
): boolean => Math.min(timeExpiresMs, used?.timeMs ?? timeExpiresMs) < nowMs - ENDED_INVITATIONS_KEPT_MS;

/** @param nowMs by the database's clock */
export const isInvitationOpen = (
  { timeExpiresMs, used }: Pick<InvitationRecord, 'timeExpiresMs' | 'used'>,
  nowMs: number,
): boolean => used === null && timeExpiresMs > nowMs;
