/** Bars: a fraction as a row of cells, to an eighth of a cell. */

/** One to seven eighths of a cell. */
const EIGHTHS = '▏▎▍▌▋▊▉';

/** A bar of exactly `cells` columns. A bar is full only when `part` has reached `whole`. */
export const bar = (part: number, whole: number, cells: number): string => {
  const fraction = whole <= 0 ? 1 : Math.min(1, Math.max(0, part / whole));
  const eighths = fraction === 1 ? cells * 8 : Math.min(cells * 8 - 1, Math.floor(fraction * cells * 8));
  const full = Math.floor(eighths / 8);
  const filled = '█'.repeat(full) + EIGHTHS.charAt((eighths % 8) - 1);
  return filled + '░'.repeat(cells - [...filled].length);
};
