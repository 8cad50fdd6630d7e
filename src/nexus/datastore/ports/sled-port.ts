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
};

export type RegistrationOutcome = {
  readonly changed: boolean;
  readonly stale: boolean;
  readonly floor: Point;
  readonly lineage: RecordedPoints;
};

/** What its record said; empty texts for a sled that joined and never registered. */
export type ForgottenSled = { readonly serial: string; readonly address: string };

export type SledPort = {
  /**
   * Records a registration. One with an older `generation` than a recorded one that is still repeated is ignored (`stale`);
   * an expunged sled is `SLED_DECOMMISSIONED`. `changed` is true for a new sled and for any change that replication should see.
   * The point of the wanted set, and which of the sled's heads are recorded, are read in the same transaction (P5, P13).
   */
  readonly sledUpsert: (id: SledId, info: SledRegistration, wait: Wait) => Promise<RegistrationOutcome>;
  readonly sledGet: (id: SledId, wait: Wait) => Promise<SledRecord | undefined>;
  readonly sledList: (
    page: Page & { readonly policy?: 'in_service' },
    wait: Wait,
  ) => Promise<Paged<SledRecord>>;
  /** False when there is no such sled. */
  readonly sledSetPolicy: (id: SledId, policy: Policy, wait: Audited) => Promise<boolean>;
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
