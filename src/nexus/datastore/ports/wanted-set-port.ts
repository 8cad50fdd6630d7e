/**
 * The wanted set and its point: the artifacts of the fleet, the recorded points of this database, and raises of the
 * generation without a change of releases (P7, P13).
 */
import type { AuditAction } from '../../../core/facts/audit.ts';
import type { Generation, Point, SledId } from '../../../core/ids.ts';
import type { Wanted, WantedRelease } from '../../../core/inventory.ts';
import type { PointClaim, RecordedPoints } from '../../../core/lineage.ts';
import type { AuditedWith } from './audit-port.ts';
import type { RecordedBundle } from './release-port.ts';
import type { Wait } from './verb.ts';

/** The wanted set, read consistently: generation, digest and content belong together. */
export type WantedSet = Wanted<PresentRelease> &
  Point & {
    /** Of the requested claims, in the same transaction (P13). */
    readonly lineage: RecordedPoints;
  };

export type PresentRelease = WantedRelease & {
  readonly timeCreatedMs: number;
  /** What vouches for it; undefined for a moment after an upgrade. */
  readonly bundle?: RecordedBundle | undefined;
};

/** The point that a recovery led to. */
export type Raised = Point & {
  /** Invitations of machines that nobody had used; 0 for a repeated transaction whose first attempt was committed. */
  readonly invitationsEnded: number;
};

/** What a person decided in a recovery. */
export type RecoveryDecision = Pick<
  AuditAction<'generation_recovered'>,
  'excludedSleds' | 'givenUp' | 'givenUpTotal' | 'headsLost'
>;

export type WantedSetPort = {
  /** @param options.claims points of sleds; the answer says which of them this database recorded (P13) */
  readonly wantedSet: (options: Wait & { readonly claims?: readonly PointClaim[] }) => Promise<WantedSet>;
  /** Generation and digest alone, for floors and divergence checks (P5, P7). */
  readonly currentGeneration: (wait: Wait) => Promise<Point>;
  /** The same, and which of some claims this database recorded, read in one transaction (P7, P13). */
  readonly pointsRecorded: (
    claims: readonly PointClaim[],
    wait: Wait,
  ) => Promise<{ readonly current: Point; readonly lineage: RecordedPoints }>;
  /**
   * The last step of a recovery (P7): sets the generation to `to` and its digest to that of what the present
   * releases list, whatever was recorded, records points of another history as known (P13), and ends every unused
   * invitation (JD4). Safe to repeat.
   * `INVALID_REQUEST` when `to` is below the present generation, or equal to it with nothing to accept.
   */
  readonly generationRaise: (
    raise: {
      readonly to: Generation;
      readonly accepted?: readonly Point[];
      /** The operator, for people. */
      readonly orderedBy?: string;
      /** The point of the database in the plan: `INVALID_REQUEST` if the database is at another one by now. */
      readonly planned?: Point;
    },
    options: AuditedWith<RecoveryDecision>,
  ) => Promise<Raised>;
  /**
   * Raises the generation for the sake of one sled, whose set the wanted set includes (P13). Undefined when the limits of
   * decisions/generation.ts do not allow it, and then nothing is changed.
   */
  readonly generationMend: (
    mend: { readonly to: Generation; readonly sledId: SledId },
    wait: Wait,
  ) => Promise<Point | undefined>;
};
