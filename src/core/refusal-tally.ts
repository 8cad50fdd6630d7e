/**
 * Counts refused requests until they are written: one row for each caller and reason.
 *
 *     note() ─▶ a row, or its count ─▶ take(): all rows since the last take, and the sums
 *
 * RFT1. Memory and the size of a batch are bounded: {@link MAX_STRANGER_ROWS} of addresses and {@link MAX_NAMED_ROWS} of tokens and
 *      processes of the fleet, each on its own. What has no row counts in the sums alone, so nothing is uncounted.
 * RFT2. A stranger is its network as places of a server count it, so that one machine has few rows; a caller with a name has one
 *      row for each reason, whatever its addresses.
 */
import type { RefusalFact, RefusedRequest } from './facts/refusal.ts';

/** Enough to see what goes on; an entry with all rows has about 12 KB. */
export const MAX_STRANGER_ROWS = 16;
export const MAX_NAMED_ROWS = 32;

export type RefusalBatch = {
  readonly refusals: readonly RefusalFact[];
  /** Also of those without a row. */
  readonly total: number;
  readonly fromMs: number;
  readonly untilMs: number;
};

export type RefusalTally = {
  readonly note: (refused: RefusedRequest, nowMs: number) => void;
  /** Undefined if there was none. */
  readonly take: () => RefusalBatch | undefined;
  readonly isEmpty: () => boolean;
};

export const createRefusalTally = (): RefusalTally => {
  let rows = new Map<string, RefusalFact>();
  let named = 0;
  let sums: Omit<RefusalBatch, 'refusals'> | undefined;

  const countRow = ({ network, ...refused }: RefusedRequest, nowMs: number): void => {
    const name = refused.tokenId ?? refused.identity;
    const key = `${refused.why} ${name === undefined ? network : `named ${name}`}`;
    const row = rows.get(key);
    if (row !== undefined) {
      rows.set(key, { ...row, count: row.count + 1, lastMs: nowMs });
      return;
    }
    const isFull = name === undefined ? rows.size - named >= MAX_STRANGER_ROWS : named >= MAX_NAMED_ROWS;
    if (isFull) return;
    if (name !== undefined) named += 1;
    rows.set(key, { ...refused, count: 1, firstMs: nowMs, lastMs: nowMs });
  };

  return {
    note(refused, nowMs) {
      sums = { total: (sums?.total ?? 0) + 1, fromMs: sums?.fromMs ?? nowMs, untilMs: nowMs };
      countRow(refused, nowMs);
    },
    take() {
      if (sums === undefined) return undefined;
      const batch = { refusals: [...rows.values()], ...sums };
      rows = new Map();
      named = 0;
      sums = undefined;
      return batch;
    },
    isEmpty: () => sums === undefined,
  };
};
