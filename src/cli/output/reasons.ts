/** Reasons: why something is not as it should be, one line each, with since when, and below it what to do. */
import type { Reason } from '../../api/operator-fleet-api.ts';
import { formatAge } from './quantities.ts';
import { printable, type Style } from './style.ts';

export const reasonLines = (reasons: readonly Reason[], style: Style, nowMs: number): string[] =>
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
