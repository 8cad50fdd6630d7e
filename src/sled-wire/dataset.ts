/** The health of a dataset, as sled agents list and register it, and as the row of a sled keeps it. */
import { z } from 'zod';
import { DatasetHealth as DatasetHealthBody } from '../api/sled-agent-api.ts';
import { DatasetFault } from '../core/facts/reason.ts';
import type { DatasetHealth } from '../core/sled-report.ts';
import { isoTime, msOfIso } from '../lib/clock.ts';

/** A state that only a newer sled has is a fault, whatever it is: its word is all that is known of it. */
export const datasetOf = ({ id, path, state, ...health }: DatasetHealthBody): DatasetHealth => ({
  id,
  path,
  ...(isKnownState(state)
    ? { state, message: health.message }
    : {
        state: 'failed',
        message: health.message ?? `its state is ${state}, which this version does not know`,
      }),
  usedBytes: health.used_bytes,
  quotaBytes: health.quota_bytes,
  freeBytes: health.free_bytes,
  reclaimableBytes: health.reclaimable_bytes,
  retainedBytes: health.retained_bytes,
  quarantined: health.quarantined,
  timeLastQuarantinedMs:
    health.time_last_quarantined === undefined ? undefined : msOfIso(health.time_last_quarantined),
});

const isKnownState = (state: string): state is DatasetHealth['state'] =>
  state === 'ok' || DatasetFault.safeParse(state).success;

/** Unknown fields are omitted. */
export const datasetBody = ({ id, path, state, ...health }: DatasetHealth): DatasetHealthBody => ({
  id,
  path,
  state,
  ...(health.message !== undefined && { message: health.message }),
  ...(health.usedBytes !== undefined && { used_bytes: health.usedBytes }),
  ...(health.quotaBytes !== undefined && { quota_bytes: health.quotaBytes }),
  ...(health.freeBytes !== undefined && { free_bytes: health.freeBytes }),
  ...(health.reclaimableBytes !== undefined && { reclaimable_bytes: health.reclaimableBytes }),
  ...(health.retainedBytes !== undefined && { retained_bytes: health.retainedBytes }),
  ...(health.quarantined !== undefined && { quarantined: health.quarantined }),
  ...(health.timeLastQuarantinedMs !== undefined && {
    time_last_quarantined: isoTime(health.timeLastQuarantinedMs),
  }),
});

/** Of JSON that {@link datasetBody} made. */
export const StoredDatasets = z.array(DatasetHealthBody.transform(datasetOf));
