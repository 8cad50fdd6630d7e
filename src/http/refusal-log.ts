/**
 * Requests that were refused for their caller, in the log of a process that has no audit log.
 *
 * RFL1. Each cause has a line at most once a minute, with the number of those since its last line: no caller fills the log, and none
 *      hides the others. A cause is one of a fixed list, so memory is bounded.
 */
import type { RefusedRequest } from '../core/facts/refusal.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { createReport, type Report } from './log-report.ts';
import type { NoteRefusal } from './refusal.ts';

export const createRefusalLog = (
  log: Pick<Logger, 'warn'>,
  { monotonicMs }: Pick<Clock, 'monotonicMs'>,
): NoteRefusal => {
  const reports = new Map<RefusedRequest['why'], Report>();
  return ({ why, address, identity, request }) => {
    const report = reports.get(why) ?? createReport(log, monotonicMs);
    reports.set(why, report);
    report({ why, address, identity, request }, 'a request is refused for its caller');
  };
};
