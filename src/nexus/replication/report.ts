/** The task's status: the published shape, with our additions. */

import { toDetails } from '../../core/facts/details.ts';
import { renderReason } from '../../core/facts/reason-text.ts';
import { nameReasons } from '../../core/named-reasons.ts';
import type { TaskResult } from '../background/task.ts';
import type { RequestLog } from '../history/request-log.ts';
import { requestRecord } from '../history/sled-request.ts';
import type { Observation, ReplicationObserver } from './observation.ts';

/** The newest requests, which the list of tasks has too: a screen of them, and some kilobytes. */
const LISTED_REQUESTS = 64;

export const replicationReport = (round: {
  readonly observation: Observation;
  readonly observer: ReplicationObserver;
  readonly requests: RequestLog;
  readonly againInMs: number | undefined;
}): TaskResult => {
  const { observation, observer, requests, againInMs } = round;
  const lastRun = requests.takeRun();
  const lifetime = requests.lifetime();
  const totals = observer.totals();
  const { named, totals: reasonTotals } = nameReasons([
    ...observation.reasons,
    ...observation.releases.flatMap(release => release.reasons),
  ]);
  const summary = {
    generation: observation.generation,
    last_run_counters: lastRun,
    lifetime_counters: lifetime,
    local_repos: observation.localRepos.held,
    local_repos_not_safe: observation.localRepos.notSafe,
    requests_deferred: observation.plan.deferred,
    releases: observation.releases.map(({ progress, state }) => ({
      system_version: progress.systemVersion,
      state,
      copies_held: progress.copiesHeld,
      copies_wanted: progress.copiesWanted,
    })),
    releases_replicated_total: totals.replicated,
    releases_failed_total: totals.failed,
    sleds_in_service: observation.sleds.length,
    sleds_answering: observation.sleds.filter(sled => sled.answer.kind === 'ok').length,
    reasons: named.map(reason => ({
      code: reason.code,
      ...renderReason(reason),
      details: toDetails(reason),
    })),
    reason_totals: reasonTotals,
    again_in_ms: againInMs ?? null,
  };
  return {
    summary,
    // The original's debugger requires the field, and decodes the list only.
    listed: () => ({
      ...summary,
      request_debug_ringbuf: requests.recent().slice(-LISTED_REQUESTS).map(requestRecord),
    }),
    // The ring at the time of the request: it is large, and never part of a summary or a log line (S10).
    details: () => ({ ...summary, request_debug_ringbuf: requests.recent().map(requestRecord) }),
    againInMs,
  };
};
