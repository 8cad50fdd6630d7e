/**
 * The artifact config: what every sled should hold, at which generation.
 *
 * C1. A sled's generation never falls (G6).
 * C2. Two configs of one generation have one content; anything else is refused, never merged (S8).
 */
import type { ArtifactHash, Generation } from './ids.ts';

export type ArtifactConfig = {
  readonly generation: Generation;
  /** Hash to length in bytes; the length is unknown when the config came from a peer that sends none (P10). */
  readonly artifacts: ReadonlyMap<ArtifactHash, number | undefined>;
};

export type Adoption =
  | { readonly kind: 'adopt' }
  | { readonly kind: 'same' }
  | { readonly kind: 'refuse'; readonly reason: 'older' | 'differs' | 'below_floor' };

/**
 * What a sled does with an offered config.
 *
 * @param current the config it holds, if any
 * @param floor the highest generation that the sled must assume it may once have acknowledged (P5)
 */
export const adoption = (
  current: ArtifactConfig | undefined,
  offered: ArtifactConfig,
  floor: Generation | undefined,
): Adoption => {
  if (current !== undefined && offered.generation < current.generation)
    return { kind: 'refuse', reason: 'older' };
  if (current !== undefined && offered.generation === current.generation) {
    return sameArtifacts(current, offered) ? { kind: 'same' } : { kind: 'refuse', reason: 'differs' };
  }
  if (floor !== undefined && offered.generation < floor) return { kind: 'refuse', reason: 'below_floor' };
  return { kind: 'adopt' };
};

/** Equality of the wanted sets; lengths are outside of it (P10). */
export const sameArtifacts = (a: ArtifactConfig, b: ArtifactConfig): boolean =>
  a.artifacts.size === b.artifacts.size && [...a.artifacts.keys()].every(hash => b.artifacts.has(hash));

/**
 * The text whose SHA-256 is the digest of a wanted set: the hashes in order, one a line. Database, Nexus and
 * sled agent each compute it on their own, so it is defined once, here, and hashed where hashing is allowed.
 */
export const digestInput = (hashes: Iterable<ArtifactHash>): string =>
  [...hashes]
    .sort()
    .map(hash => `${hash}\n`)
    .join('');
