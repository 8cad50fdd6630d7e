/** A list of the sled agent's API is a report: times in milliseconds, and bogus hashes apart from hashes. */
import type { z } from 'zod';
import { type ArtifactListResponse, MAX_POINTS_KEPT } from '../api/sled-agent-api.ts';
import { type ArtifactHash, isArtifactHash } from '../core/ids.ts';
import { MAX_OFFERED_RELEASES } from '../core/release-trust.ts';
import type { SledReport } from '../core/sled-report.ts';
import { datasetBody, datasetOf } from './dataset.ts';
import { listTag } from './list-tag.ts';
import { pointBody, pointOf } from './point.ts';
import { bundleReportBody, bundleReportOf, trustReportBody, trustReportOf } from './release-trust.ts';
import {
  copyFailureBody,
  copyFailureOf,
  copyInFlightBody,
  copyInFlightOf,
  deferredBody,
  deferredOf,
  deletionBody,
  deletionOf,
  heldBody,
  heldOf,
  quarantinedBody,
  quarantinedOf,
  scrubBody,
  scrubOf,
  waitingBody,
  waitingOf,
} from './report-items.ts';

export const sledReportOf = (list: ArtifactListResponse): SledReport => ({
  generation: list.generation,
  digest: list.config_digest,
  hasLineage: list.lineage ?? false,
  ...copiesOf(list.list),
  datasets: list.datasets,
  datasetHealth: list.dataset_health?.map(datasetOf),
  incarnationId: list.incarnation_id,
  pointsKept: list.points_kept?.map(pointOf),
  deletionsHeld: list.deletions_held && heldOf(list.deletions_held),
  copiesInFlight: (list.copies_in_flight ?? []).map(copyInFlightOf),
  copiesDoneTotal: list.copies_completed_total ?? 0,
  copiesFailedTotal: list.copies_failed_total ?? 0,
  copiesFailed: (list.copies_failed ?? []).map(copyFailureOf),
  deletionsTotal: list.deletions_total ?? 0,
  deletions: (list.deletions ?? []).map(deletionOf),
  deletionsDeferred: (list.deletions_deferred ?? []).map(deferredOf),
  deletionsWaiting: list.deletions_waiting && waitingOf(list.deletions_waiting),
  deletionsLimited: list.deletions_limited && waitingOf(list.deletions_limited),
  leasesTotal: list.leases_total ?? 0,
  quarantined: (list.quarantined ?? []).map(quarantinedOf),
  scrub: list.scrub && scrubOf(list.scrub),
  ...(list.require_signed !== undefined && { requiresSigned: list.require_signed }),
  ...(list.bundles !== undefined && { bundles: list.bundles.map(bundleReportOf) }),
  ...(list.withheld !== undefined && { withheld: new Set(list.withheld) }),
  ...(list.trust !== undefined && { trust: trustReportOf(list.trust) }),
  ...(list.running_version !== undefined && { runningVersion: list.running_version }),
  ...(list.tag !== undefined && list.tag === listTag(list) && { tag: list.tag }), // LT3
});

/** Bogus hashes are not passed on. Unknown fields are omitted. */
export const listBody = (report: SledReport): z.input<typeof ArtifactListResponse> => ({
  generation: report.generation,
  list: Object.fromEntries(report.copies),
  config_digest: report.digest,
  lineage: report.hasLineage,
  points_kept: report.pointsKept?.slice(0, MAX_POINTS_KEPT).map(pointBody),
  ...(report.deletionsHeld !== undefined && { deletions_held: heldBody(report.deletionsHeld) }),
  incarnation_id: report.incarnationId,
  datasets: report.datasets,
  dataset_health: report.datasetHealth?.map(datasetBody),
  copies_in_flight: report.copiesInFlight.map(copyInFlightBody),
  copies_completed_total: report.copiesDoneTotal,
  copies_failed_total: report.copiesFailedTotal,
  copies_failed: report.copiesFailed.map(copyFailureBody),
  deletions_total: report.deletionsTotal,
  deletions: report.deletions.map(deletionBody),
  deletions_deferred: report.deletionsDeferred.map(deferredBody),
  ...(report.deletionsWaiting !== undefined && { deletions_waiting: waitingBody(report.deletionsWaiting) }),
  ...(report.deletionsLimited !== undefined && { deletions_limited: waitingBody(report.deletionsLimited) }),
  leases_total: report.leasesTotal,
  quarantined: report.quarantined.map(quarantinedBody),
  ...(report.scrub !== undefined && { scrub: scrubBody(report.scrub) }),
  require_signed: report.requiresSigned,
  ...(report.bundles !== undefined && {
    bundles: report.bundles.slice(0, MAX_OFFERED_RELEASES).map(bundleReportBody),
  }),
  ...(report.withheld !== undefined && { withheld: [...report.withheld] }),
  ...(report.trust !== undefined && { trust: trustReportBody(report.trust) }),
  ...(report.runningVersion !== undefined && { running_version: report.runningVersion }),
});

const copiesOf = (list: ArtifactListResponse['list']): Pick<SledReport, 'copies' | 'bogusHashes'> => {
  const copies = new Map<ArtifactHash, number>();
  const bogusHashes: string[] = [];
  for (const [hash, count] of Object.entries(list)) {
    if (isArtifactHash(hash)) copies.set(hash, count);
    else bogusHashes.push(hash);
  }
  return { copies, bogusHashes };
};
