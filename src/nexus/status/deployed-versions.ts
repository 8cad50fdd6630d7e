/**
 * The update status of the debug API, which the original's debugger shows as deployed versions: each sled in service, with what no
 * process of this project knows as unknown, in the words that the original has for a sled that its inventory lacks.
 *
 * DV1. A release that a sled says that it runs is told beside the unknown boot disk, never as the version of a slot: the sled does not
 *      say which one it booted from.
 */
import type { UpdateStatus } from '../../api/debug-api.ts';
import { isListing } from '../../core/inventory.ts';
import type { Observation } from '../replication/observation.ts';

/** @param observation of the last round; before the first one no sled is known */
export const deployedVersions = (observation: Observation | undefined): UpdateStatus => ({
  mgs_driven: [],
  sleds: (observation?.sleds ?? [])
    .map(({ id, answer, report }) => ({
      sled_id: id,
      zones: [],
      host_phase_2: {
        boot_disk: { err: bootDiskText(isListing(answer) ? report?.runningVersion : undefined) },
        slot_a_version: UNKNOWN,
        slot_b_version: UNKNOWN,
      },
    }))
    .sort((a, b) => (a.sled_id < b.sled_id ? -1 : 1)),
});

const UNKNOWN = { zone_status_version: 'unknown' } as const;

const bootDiskText = (running: string | undefined): string =>
  running === undefined ? 'unknown' : `unknown; the sled says that it runs release ${running}`;
