/** One sled, on the wire: what is recorded of it, and what it answered last. */
import type { SledView } from '../../api/operator-fleet-api.ts';
import { sledProgress } from '../../core/progress.ts';
import type { SledReport } from '../../core/sled-report.ts';
import { isoTime } from '../../lib/clock.ts';
import { datasetBody } from '../../sled-wire/dataset.ts';
import { pointBody } from '../../sled-wire/point.ts';
import { bundleReportBody, trustReportBody } from '../../sled-wire/release-trust.ts';
import {
  copyFailureBody,
  copyInFlightBody,
  deferredBody,
  deletionBody,
  heldBody,
  quarantinedBody,
  scrubBody,
  waitingBody,
} from '../../sled-wire/report-items.ts';
import type { Liveness } from '../background/sled-liveness.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import type { Observation } from '../replication/observation.ts';
import { reasonView } from './reasons.ts';
import { sledReplicationView } from './release-view.ts';

const trustView = (report: SledReport | undefined): Partial<SledView> => ({
  ...(report?.requiresSigned !== undefined && { require_signed: report.requiresSigned }),
  ...(report?.bundles !== undefined && { bundles: report.bundles.map(bundleReportBody) }),
  ...(report?.withheld !== undefined && { artifacts_withheld: report.withheld.size }),
  ...(report?.trust !== undefined && { trust: trustReportBody(report.trust) }),
});

export const sledView = (
  record: SledRecord,
  observation: Observation | undefined,
  liveness: Liveness | undefined,
): SledView => {
  const sled = observation?.sleds.find(candidate => candidate.id === record.id);
  const report = sled?.report;
  const wanted = observation?.wanted.artifacts;
  return {
    id: record.id,
    serial: record.info.baseboard.serial,
    part: record.info.baseboard.part,
    address: record.info.agentAddress,
    repo_depot_port: record.info.depotPort,
    policy: record.policy,
    transport: record.plainAddress === undefined ? 'tls' : 'plain',
    liveness: liveness === undefined ? 'unknown' : liveness.alive ? 'alive' : 'silent',
    time_registered: isoTime(record.timeRegisteredMs),
    time_last_registered: isoTime(record.timeLastRegisteredMs),
    generation: report?.generation ?? null,
    ...(report?.digest !== undefined && { config_digest: report.digest }),
    datasets: (report?.datasetHealth ?? record.info.datasets ?? []).map(datasetBody),
    replication:
      sled === undefined || wanted === undefined
        ? null
        : sledReplicationView(sledProgress(sled, wanted, wanted), sled),
    copies_in_flight: report?.copiesInFlight.map(copyInFlightBody) ?? [],
    copies_failed: report?.copiesFailed.map(copyFailureBody) ?? [],
    deletions_total: report?.deletionsTotal ?? 0,
    deletions: report?.deletions.map(deletionBody) ?? [],
    deletions_deferred: report?.deletionsDeferred.map(deferredBody) ?? [],
    ...(report?.deletionsWaiting !== undefined && {
      deletions_waiting: waitingBody(report.deletionsWaiting),
    }),
    ...(report?.deletionsLimited !== undefined && {
      deletions_limited: waitingBody(report.deletionsLimited),
    }),
    ...(report?.deletionsHeld !== undefined && { deletions_held: heldBody(report.deletionsHeld) }),
    ...(report?.pointsKept !== undefined && { points_kept: report.pointsKept.map(pointBody) }),
    quarantined: report?.quarantined.map(quarantinedBody) ?? [],
    ...(report?.scrub !== undefined && { scrub: scrubBody(report.scrub) }),
    ...trustView(report),
    reasons: (observation?.reasons ?? []).filter(reason => reason.sledId === record.id).map(reasonView),
  };
};
