/** Reasons: why something is not as it should be, one line each, with since when. */
import type { Reason } from '../../api/operator-fleet-api.ts';
import { formatAge } from './quantities.ts';
import { printable, type Style } from './style.ts';

export const reasonLines = (reasons: readonly Reason[], style: Style, nowMs: number): string[] =>
  reasons.map(reason => {
    const since =
      reason.time_since === undefined ? '' : style.dim(` (${sinceWhen(reason.time_since, nowMs)})`);
    return `  ${style.warn('-')} ${printable(reason.message)} ${style.dim(`[${reason.code}]`)}${since}`;
  });

const sinceWhen = (time: string, nowMs: number): string => {
  const age = formatAge(Date.parse(time), nowMs);
  return age === 'now' ? 'just now' : `first seen ${age}`;
};
