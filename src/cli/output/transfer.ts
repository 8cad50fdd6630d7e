/** The progress of a transfer as one line: bytes, rate, and how long it will take at the present rate. */
import { bar } from './bar.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from './quantities.ts';

type TransferSample = { readonly atMs: number; readonly bytes: number };

/** The rate is that of this last stretch, so that a stall shows and an early burst is forgotten. */
const RATE_WINDOW_MS = 5_000;
/** Samples closer together than this replace each other: bounds the memory of a meter. */
const MIN_SAMPLE_GAP_MS = 100;
/** Over a shorter time the rate is not shown: it would not be reliable. */
const MIN_RATE_SPAN_MS = 300;

/** Counts what was sent and knows the recent rate. Times are monotonic milliseconds, passed in. */
export type TransferMeter = {
  readonly record: (bytes: number, atMs: number) => void;
  readonly bytes: () => number;
  /** Bytes a second over the last few seconds; undefined while the time is too short to tell. */
  readonly rate: (atMs: number) => number | undefined;
};

export const createTransferMeter = (startMs: number): TransferMeter => {
  let total = 0;
  let samples: TransferSample[] = [{ atMs: startMs, bytes: 0 }];
  return {
    record(bytes, atMs) {
      total += bytes;
      const newest = samples.at(-1);
      if (newest !== undefined && samples.length > 1 && atMs - newest.atMs < MIN_SAMPLE_GAP_MS) samples.pop();
      samples.push({ atMs, bytes: total });
      const firstKept = samples.findIndex(sample => atMs - sample.atMs <= RATE_WINDOW_MS);
      if (firstKept > 1) samples = samples.slice(firstKept - 1);
    },
    bytes: () => total,
    rate(atMs) {
      const [oldest] = samples;
      if (oldest === undefined || atMs - oldest.atMs < MIN_RATE_SPAN_MS) return undefined;
      return ((total - oldest.bytes) * 1000) / (atMs - oldest.atMs);
    },
  };
};

/** The time left at the present rate; undefined while that is unknown. */
export const remainingMs = (
  bytes: number,
  totalBytes: number | undefined,
  rate: number | undefined,
): number | undefined =>
  totalBytes === undefined || rate === undefined || rate <= 0
    ? undefined
    : (Math.max(0, totalBytes - bytes) / rate) * 1000;

/** What stands beside the bar, at its longest: a word, percent, bytes, rate and time left. */
const BESIDE_BAR_COLUMNS = 68;
const MIN_BAR_CELLS = 8;
const MAX_BAR_CELLS = 28;

/** The length of a bar whose line fits the terminal with any numbers, so that it does not change meanwhile. */
export const transferBarCells = (columns: number): number =>
  Math.max(MIN_BAR_CELLS, Math.min(MAX_BAR_CELLS, columns - BESIDE_BAR_COLUMNS));

/** `████▌░░░  45 %  96.2 MiB of 214 MiB  82.4 MiB/s  1.4 s left`, or without the total where none is known. */
export const transferLine = (
  transfer: {
    readonly bytes: number;
    readonly totalBytes: number | undefined;
    readonly rate: number | undefined;
  },
  barCells: number,
): string => {
  const { bytes, totalBytes, rate } = transfer;
  const left = remainingMs(bytes, totalBytes, rate);
  return [
    totalBytes === undefined || barCells === 0 ? '' : bar(bytes, totalBytes, barCells),
    totalBytes === undefined ? '' : formatPercent(bytes, totalBytes).padStart(5),
    totalBytes === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`,
    rate === undefined ? '' : formatRate(rate),
    left === undefined || bytes === totalBytes ? '' : `${formatDuration(left)} left`,
  ]
    .filter(part => part !== '')
    .join('  ');
};
