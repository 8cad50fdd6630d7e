/** Reasons: why something is not as it should be, one line each, with since when, and below it what to do. */
import type { Reason, ReasonTotals } from '../../api/operator-fleet-api.ts';
import { formatAge } from './quantities.ts';
import { printable, type Style } from './style.ts';

/** @param totals where of many alike only some are listed */
export const reasonLines = (
  reasons: readonly Reason[],
  style: Style,
  nowMs: number,
  totals: ReasonTotals = [],
): string[] => [...namedLines(reasons, style, nowMs), ...moreLines(reasons, style, totals)];

const moreLines = (reasons: readonly Reason[], style: Style, totals: ReasonTotals): string[] =>
  totals.flatMap(({ code, total }) => {
    const more = total - reasons.filter(reason => reason.code === code).length;
    return more > 0 ? [`  ${style.warn('-')} and ${more} more of these ${style.dim(`[${code}]`)}`] : [];
  });

const namedLines = (reasons: readonly Reason[], style: Style, nowMs: number): string[] =>
  reasons.flatMap(({ code, message, remedy, time_since: time }) => {
    const since = time === undefined ? '' : style.dim(` (${sinceWhen(time, nowMs)})`);
    return [
      `  ${style.warn('-')} ${printable(message)} ${style.dim(`[${code}]`)}${since}`,
      ...(remedy === undefined ? [] : [`    ${style.accent('fix:')} ${printable(remedy)}`]),
    ];
  });

const sinceWhen = (time: string, nowMs: number): string => {
  const age = formatAge(Date.parse(time), nowMs);
  return age === 'now' ? 'just now' : `first seen ${age}`;
};
