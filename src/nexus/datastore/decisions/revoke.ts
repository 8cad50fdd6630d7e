/**
 * When an identity is revoked, and which certificates that covers.
 *
 *     expunged, or joined with a new key ─▶ one row of the identity, the latest time ─▶ every Nexus ─▶ every sled
 *
 * RVD1. Nothing takes a revocation back, not the return of the sled to service either: a Nexus that did not read in between
 *      learns it later.
 * RVD2. A certificate begins at most a second after the revocation that its issuer knew. So the next one is at least a second
 *      later, and covers it, also by a clock that was set back.
 */
import type { InvitationRecord, SledKeyRecord } from '../ports/invitation-port.ts';

export const REVOCATION_STEP_MS = 1_000;

/** RVD2. @param before of the same identity, if it was revoked before */
export const nextRevocationMs = (nowMs: number, before: number | undefined): number =>
  before === undefined ? nowMs : Math.max(nowMs, before + REVOCATION_STEP_MS);

/** A key that is new for a sled takes the place of the one before, which may be of a certificate that no database knows. */
export const revokesByJoin = (
  { sledId }: Pick<InvitationRecord, 'sledId'>,
  /** The key that joins, as it joined before. */
  key: Pick<SledKeyRecord, 'sledId' | 'timeReplacedMs'> | undefined,
): boolean => sledId !== null && (key?.sledId !== sledId || key.timeReplacedMs !== null);
