/** What becomes of a sled's registration, and whether replication should look again because of it. */
import type { SledAgentInfo } from '../../../api/internal-api.ts';
import type { Generation, SledId } from '../../../core/ids.ts';
import type { RegisteredHead } from '../../../core/lineage.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { SledRecord } from '../datastore.ts';

export type KnownSled = { readonly policy: SledRecord['policy']; readonly generation: Generation | number };

/**
 * @param known undefined for a new sled
 * @returns `stale` for one that is older than what is recorded, and to be ignored (S14)
 * @throws `SLED_DECOMMISSIONED`
 */
export const admitRegistration = (
  id: SledId,
  known: KnownSled | undefined,
  info: SledAgentInfo,
): 'record' | 'stale' => {
  if (known?.policy === 'expunged') {
    throw new DepotError(
      'SLED_DECOMMISSIONED',
      `sled ${id} is expunged: set its policy to in_service before it registers again`,
    );
  }
  return known !== undefined && info.generation < known.generation ? 'stale' : 'record';
};

/** The points of a sled agent that compares points; null for one that does not (P13). */
export const headsOf = ({ heads }: Pick<SledAgentInfo, 'heads'>): readonly RegisteredHead[] | null =>
  heads?.map(({ generation, config_digest, lineage, kept }) => ({
    generation,
    digest: config_digest,
    hasLineage: lineage,
    isKept: kept,
  })) ?? null;

/**
 * B16: whether replication should see it.
 *
 * @param repeated an earlier attempt of the same registration may have been committed, and then the record says
 *   nothing of what it was before: one activation too many is harmless
 */
export const isChange = (
  before: SledRecord | undefined,
  info: SledAgentInfo,
  { repeated }: { readonly repeated: boolean },
): boolean => repeated || before === undefined || hasMoved(before, info);

/** What replication sees of a sled: where it is, its life, which datasets are usable, and which copies went bad. */
const hasMoved = (before: SledRecord, info: SledAgentInfo): boolean =>
  before.info.sa_address !== info.sa_address ||
  before.info.repo_depot_port !== info.repo_depot_port ||
  before.incarnationId !== (info.incarnation_id ?? null) ||
  before.info.decommissioned !== info.decommissioned ||
  datasetStates(before.datasets) !== datasetStates(info.datasets ?? []);

const datasetStates = (datasets: SledRecord['datasets']): string =>
  JSON.stringify(
    datasets.map(({ id, path, state, quota_bytes, quarantined, time_last_quarantined }) => [
      id,
      path,
      state,
      quota_bytes ?? null,
      quarantined ?? 0,
      time_last_quarantined ?? null,
    ]),
  );
