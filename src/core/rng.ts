/** Randomness, passed in: a run with the same seed makes the same choices. */
export type Rng = {
  /** Uniform in [0, 1). */
  readonly next: () => number;
  /** Uniform integer in [0, below). */
  readonly below: (below: number) => number;
};

/** A seeded generator (splitmix32): small, fast, good enough for choices, not for secrets. */
export const seededRng = (seed: number): Rng => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let word = state;
    word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return ((word ^ (word >>> 15)) >>> 0) / 2 ** 32;
  };
  return { next, below: below => Math.floor(next() * below) };
};

/** A shuffled copy (Fisher-Yates). */
export const shuffled = <T>(items: Iterable<T>, rng: Rng): T[] => {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i -= 1) {
    const j = rng.below(i + 1);
    // biome-ignore lint/style/noNonNullAssertion: both indexes are below the length, and T may include undefined
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
};
