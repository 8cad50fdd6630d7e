/**
 * The artifact config: the wanted set of every sled, and its point.
 *
 * C1. A sled's generation never falls (G6).
 * C2. Two configs of one generation have one content; anything else is refused, never merged (S8).
 * C3. A config replaces another only if nothing can be lost: it lists everything that the other one lists, or it names the
 *     other one as its predecessor (P13).
 * C4. A sled that has adopted a config with a predecessor refuses configs without one. Only a sled that never has goes by
 *     numbers, for control planes without lineage.
 * C5. A sled whose point the database did not know, and that believes an admin key, adopts a config that lists less only if a
 *     person has accepted its point: that the database knows the point later is the word of a Nexus (T4).
 */
import type { ArtifactHash, Generation, Point } from './ids.ts';
import { type Predecessor, samePoint } from './lineage.ts';
import type { OfferedRelease } from './release-trust.ts';

/** No release has more artifacts than this; bounds the config and the list. */
export const MAX_CONFIG_ARTIFACTS = 100_000;

export type ArtifactConfig = {
  readonly generation: Generation;
  /** Hash to length in bytes; the length is unknown when the config came from a peer that sends none (P10). */
  readonly artifacts: ReadonlyMap<ArtifactHash, number | undefined>;
};

export type OfferedConfig = ArtifactConfig & {
  /** Absent from a control plane without lineage. */
  readonly succeeds?: Predecessor | undefined;
  /** The point of which `unknown` is said; a control plane of an earlier version does not name it. */
  readonly unknownPoint?: Point | undefined;
  /** What vouches for each release; absent from a control plane without bundles. It decides about no adoption. */
  readonly releases?: readonly OfferedRelease[] | undefined;
};

export type HeldConfig = {
  /** Undefined before the first one: a sled without a config holds the empty set. */
  readonly config: ArtifactConfig | undefined;
  /** Hashes the set, so only called where the point decides. */
  readonly pointOf: (config: ArtifactConfig) => Point;
  /** Whether a config with a predecessor was ever adopted (C4). */
  readonly hasLineage: boolean;
  /** Its point was unknown, and the person who has to accept it has not (C5). */
  readonly isUnaccepted?: boolean;
};

export type RefusalReason =
  | 'older'
  | 'differs'
  | 'not_successor'
  | 'not_accepted'
  | 'no_lineage'
  | 'below_floor';

export type Adoption =
  | { readonly kind: 'adopt' }
  | { readonly kind: 'same' }
  | { readonly kind: 'refuse'; readonly reason: RefusalReason };

/**
 * The decision of a sled on an offered config.
 *
 * @param floor the highest generation that the sled must assume it may once have acknowledged (P5)
 */
export const adoption = (
  held: HeldConfig,
  offered: OfferedConfig,
  floor: Generation | undefined,
): Adoption => {
  const { config, isUnaccepted = false } = held;
  const byLineage = config === undefined ? first(held, offered) : next(held, config, offered);
  const losesUnaccepted =
    byLineage.kind === 'adopt' && isUnaccepted && config !== undefined && !includes(offered, config);
  const verdict = losesUnaccepted ? refuse('not_accepted') : byLineage; // C5
  const isBelow = floor !== undefined && offered.generation < floor;
  return verdict.kind !== 'refuse' && isBelow ? refuse('below_floor') : verdict;
};

const first = ({ hasLineage }: HeldConfig, { succeeds }: OfferedConfig): Adoption =>
  hasLineage && succeeds === undefined ? refuse('no_lineage') : { kind: 'adopt' };

const next = (
  { pointOf, hasLineage }: HeldConfig,
  config: ArtifactConfig,
  offered: OfferedConfig,
): Adoption => {
  if (offered.generation === config.generation && sameArtifacts(config, offered)) return { kind: 'same' };
  if (offered.generation < config.generation) return refuse('older');
  if (offered.generation === config.generation) return refuse('differs');
  if (offered.succeeds === undefined) return hasLineage ? refuse('no_lineage') : { kind: 'adopt' }; // C4
  if (includes(offered, config)) return { kind: 'adopt' };
  const isSuccessor = offered.succeeds !== 'unknown' && samePoint(offered.succeeds, pointOf(config));
  return isSuccessor ? { kind: 'adopt' } : refuse('not_successor');
};

/** Whether the offer says that the database does not know this point: what it says of another one is no news to the sled (C5). */
export const isCalledUnknown = (
  point: Point,
  { succeeds, unknownPoint = point }: Pick<OfferedConfig, 'succeeds' | 'unknownPoint'>,
): boolean => succeeds === 'unknown' && samePoint(unknownPoint, point);

const refuse = (reason: RefusalReason): Adoption => ({ kind: 'refuse', reason });

/** Equality of the wanted sets; lengths do not count (P10). */
const sameArtifacts = (a: ArtifactConfig, b: ArtifactConfig): boolean =>
  a.artifacts.size === b.artifacts.size && includes(a, b);

/** Whether the first one lists everything that the second one lists. */
export const includes = (
  a: Pick<ArtifactConfig, 'artifacts'>,
  b: { readonly artifacts: { readonly keys: () => Iterable<ArtifactHash>; readonly size: number } },
): boolean =>
  a.artifacts.size >= b.artifacts.size && [...b.artifacts.keys()].every(hash => a.artifacts.has(hash));

/**
 * The text whose SHA-256 is the digest of a wanted set: the hashes in order, one a line. Database, Nexus and
 * sled agent each compute it on their own, so it is defined once, here, and hashed by callers that may hash.
 */
export const digestInput = (hashes: Iterable<ArtifactHash>): string =>
  [...hashes]
    .sort()
    .map(hash => `${hash}\n`)
    .join('');
