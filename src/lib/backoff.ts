/**
 * How long to wait after the n-th failure in a row: doubling from `firstMs` to `maxMs`, with the upper half
 * of each wait drawn at random so that many waiters do not return together.
 *
 * @param failures failures in a row, at least 1
 * @param random a number in [0, 1)
 */
export const backoffMs = (
  failures: number,
  { firstMs, maxMs }: { firstMs: number; maxMs: number },
  random: number,
): number => {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(full / 2 + (full / 2) * random);
};
