/** Sleds as they registered, and whether they are in service. */
import type { Policy } from '../../../core/facts/event.ts';
import type { Point, SledId } from '../../../core/ids.ts';
import type { RecordedPoints } from '../../../core/lineage.ts';
import type { SledRegistration } from '../../../core/sled-registration.ts';
import type { Audited } from './audit-port.ts';
import type { Page, Paged, Wait } from './verb.ts';

export type SledRecord = {
  readonly id: SledId;
  readonly info: SledRegistration;
  readonly policy: Policy;
  readonly timeRegisteredMs: number;
  readonly timeLastRegisteredMs: number;
  /** Undefined while it is in service. */
  readonly timeExpungedMs: number | undefined;
  /** The address at which it may speak plain HTTP; undefined for a sled that identifies itself. */
  readonly plainAddress?: string | undefined;
};

/** How a sled speaks. `plain`: without an identity, at an address that an operator approved, or at the registered one. */
export type SledTransport =
  | { readonly kind: 'tls' }
  | { readonly kind: 'plain'; readonly address: string | undefined };

export type RegistrationOutcome = {
  readonly changed: boolean;
  readonly stale: boolean;
  readonly floor: Point;
  readonly lineage: RecordedPoints;
  /** The address of an approval that this registration ended (STR3). */
  readonly endedPlainAddress?: string | undefined;
};

/** What its record said; empty texts for a sled that joined and never registered. */
export type ForgottenSled = { readonly serial: string; readonly address: string };

export type SledPort = {
  /**
   * Records a registration. One with an older `generation` than a recorded one that is still repeated is ignored (`stale`);
   * an expunged sled is `SLED_DECOMMISSIONED`. `changed` is true for a new sled and for any change that replication should see.
   * The point of the wanted set, and which of the sled's heads are recorded, are read in the same transaction (P5, P13).
   *
   * With `plainFrom`, the address that it came from without an identity, it needs an approval: `SLED_NOT_PLAIN` (STR2).
   * With `publicKeySha256`, of the certificate that it presents, `SLED_KEY_IN_USE` for the key of another sled (RI3),
   * `SLED_SERIAL_DIFFERS` (RI5), and `SLED_PENDING` for a sled with a config that is unknown here (RI4).
   */
  readonly sledUpsert: (
    id: SledId,
    info: SledRegistration,
    wait: Wait & { readonly plainFrom?: string; readonly publicKeySha256?: string },
  ) => Promise<RegistrationOutcome>;
  /**
   * Lets a pending sled register with this key (RI4). False for one that is known with it. `SLED_DECOMMISSIONED` for an expunged one,
   * `SLED_KEY_IN_USE` for the key of another one.
   */
  readonly sledAdmit: (
    id: SledId,
    sled: { readonly publicKeySha256: string; readonly serial: string },
    wait: Audited,
  ) => Promise<boolean>;
  readonly sledGet: (id: SledId, wait: Wait) => Promise<SledRecord | undefined>;
  readonly sledList: (
    page: Page & { readonly policy?: 'in_service' },
    wait: Wait,
  ) => Promise<Paged<SledRecord>>;
  /** False when there is no such sled. */
  readonly sledSetPolicy: (id: SledId, policy: Policy, wait: Audited) => Promise<boolean>;
  /**
   * Approves a sled as plain, or ends its approval. Returns the approved address, undefined for `tls`. `NOT_FOUND` for a sled of
   * which nothing is known, `INVALID_REQUEST` for an approval without an address of one that never registered.
   */
  readonly sledSetTransport: (
    id: SledId,
    transport: SledTransport,
    wait: Audited,
  ) => Promise<string | undefined>;
  /** The address at which a sled is approved as plain. */
  readonly sledPlainAddress: (id: SledId, wait: Wait) => Promise<string | undefined>;
  /**
   * Removes the record of an expunged sled, which counts as new if it registers again. `NOT_FOUND`, `SLED_IN_SERVICE`, and
   * `SLED_CERTIFICATE_VALID` until `certificateLifeMs` after its last registration and its expunge. Undefined where an earlier
   * attempt removed it and could not say so.
   */
  readonly sledForget: (
    id: SledId,
    fleet: { /** 0 where sleds have no certificates. */ readonly certificateLifeMs: number },
    wait: Audited,
  ) => Promise<ForgottenSled | undefined>;
};
