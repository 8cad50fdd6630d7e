/** One sled, on the wire: what is recorded of it, and what it answered last. */
import type { SledView } from '../../api/operator-fleet-api.ts';
import { sledProgress } from '../../core/progress.ts';
import { isoTime } from '../../lib/clock.ts';
import type { Liveness } from '../background/sled-liveness.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import type { Observation } from '../replication/observation.ts';
import { reasonView } from './reasons.ts';
import { sledReplicationView } from './release-view.ts';

export const sledView = (
  record: SledRecord,
  observation: Observation | undefined,
  liveness: Liveness | undefined,
): SledView => {
  const sled = observation?.sleds.find(candidate => candidate.id === record.id);
  const list = sled?.list;
  const wanted = observation?.wanted.artifacts;
  return {
    id: record.id,
    serial: record.info.baseboard.serial,
    part: record.info.baseboard.part,
    address: record.info.sa_address,
    repo_depot_port: record.info.repo_depot_port,
    policy: record.policy,
    liveness: liveness === undefined ? 'unknown' : liveness.alive ? 'alive' : 'silent',
    time_registered: isoTime(record.timeRegisteredMs),
    time_last_registered: isoTime(record.timeLastRegisteredMs),
    generation: list?.generation ?? null,
    datasets: [...(list?.dataset_health ?? record.datasets)],
    replication:
      sled === undefined || wanted === undefined
        ? null
        : sledReplicationView(sledProgress(sled, wanted, wanted), sled),
    copies_in_flight: list?.copies_in_flight ?? [],
    copies_failed: list?.copies_failed ?? [],
    deletions_total: list?.deletions_total ?? 0,
    deletions: list?.deletions ?? [],
    deletions_deferred: list?.deletions_deferred ?? [],
    ...(list?.deletions_held === undefined ? {} : { deletions_held: list.deletions_held }),
    ...(list?.points_kept === undefined ? {} : { points_kept: list.points_kept }),
    quarantined: list?.quarantined ?? [],
    ...(list?.scrub === undefined ? {} : { scrub: list.scrub }),
    reasons: (observation?.reasons ?? []).filter(reason => reason.sledId === record.id).map(reasonView),
  };
};
