/**
 * A deadline for progress instead of one for the whole transfer (B13): 2 GiB may take an hour, but ten seconds of silence
 * are a fault.
 *
 * Only time spent waiting for the peer counts. While this side is busy (with a slow disk, for example) the peer cannot
 * send, and must not be blamed for it.
 */

/** At least `minBytes` have to move in every `intervalMs` spent waiting. */
export type ProgressDeadline = { readonly minBytes: number; readonly intervalMs: number };

/** 6.4 kB/s: far below any link worth using, above what a peer that only keeps the connection open sends. */
export const DEFAULT_PROGRESS: ProgressDeadline = { minBytes: 64 * 1024, intervalMs: 10_000 };

/** The same bytes in another time, where links are slower, or faults are to be noticed sooner. */
export const progressWithin = (intervalMs: number): ProgressDeadline => ({ ...DEFAULT_PROGRESS, intervalMs });

export type ProgressWatch = {
  /** From now on this side waits for the peer. */
  readonly waiting: () => void;
  /** The peer moved `bytes`; from now on the peer waits for this side. */
  readonly moved: (bytes: number) => void;
  readonly [Symbol.dispose]: () => void;
};

/** Checks per interval: a stall is noticed at most this fraction of an interval late. */
const TICKS_PER_INTERVAL = 8;

/** Starts with the peer waiting for this side. Calls `onStall` at most once. */
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

/** The description of a stall, the same on both ends. */
export const stallText = ({ minBytes, intervalMs }: ProgressDeadline): string =>
  `less than ${minBytes} bytes in ${intervalMs / 1000} s`;
