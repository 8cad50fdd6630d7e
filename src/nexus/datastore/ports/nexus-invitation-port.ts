/** Invitations of further Nexuses, by the SHA-256 of each token. */

import type { Policy } from '../../../core/facts/event.ts';
import type { InvitationId, NexusId } from '../../../core/ids.ts';
import type { Audited } from './audit-port.ts';
import type { InvitationRecord } from './invitation-port.ts';
import type { Wait } from './verb.ts';

export type NexusInvitationRecord = Omit<InvitationRecord, 'sledId' | 'replacesSledId' | 'serial'> & {
  /** As which Nexus the machine joins. */
  readonly nexusId: NexusId;
};

export type NewNexusInvitation = Pick<NexusInvitationRecord, 'id' | 'sha256' | 'nexusId'> & {
  /** Of a Nexus that the database knows. */
  readonly isKnown: boolean;
  /** From now on, by the database's clock. */
  readonly lifeMs: number;
};

/** The newest of them, and the time of the database that they are compared with. */
export type NexusInvitations = {
  readonly databaseMs: number;
  readonly invitations: readonly NexusInvitationRecord[];
};

export type NexusJoinRequest = {
  /** Of the token. */
  readonly sha256: string;
  readonly publicKeySha256: string;
  /** Of the certificate or the staging directory that the machine has already; it is only compared. */
  readonly presentNexusId: NexusId | undefined;
};

export type NexusJoinOutcome = {
  readonly nexusId: NexusId;
  readonly invitationId: InvitationId;
  /** The same key has joined with the same token before. */
  readonly isRepeat: boolean;
  /** When the Nexus was revoked for the last time, as of this transaction; null if never. */
  readonly revokedMs: number | null;
  /** Of this transaction, by the database's clock. */
  readonly nowMs: number;
};

export type NexusStanding = {
  /** Undefined for a Nexus that has not reached the database. */
  readonly policy: Policy | undefined;
  /** Null for one that was never revoked. */
  readonly revokedMs: number | null;
  /** By the database's clock, as of the same transaction. */
  readonly nowMs: number;
};

export type NexusInvitationPort = {
  /** `NOT_FOUND` for a known Nexus that is not there, `NEXUS_EXPUNGED`, `TOO_MANY_INVITATIONS`. Those that ended long ago, unused, are removed. */
  readonly nexusInvitationCreate: (
    invitation: NewNexusInvitation,
    wait: Audited,
  ) => Promise<NexusInvitationRecord>;
  /** The newest first. */
  readonly nexusInvitationList: (wait: Wait) => Promise<NexusInvitations>;
  /** Lets an unused invitation expire at once; false when there is none. */
  readonly nexusInvitationEnd: (id: InvitationId, wait: Audited) => Promise<boolean>;
  /**
   * Burns an invitation in one transaction: decisions/nexus-join.ts. A join as a Nexus that joined before revokes its certificates.
   * `INVITATION_INVALID`, `INVITATION_USED`, `NEXUS_ID_DIFFERS`, `NEXUS_EXPUNGED`.
   */
  readonly nexusJoin: (request: NexusJoinRequest, wait: Audited) => Promise<NexusJoinOutcome>;
  /** What decides whether a Nexus gets its certificate anew, as of one transaction. */
  readonly nexusStanding: (nexusId: NexusId, wait: Wait) => Promise<NexusStanding>;
};
