/**
 * A deadline on progress instead of one on the whole transfer (B13): 2 GiB may take an hour, ten seconds of
 * silence are a fault.
 *
 * Only time spent waiting for the peer counts. While this side is busy (its disk is slow, say) the peer cannot
 * send, and must not be blamed for it.
 */

/** At least `minBytes` have to move in every `intervalMs` spent waiting. */
export type ProgressDeadline = { readonly minBytes: number; readonly intervalMs: number };

/** 6.4 kB/s: far below any link worth using, above what a peer that only keeps the connection open sends. */
export const DEFAULT_PROGRESS: ProgressDeadline = { minBytes: 64 * 1024, intervalMs: 10_000 };

export type ProgressWatch = {
  /** From now on it is the peer's turn. */
  readonly waiting: () => void;
  /** The peer moved `bytes`; from now on it is this side's turn. */
  readonly moved: (bytes: number) => void;
  readonly [Symbol.dispose]: () => void;
};

/** How often per interval the watch looks: a stall is noticed at most this fraction of an interval late. */
const TICKS_PER_INTERVAL = 8;

/** Starts on this side's turn. Calls `onStall` at most once. */
export const watchProgress = (deadline: ProgressDeadline, onStall: () => void): ProgressWatch => {
  let bytes = 0;
  let waitedMs = 0;
  let waitingSinceMs: number | undefined;

  const settle = (): void => {
    if (waitingSinceMs === undefined) return;
    const nowMs = performance.now();
    waitedMs += nowMs - waitingSinceMs;
    waitingSinceMs = nowMs;
  };

  const timer = setInterval(
    () => {
      settle();
      if (waitedMs < deadline.intervalMs) return;
      if (bytes < deadline.minBytes) {
        clearInterval(timer);
        onStall();
      }
      bytes = 0;
      waitedMs = 0;
    },
    Math.max(1, deadline.intervalMs / TICKS_PER_INTERVAL),
  );

  return {
    waiting() {
      waitingSinceMs ??= performance.now();
    },
    moved(count) {
      settle();
      waitingSinceMs = undefined;
      bytes += count;
    },
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
};

/** The words for a stall, the same on both ends: how little moved in how long. */
export const stallText = ({ minBytes, intervalMs }: ProgressDeadline): string =>
  `less than ${minBytes} bytes in ${intervalMs / 1000} s`;
