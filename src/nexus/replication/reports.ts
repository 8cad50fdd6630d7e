/** Reports of sleds since their last listing: copies that ended (B7), deleted artifacts (S11). */
import type { ArtifactListResponse } from '../../api/sled-agent-api.ts';
import type { SledId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { RequestLog } from '../history/request-log.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import type { FleetMemory } from '../sleds/sled-memory.ts';

type Deps = { readonly memory: FleetMemory; readonly requests: RequestLog; readonly clock: Clock };

export const noteReports = (deps: Deps, sleds: readonly CollectedSled[], log: Logger): void => {
  const sources = new Map(sleds.map(({ id, target }) => [target.depotBaseUrl, id]));
  for (const sled of sleds) if (sled.list !== undefined) noteOne(deps, sled, sled.list, sources, log);
};

const noteOne = (
  deps: Deps,
  sled: CollectedSled,
  list: ArtifactListResponse,
  sources: ReadonlyMap<string, SledId>,
  log: Logger,
): void => {
  const memory = deps.memory.sled(sled.id);
  const now = {
    incarnation: list.incarnation_id,
    copiesDone: list.copies_completed_total ?? 0,
    copiesFailed: list.copies_failed_total ?? 0,
    deletions: list.deletions_total ?? 0,
  };
  const before = memory.seen;
  memory.seen = now;
  // The totals of a process that this Nexus has not followed prove nothing about its own requests.
  if (before === undefined || before.incarnation !== now.incarnation) return;
  const grown = (total: number, earlier: number) => (total >= earlier ? total - earlier : total);
  deps.requests.count('copy_done', grown(now.copiesDone, before.copiesDone));

  const failures = newest(list.copies_failed ?? [], grown(now.copiesFailed, before.copiesFailed));
  deps.requests.count('copy_failed', grown(now.copiesFailed, before.copiesFailed));
  for (const failure of failures) {
    const error = new DepotError('COPY_SOURCE', failure.message);
    deps.memory.transferFailed(sled.id, failure.sha256, error, sources.get(failure.depot_base_url));
    log.warn({ sled_id: sled.id, ...failure }, 'copy failed on sled');
  }
  const deletions = grown(now.deletions, before.deletions);
  deps.requests.count('deletions', deletions);
  if (deletions > 0) deps.memory.roomMade(sled.id);
  for (const deletion of newest(list.deletions ?? [], deletions)) {
    log.info({ sled_id: sled.id, ...deletion }, 'sled deleted an artifact');
  }
};

const newest = <T extends { readonly time: string }>(events: readonly T[], count: number): readonly T[] =>
  count === 0 ? [] : events.toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time)).slice(-count);
