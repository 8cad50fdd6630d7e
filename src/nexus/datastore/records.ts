/** Rows become the records of the interface. */
import type { Selectable } from 'kysely';
import { z } from 'zod';
import { SledAgentInfo } from '../../api/internal-api.ts';
import type { Details } from '../../core/facts/details.ts';
import { LeftOutTarget } from '../../core/left-out.ts';
import { DepotError } from '../../lib/errors.ts';
import { StoredDatasets } from '../../sled-wire/dataset.ts';
import { registrationOf, StoredHeads } from '../../sled-wire/registration.ts';
import type { TrustedVersions } from '../../tuf/rollback.ts';
import type { FleetEvent } from './ports/history-port.ts';
import type { LocalRepoRecord } from './ports/local-repo-port.ts';
import type { RepoRecord } from './ports/release-port.ts';
import type { SledRecord } from './ports/sled-port.ts';
import type { TrustRootRecord } from './ports/trust-root-port.ts';
import type { Tables } from './tables.ts';

type Row<T extends keyof Tables> = Selectable<Tables[T]>;

export const toRepoRecord = (row: Row<'tuf_repo'>): RepoRecord => ({
  id: row.id,
  systemVersion: row.system_version,
  hash: row.hash,
  hashKind: row.hash_kind,
  fileName: row.file_name,
  timeCreatedMs: row.time_created,
  timePrunedMs: row.time_pruned,
  prunedBy: row.pruned_by === 'retention' ? 'retention' : undefined,
  leftOut: toLeftOut(row),
  artifactCount: row.artifact_count,
  totalSizeBytes: row.total_size_bytes,
});

/** @throws `DATABASE_CONTENT` */
const toLeftOut = ({ id, left_out }: Row<'tuf_repo'>): readonly LeftOutTarget[] => {
  if (left_out === null) return [];
  const parsed = z.array(LeftOutTarget).safeParse(left_out);
  if (parsed.success) return parsed.data;
  throw new DepotError('DATABASE_CONTENT', `release ${id} has no list of targets that were left out`, {
    cause: parsed.error,
  });
};

const Delegated = z.record(z.string(), z.int().min(1)).nullable();

/** @throws `DATABASE_CONTENT` */
export const toTrustedVersions = (row: Row<'tuf_trust_root'>): TrustedVersions | null => {
  const {
    accepted_root_version: root,
    accepted_timestamp_version: timestamp,
    accepted_snapshot_version: snapshot,
    accepted_targets_version: targets,
  } = row;
  if (root === null || timestamp === null || snapshot === null || targets === null) return null;
  const delegated = Delegated.safeParse(row.accepted_delegated);
  if (!delegated.success)
    throw new DepotError('DATABASE_CONTENT', `trust root ${row.id} has no versions of roles`, {
      cause: delegated.error,
    });
  return {
    ...{ root, timestamp, snapshot, targets },
    ...(delegated.data !== null && { delegated: new Map(Object.entries(delegated.data)) }),
  };
};

/** @param newest the last root of its chain, if any followed the first one */
export const toTrustRootRecord = (
  row: Row<'tuf_trust_root'>,
  newest: Buffer | undefined,
): TrustRootRecord => ({
  id: row.id,
  timeCreatedMs: row.time_created,
  rootBytes: newest ?? row.root_bytes,
  trustedVersions: toTrustedVersions(row),
});

export const toLocalRepoRecord = (row: Row<'local_repo'>): LocalRepoRecord => ({
  uploadId: row.upload_id,
  nexusId: row.nexus_id,
  repoId: row.tuf_repo_id,
  timeCreatedMs: row.time_created,
});

export const toFleetEvent = (row: Row<'fleet_event'>): FleetEvent => ({
  id: row.id,
  timeMs: row.time,
  nexusId: row.nexus_id,
  kind: row.kind,
  ...(row.sled_id !== null && { sledId: row.sled_id }),
  ...(row.sha256 !== null && { sha256: row.sha256 }),
  ...(row.generation !== null && { generation: row.generation }),
  ...(row.system_version !== null && { systemVersion: row.system_version }),
  ...(row.source_sled_id !== null && { sourceSledId: row.source_sled_id }),
  ...(row.elapsed_ms !== null && { elapsedMs: row.elapsed_ms }),
  ...(row.error_code !== null && { errorCode: row.error_code }),
  ...(row.message !== null && { message: row.message }),
  ...(row.details !== null && { details: row.details as Details }),
});

/** Fields of another version that this one cannot read are absent until the sled registers again, without affecting others (G8). */
const Datasets = StoredDatasets.nullable().catch(null);
const Heads = StoredHeads.nullable().catch(null);

/** @throws `DATABASE_CONTENT` for a row that no registration could have written */
export const toSledRecord = (row: Row<'sled'> & { readonly plain_address?: string | null }): SledRecord => {
  try {
    const datasets = Datasets.parse(row.datasets);
    const heads = Heads.parse(row.heads);
    const told = SledAgentInfo.parse({
      sa_address: row.sled_agent_address,
      repo_depot_port: row.repo_depot_port,
      role: row.role,
      baseboard: { serial: row.serial, part: row.part, revision: row.revision },
      usable_hardware_threads: row.usable_hardware_threads,
      usable_physical_ram: row.usable_physical_ram_bytes,
      reservoir_size: row.reservoir_size_bytes,
      cpu_family: row.cpu_family,
      generation: row.registration_generation,
      decommissioned: row.decommissioned,
      ...(row.incarnation_id === null ? {} : { incarnation_id: row.incarnation_id }),
    });
    return {
      id: row.id,
      info: { ...registrationOf(told), datasets: datasets ?? undefined, heads: heads ?? undefined },
      policy: row.policy,
      timeRegisteredMs: row.time_registered,
      timeLastRegisteredMs: row.time_last_registered,
      timeExpungedMs: row.time_expunged ?? undefined,
      plainAddress: row.plain_address ?? undefined,
    };
  } catch (cause) {
    throw new DepotError('DATABASE_CONTENT', `the row of sled ${row.id} is not a registration`, { cause });
  }
};
