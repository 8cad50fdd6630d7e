/** Invitations of machines to the fleet, by the SHA-256 of each token, and the keys of the sleds that joined. */

import type { Policy } from '../../../core/facts/event.ts';
import type { InvitationId, SledId } from '../../../core/ids.ts';
import type { Audited } from './audit-port.ts';
import type { Wait } from './verb.ts';

export type InvitationRecord = {
  readonly id: InvitationId;
  readonly sha256: string;
  /** As which sled a machine joins; null: as a new one. */
  readonly sledId: SledId | null;
  /** The sled that the join expunges. */
  readonly replacesSledId: SledId | null;
  /** That the machine has to report; null: any. */
  readonly serial: string | null;
  readonly timeCreatedMs: number;
  readonly timeExpiresMs: number;
  /** By the key that joined. */
  readonly used: { readonly timeMs: number; readonly publicKeySha256: string } | null;
};

/** The newest of them, and the time of the database that they are compared with. */
export type Invitations = {
  readonly databaseMs: number;
  readonly invitations: readonly (InvitationRecord & {
    /** Null for one that is not used, and for a sled that is forgotten. */
    readonly joinedSledId: SledId | null;
  })[];
};

export type NewInvitation = Pick<
  InvitationRecord,
  'id' | 'sha256' | 'sledId' | 'replacesSledId' | 'serial'
> & {
  /** From now on, by the database's clock. */
  readonly lifeMs: number;
  /** Of an invitation of the machine that has this key; for the audit log. */
  readonly keySha256?: string | undefined;
};

export type SledKeyRecord = {
  readonly publicKeySha256: string;
  readonly sledId: SledId;
  readonly timeJoinedMs: number;
  /** When another key joined as the same sled. */
  readonly timeReplacedMs: number | null;
  /** Of its sled, also before it registered. */
  readonly timeExpungedMs: number | null;
  /** That the sled has to report with this key, by its invitation; null: any. */
  readonly serial: string | null;
};

export type SledKeyFacts = {
  /** Undefined for a sled that neither registered nor joined. */
  readonly policy: Policy | undefined;
  /** As this key joined, also as another sled; undefined for one of a certificate that was issued in another way. */
  readonly key: SledKeyRecord | undefined;
  /** That joined last as this sled. */
  readonly current: SledKeyRecord | undefined;
  /** By the database's clock, as of the same transaction. */
  readonly nowMs: number;
};

export type JoinRequest = {
  /** Of the token. */
  readonly sha256: string;
  readonly publicKeySha256: string;
  /** For a new sled. */
  readonly newSledId: SledId;
  /** The name in the certificate that the machine has already; it is only compared. */
  readonly presentSledId: SledId | undefined;
  /** As the machine reports it; undefined for one of a version before it did. */
  readonly serial: string | undefined;
};

export type JoinOutcome = {
  readonly sledId: SledId;
  readonly invitationId: InvitationId;
  /** The same key has joined with the same token before. */
  readonly isRepeat: boolean;
  /** When the sled was revoked for the last time, as of this transaction; null if never. */
  readonly revokedMs: number | null;
  /** The sled that this join expunged. */
  readonly expunged: SledId | undefined;
  /** Of this transaction, by the database's clock. */
  readonly nowMs: number;
};

export type KeyDenial = { readonly publicKeySha256: string; readonly timeDeniedMs: number };

export type InvitationPort = {
  /**
   * Refuses a machine that asks to join by this key, until an invitation names the key; an unused one that does is ended in the same
   * transaction. Again, nothing changes.
   */
  readonly keyDeny: (publicKeySha256: string, wait: Audited) => Promise<void>;
  /** The newest first, at most `MAX_LISTED_DENIALS`. */
  readonly keyDenialList: (wait: Wait) => Promise<readonly KeyDenial[]>;
  readonly isKeyDenied: (publicKeySha256: string, wait: Wait) => Promise<boolean>;
  /**
   * `NOT_FOUND` for a sled that neither registered nor joined, `SLED_DECOMMISSIONED` for an expunged one that a machine would join as,
   * `TOO_MANY_INVITATIONS`. An earlier one of the same key is replaced; `INVITATION_USED` while its answer is repeated (JD1). Invitations that ended long ago are removed in the same transaction.
   */
  readonly invitationCreate: (invitation: NewInvitation, wait: Audited) => Promise<InvitationRecord>;
  /** The newest first. */
  readonly invitationList: (wait: Wait) => Promise<Invitations>;
  /** Lets an unused invitation expire at once; false when there is none. */
  readonly invitationEnd: (id: InvitationId, wait: Audited) => Promise<boolean>;
  /**
   * Burns an invitation, and records the key that joins by it, in one transaction: decisions/join.ts.
   * `INVITATION_INVALID`, `INVITATION_USED`, `SLED_SERIAL_DIFFERS`, `SLED_KEY_IN_USE`, `SLED_DECOMMISSIONED`.
   */
  readonly sledJoin: (request: JoinRequest, wait: Audited) => Promise<JoinOutcome>;
  /** What decides whether a key gets a certificate of a sled anew, as of one transaction. */
  readonly sledKeyGet: (sledId: SledId, publicKeySha256: string, wait: Wait) => Promise<SledKeyFacts>;
};
