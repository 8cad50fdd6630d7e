/** Randomness of a run: one stream for each part of it, so that the draws of one part do not shift those of another. */
import { type Rng, seededRng } from '../../src/core/rng.ts';

export type Streams = (name: string) => Rng;

export const createStreams =
  (seed: number): Streams =>
  name =>
    seededRng(hashOf(`${seed}/${name}`));

/** FNV-1a. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
};

/** An id of the form of a UUID, of a stream. */
export const idFrom = (rng: Rng): string => {
  const hex = (digits: number): string =>
    Math.floor(rng.next() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0');
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`;
};

export const chance = (rng: Rng, probability: number): boolean => rng.next() < probability;

export const pick = <T>(rng: Rng, items: readonly T[]): T => items[rng.below(items.length)]!;

/** Mostly short, sometimes long: between `least` and `most`, uniform on a logarithmic scale. */
export const spread = (rng: Rng, least: number, most: number): number => least * (most / least) ** rng.next();
