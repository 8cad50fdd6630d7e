/**
 * The rates of the transfers that have ended last. Most transfers of a fleet are alike: one that takes much longer is slow (QU3).
 *
 * Only those that were long enough to say anything about a link: the time of the others is that of their requests.
 */
const KEPT = 32;
const TELLING_BYTES = 256 * 1024;

export type TransferRates = {
  readonly add: (sizeBytes: number, elapsedMs: number) => void;
  /** In bytes per millisecond; undefined before the first one. */
  readonly median: () => number | undefined;
};

export const createTransferRates = (): TransferRates => {
  const rates: number[] = [];
  return {
    add(sizeBytes, elapsedMs) {
      if (sizeBytes < TELLING_BYTES) return;
      rates.push(sizeBytes / Math.max(1, elapsedMs));
      if (rates.length > KEPT) rates.shift();
    },
    median: () => rates.toSorted((a, b) => a - b)[rates.length >> 1],
  };
};
