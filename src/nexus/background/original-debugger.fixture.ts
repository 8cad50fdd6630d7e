/**
 * What the debugger of the original decodes of `/bgtasks`, by field name: a field that it needs and does not find makes it show no
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
