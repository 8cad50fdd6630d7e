/** Sizes, rates, durations and ages as people read them. Programs read JSON, where they are plain numbers. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `0 B`, `17.5 KiB`, `214 MiB`: three significant digits, in powers of 1024. */
export const formatBytes = (sizeBytes: number): string => {
  let value = sizeBytes;
  let unit = 0;
  // 999.5 would round to 1000, which is four digits.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit === 0) return `${Math.round(value)} B`;
  return `${value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[unit]}`;
};

export const formatRate = (bytesPerSecond: number): string => `${formatBytes(bytesPerSecond)}/s`;

/** `840 ms`, `7.2 s`, `3 min 05 s`, `2 h 10 min`, `4 d 3 h`. */
export const formatDuration = (ms: number): string => {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const pad = (value: number) => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  return `${Math.floor(minutes / (24 * 60))} d ${Math.floor(minutes / 60) % 24} h`;
};

/** `now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`; `in 3 h` for a future time. */
export const formatAge = (timeMs: number, nowMs: number): string => {
  const seconds = Math.round(Math.abs(nowMs - timeMs) / 1000);
  if (seconds < 1) return 'now';
  const amount =
    seconds < 60
      ? `${seconds} s`
      : seconds < 3600
        ? `${Math.floor(seconds / 60)} min`
        : seconds < 48 * 3600
          ? `${Math.floor(seconds / 3600)} h`
          : `${Math.floor(seconds / 86_400)} d`;
  return timeMs > nowMs ? `in ${amount}` : `${amount} ago`;
};

/** Whole percent, never 100 before everything is there, never 0 once something is. */
export const formatPercent = (part: number, whole: number): string => {
  if (whole === 0) return '100 %';
  const percent = Math.round((part / whole) * 100);
  if (part < whole && percent >= 100) return '99 %';
  if (part > 0 && percent === 0) return '1 %';
  return `${percent} %`;
};
