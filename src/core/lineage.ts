/**
 * Lineage: which wanted set a config takes the place of (P13).
 *
 * A failover or a restore takes commits from the database, and ordinary changes then count past the number that a sled
 * holds. The number alone cannot tell that database from one that moved on. A point can: a generation and the digest of
 * the set that was wanted at it. The database keeps every point it ever had, so it can say of any point whether it comes
 * from its own past.
 *
 * LN1. A point is known when the database recorded it, or when it is older than the first point that was recorded and
 *      comes from a sled that has never adopted a lineage. The current number never makes a point known.
 * LN2. A config is compared with the point that a sled holds by equality; nothing is concluded from numbers alone.
 */
import { type Generation, type Point, pointText } from './ids.ts';

/** What a config says that it takes the place of: the point that the sled holds, or `unknown` to the database. */
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

/** The points that a database recorded, as far as they matter for some claims. */
export type RecordedPoints = {
  /** The generation of the first point that was recorded. */
  readonly first: Generation;
  /** {@link pointText} of those of the claims that are recorded. */
  readonly recorded: ReadonlySet<string>;
};

export const samePoint = (a: Point, b: Point): boolean =>
  a.generation === b.generation && a.digest === b.digest;

/** LN1. */
export const isKnownPoint = (claim: PointClaim, { first, recorded }: RecordedPoints): boolean =>
  recorded.has(pointText(claim)) || (!claim.hasLineage && claim.generation < first);

/** Short enough for a sentence: the generation and the beginning of the digest. */
export const shortPoint = ({ generation, digest }: Point): string => `${generation}:${digest.slice(0, 12)}`;
