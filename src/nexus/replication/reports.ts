/** Reports of sleds since their last listing: copies that ended (B7), deleted artifacts (S11). */
import type { SledId } from '../../core/ids.ts';
import type { CopyFailure, SledReport } from '../../core/sled-report.ts';
import { type Clock, isoTime } from '../../lib/clock.ts';
import { endpointUrl } from '../../lib/endpoint.ts';
import type { Logger } from '../../lib/log.ts';
import type { RequestLog } from '../history/request-log.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import type { FleetMemory } from '../sleds/sled-memory.ts';

type Deps = { readonly memory: FleetMemory; readonly requests: RequestLog; readonly clock: Clock };

export const noteReports = (deps: Deps, sleds: readonly CollectedSled[], log: Logger): void => {
  const sources = new Map(sleds.map(({ id, target }) => [endpointUrl(target.depot), id]));
  for (const sled of sleds) if (sled.report !== undefined) noteOne(deps, sled, sled.report, sources, log);
};

const noteOne = (
  deps: Deps,
  sled: CollectedSled,
  report: SledReport,
  sources: ReadonlyMap<string, SledId>,
  log: Logger,
): void => {
  const now = {
    incarnation: report.incarnationId,
    copiesDone: report.copiesDoneTotal,
    copiesFailed: report.copiesFailedTotal,
    deletions: report.deletionsTotal,
  };
  const before = deps.memory.listed(sled.id, now);
  // The totals of a process that this Nexus has not followed prove nothing about its own requests.
  if (before === undefined || before.incarnation !== now.incarnation) return;
  const grown = (total: number, earlier: number) => (total >= earlier ? total - earlier : total);
  deps.requests.count('copy_done', grown(now.copiesDone, before.copiesDone));

  const failures = newest(report.copiesFailed, grown(now.copiesFailed, before.copiesFailed));
  deps.requests.count('copy_failed', grown(now.copiesFailed, before.copiesFailed));
  for (const failure of failures) {
    deps.memory.copyFailed(sled.id, failure, sources.get(failure.depotBaseUrl));
    log.warn({ sled_id: sled.id, ...failureFields(failure) }, 'copy failed on sled');
  }
  const deletions = grown(now.deletions, before.deletions);
  deps.requests.count('deletions', deletions);
  if (deletions > 0) deps.memory.roomMade(sled.id);
  for (const deletion of newest(report.deletions, deletions)) {
    const { timeMs, ...fields } = deletion;
    log.info({ sled_id: sled.id, ...fields, time: isoTime(timeMs) }, 'sled deleted an artifact');
  }
};

const failureFields = (failure: CopyFailure) => ({
  sha256: failure.sha256,
  depot_base_url: failure.depotBaseUrl,
  error_code: failure.errorCode,
  message: failure.message,
  time: isoTime(failure.timeMs),
});

const newest = <T extends { readonly timeMs: number }>(events: readonly T[], count: number): readonly T[] =>
  count === 0 ? [] : events.toSorted((a, b) => a.timeMs - b.timeMs).slice(-count);
