/**
 * Lineage: which wanted set a config succeeds (P13).
 *
 * A failover or a restore loses commits of the database, and ordinary changes then raise the generation above that of a
 * sled. The number alone does not distinguish that database from one that only moved on. A point does: a generation and
 * the digest of its wanted set. The database keeps every point it ever had, so it knows whether a point comes from its own
 * past.
 *
 * LN1. A point is known when the database recorded it, or when it is older than the first point that was recorded and
 *      comes from a sled that has never adopted a lineage. The current number never makes a point known.
 * LN2. A config is compared with the sled's point by equality; numbers alone prove nothing.
 */
import { type Generation, type Point, pointText } from './ids.ts';

/** The predecessor that a config names: the sled's point, or `unknown` if the database does not know that point. */
export type Predecessor = Point | 'unknown';

/** A point as a sled reports it. */
export type PointClaim = Point & {
  /** The sled has adopted a config that named its predecessor, so this point was recorded by some database. */
  readonly hasLineage: boolean;
};

/** A point as a sled registers it. */
export type RegisteredHead = PointClaim & {
  /** Of another history, and kept until a recovery has decided on it. */
  readonly isKept: boolean;
};

/** The recorded points of a database that matter for some claims. */
export type RecordedPoints = {
  /** The generation of the first point that was recorded. */
  readonly first: Generation;
  /** {@link pointText} of the recorded claims. */
  readonly recorded: ReadonlySet<string>;
};

export const samePoint = (a: Point, b: Point): boolean =>
  a.generation === b.generation && a.digest === b.digest;

/** LN1. */
export const isKnownPoint = (claim: PointClaim, { first, recorded }: RecordedPoints): boolean =>
  recorded.has(pointText(claim)) || (!claim.hasLineage && claim.generation < first);

/**
 * How the point of a sled relates to a config that is offered to it. The config may replace an `ancestor`. `newer` is a
 * point of the database at or above the config's generation, or any point once the database has moved past the config.
 * `conflicting` is a point that the database does not know.
 */
export type Standing = 'same' | 'ancestor' | 'newer' | 'conflicting';

/** @param now a read of the database that began after the sled's answer (P7) */
export const standingOf = (
  claim: PointClaim,
  offered: Point,
  now: { readonly current: Point; readonly lineage: RecordedPoints },
): Standing => {
  // First: a database that was restored since may not know the offered config either.
  if (!isKnownPoint(claim, now.lineage)) return 'conflicting';
  if (samePoint(claim, offered)) return 'same';
  return samePoint(now.current, offered) && claim.generation < offered.generation ? 'ancestor' : 'newer';
};

/** For messages: the generation and the beginning of the digest. */
export const shortPoint = ({ generation, digest }: Point): string => `${generation}:${digest.slice(0, 12)}`;
