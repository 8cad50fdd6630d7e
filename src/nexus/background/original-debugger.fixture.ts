/**
 * What the debugger of the original decodes of `/bgtasks` and `/deployment/update-status`, by field name: a field that it needs and does not find makes it show no
 * details at all. Written from its published behaviour; further fields are ignored.
 */
import { z } from 'zod';

const Count = z.number().int().min(0);
const Generation = z.number().int().min(1);
const Hash = z.string().regex(/^[0-9a-f]{64}$/);
const Time = z.iso.datetime();

const Counters = z.object({
  put_config_ok: Count,
  put_config_err: Count,
  list_ok: Count,
  list_err: Count,
  put_ok: Count,
  put_err: Count,
  copy_ok: Count,
  copy_err: Count,
});

const sent = { time: Time, target_sled: z.uuid(), error: z.string().optional() };

/** Of the task `tuf_artifact_replication`. */
export const ReplicationStatus = z.object({
  generation: Generation,
  last_run_counters: Counters,
  lifetime_counters: Counters,
  request_debug_ringbuf: z.array(
    z.discriminatedUnion('operation', [
      z.object({ ...sent, operation: z.literal('put_config'), generation: Generation }),
      z.object({ ...sent, operation: z.literal('list') }),
      z.object({ ...sent, operation: z.literal('put'), hash: Hash }),
      z.object({ ...sent, operation: z.literal('copy'), hash: Hash, source_sled: z.uuid() }),
    ]),
  ),
  local_repos: Count,
});

const RepoInfo = z.object({ id: z.uuid(), system_version: z.string(), time_created: Time });

/** Of the task `tuf_repo_pruner`. */
export const PrunerStatus = z.discriminatedUnion('status', [
  z.object({ status: z.literal('disabled'), reason: z.string() }),
  z.object({
    status: z.literal('enabled'),
    nkeep_recent_releases: Count.max(255),
    nkeep_recent_uploads: Count.max(255),
    repos_keep_target_release: z.array(RepoInfo),
    repos_keep_recent_uploads: z.array(RepoInfo),
    repo_prune: RepoInfo.nullable(),
    other_repos_eligible_to_prune: z.array(RepoInfo),
    warnings: z.array(z.string()),
  }),
]);

const ReleaseOfImage = z.discriminatedUnion('zone_status_version', [
  z.object({ zone_status_version: z.enum(['unknown', 'install_dataset']) }),
  z.object({ zone_status_version: z.enum(['version', 'error']), details: z.string() }),
]);

const M2Slot = z.enum(['A', 'B']);
const twoSlots = { slot_a_version: ReleaseOfImage, slot_b_version: ReleaseOfImage };

/** Of `/deployment/update-status`: deployed versions. */
export const DeployedVersions = z.object({
  mgs_driven: z.array(
    z.object({
      baseboard_description: z.string(),
      rot_bootloader: z.object({ stage0_version: ReleaseOfImage, stage0_next_version: ReleaseOfImage }),
      rot: z.object({ active_slot: z.object({ slot: z.enum(['a', 'b']) }).nullish(), ...twoSlots }),
      sp: z.object({ slot0_version: ReleaseOfImage, slot1_version: ReleaseOfImage }),
      host_os_phase_1: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('not_a_sled') }),
        z.object({ kind: z.literal('sled'), sled_id: z.uuid(), active_slot: M2Slot.nullish(), ...twoSlots }),
      ]),
    }),
  ),
  sleds: z.array(
    z.object({
      sled_id: z.uuid(),
      zones: z.array(
        z.object({
          zone_id: z.uuid(),
          zone_type: z.looseObject({ type: z.string() }),
          version: ReleaseOfImage,
        }),
      ),
      host_phase_2: z.object({
        boot_disk: z.xor([z.object({ ok: M2Slot }), z.object({ err: z.string() })]),
        ...twoSlots,
      }),
    }),
  ),
});
