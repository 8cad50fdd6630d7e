/**
 * Which outcomes of one thing are worth recording: one that differs from the one before it, and of a failure that
 * goes on the 2nd, the 4th, the 8th time …, so that a sled that is dead for a month is a dozen lines.
 */

/** More things than this are forgotten, the oldest first: they are recorded once more than needed. */
const MAX_THINGS = 20_000;

type Outcome = {
  /** In a row, this one included. */
  readonly count: number;
  readonly isWorthRecording: boolean;
  /** It follows another outcome of the same thing. */
  readonly isChange: boolean;
};

export type Repeats = { readonly note: (thing: string, outcome: string) => Outcome };

export const createRepeats = (maxThings = MAX_THINGS): Repeats => {
  const things = new Map<string, { readonly outcome: string; readonly count: number }>();
  return {
    note(thing, outcome) {
      const last = things.get(thing);
      const count = last?.outcome === outcome ? last.count + 1 : 1;
      // The latest at the end, so that those that go are the ones that nothing happens to.
      things.delete(thing);
      things.set(thing, { outcome, count });
      for (const oldest of things.keys()) {
        if (things.size <= maxThings) break;
        things.delete(oldest);
      }
      return {
        count,
        isWorthRecording: Number.isInteger(Math.log2(count)),
        isChange: last !== undefined && count === 1,
      };
    },
  };
};
