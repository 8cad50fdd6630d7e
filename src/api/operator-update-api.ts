/** The operator's API for releases: compatible with the published update endpoints, with our additions. */
import { z } from 'zod';
import { ArtifactHash, HashKind, Sha256Hex, SYSTEM_VERSION_PATTERN, TrustRootId } from '../core/ids.ts';
import { BUNDLE_KINDS } from '../core/release-trust.ts';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, ByteCount, CheckView, PageQuery, QueryFlag, resultsPage, Timestamp } from './wire.ts';

const Version = z.string().max(64).regex(SYSTEM_VERSION_PATTERN, 'must be a semantic version such as 1.2.3');
const VersionParam = z.object({ system_version: Version });

export const TufRepo = z
  .object({
    /** SHA-256 of the archive; without an archive, of the signed targets metadata (S18). */
    hash: Sha256Hex,
    system_version: Version,
    file_name: z.string(),
    time_created: Timestamp,
    // Extra to the published shape.
    hash_kind: answerWord(HashKind.options).optional(),
    artifact_count: z.number().int().min(0).optional(),
    total_size_bytes: ByteCount.optional(),
    /** Signed targets that are no artifacts of it: nothing that is understood here proves their bytes, or no client finds them. */
    left_out: z
      .array(
        z.object({
          target_name: z.string(),
          code: answerWord(['unknown_hashes', 'outside_paths']),
          message: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'TufRepo' });
export type TufRepo = z.infer<typeof TufRepo>;

const TufRepoUploadStatus = answerWord(['already_exists', 'inserted']).meta({ id: 'TufRepoUploadStatus' });

export const TrustRootUpload = z
  .object({
    status: answerWord(['root_advanced', 'root_known']),
    trust_roots: z.array(z.object({ id: TrustRootId, root_version: z.number().int().min(1) })),
  })
  .meta({ id: 'TrustRootUpload' });
export type TrustRootUpload = z.infer<typeof TrustRootUpload>;

export const TufRepoUpload = z
  .object({
    repo: TufRepo,
    status: TufRepoUploadStatus,
    /** Extra: the checks that passed, in order, and the overrides. */
    report: z.array(z.string()).optional(),
    overrides: z.array(z.string()).optional(),
    /** Extra: every check, in order, with its clause. */
    checks: z.array(CheckView).optional(),
    /**
     * Extra: the archive has roots and no release. `repo` then describes the archive, as clients of the published shape
     * read it in every answer; no release of its version is recorded.
     */
    roots: TrustRootUpload.optional(),
  })
  .meta({ id: 'TufRepoUpload' });
export type TufRepoUpload = z.infer<typeof TufRepoUpload>;

/** What an upload of roots alone names instead of a release: a version below every release. */
export const ROOTS_VERSION_PREFIX = '0.0.0-roots.';

const VersionSortMode = z.enum(['version_ascending', 'version_descending']).meta({ id: 'VersionSortMode' });
const IdSortMode = z.enum(['id_ascending']).meta({ id: 'IdSortMode' });

export const UpdatesTrustRoot = z
  .object({
    id: TrustRootId,
    time_created: Timestamp,
    /** The root that is trusted now: the last of the chain that began with the added one. */
    root_role: z.unknown(),
    // Extra to the published shape.
    root_version: z.number().int().min(1).optional(),
    root_expires: Timestamp.optional(),
  })
  .meta({ id: 'UpdatesTrustRoot' });
export type UpdatesTrustRoot = z.infer<typeof UpdatesTrustRoot>;

const SetTargetReleaseParams = z.object({ system_version: Version }).meta({ id: 'SetTargetReleaseParams' });
const TargetRelease = z.object({ time_requested: Timestamp, version: Version }).meta({ id: 'TargetRelease' });

const UpdateStatus = z
  .object({
    target_release: TargetRelease.nullable(),
    /**
     * Sleds by the release that they run where they say so, else by the newest that they hold whole; `unknown` for those that hold
     * none or do not answer.
     */
    components_by_release_version: z.record(z.string(), z.number().int().min(0)),
    /** Extra: by what the sleds that answer are counted; `running_or_held`: not all of them say what they run. */
    components_counted_by: answerWord(['held', 'running', 'running_or_held']).optional(),
    /** The last activation of the replication task that planned work. */
    time_last_step_planned: Timestamp,
    suspended: z.boolean(),
    contact_support: z.boolean(),
  })
  .meta({ id: 'UpdateStatus' });

export const ReleaseArtifactView = z.object({
  sha256: ArtifactHash,
  size_bytes: ByteCount,
  target_name: z.string(),
  version: z.string(),
  tags: z.record(z.string(), z.string()),
});
export type ReleaseArtifactView = z.infer<typeof ReleaseArtifactView>;

const TAGS = ['system/update'] as const;

const ExemptedRelease = z
  .object({
    system_version: z.string(),
    /** SHA-256 of the bundle that vouches for it, which an exemption names. */
    bundle: Sha256Hex,
    kind: answerWord(BUNDLE_KINDS),
  })
  .meta({ id: 'ExemptedRelease' });

export const operatorUpdateApi = {
  title: 'Operator API, update endpoints',
  version: OPERATOR_VERSION,
  description: 'Upload, list, view and delete releases; trust roots; the target release.',
  routes: {
    repositoryUpload: defineRoute({
      operationId: 'system_update_repository_upload',
      audience: 'operator',
      role: 'operator',
      flagRoles: { allow_revoked_keys: 'admin' },
      method: 'PUT',
      path: '/v1/system/update/repositories',
      summary: 'Upload system release repository',
      tags: TAGS,
      query: z.object({
        /** What the client calls the archive, for people; may be empty. */
        file_name: z.string().max(255),
        /** Accept metadata that has expired; recorded. */
        allow_expired: QueryFlag,
        /** Accept metadata older than the versions accepted last; recorded. */
        allow_rollback: QueryFlag,
        /** Accept a deleted release although a newer root has revoked the keys that signed it; recorded. */
        allow_revoked_keys: QueryFlag,
      }),
      body: { kind: 'stream' },
      status: 200,
      response: { kind: 'json', schema: TufRepoUpload },
      errors: [
        'BODY_TOO_LARGE',
        'NO_SPACE',
        'NO_TRUST_ROOT',
        'UNTRUSTED_SIGNATURES',
        'METADATA_EXPIRED',
        'METADATA_ROLLBACK',
        'ROOT_CHAIN_BROKEN',
        'RELEASE_CONFLICT',
        'ARTIFACT_CONFLICT',
      ],
    }),
    repositoryList: defineRoute({
      operationId: 'system_update_repository_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/repositories',
      summary: 'List all TUF repositories, newest version first by default',
      tags: TAGS,
      query: PageQuery.extend({ sort_by: VersionSortMode.optional() }),
      status: 200,
      response: { kind: 'json', schema: resultsPage(TufRepo, 'TufRepoResultsPage') },
      errors: [],
    }),
    repositoryView: defineRoute({
      operationId: 'system_update_repository_view',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/repositories/{system_version}',
      summary: 'Fetch system release repository by version',
      tags: TAGS,
      params: VersionParam,
      status: 200,
      response: { kind: 'json', schema: TufRepo },
      errors: ['NOT_FOUND'],
    }),
    repositoryDelete: defineRoute({
      operationId: 'system_update_repository_delete',
      audience: 'operator',
      role: 'operator',
      method: 'DELETE',
      path: '/v1/system/update/repositories/{system_version}',
      summary: 'Delete a release: sleds delete the artifacts that no other release lists',
      tags: TAGS,
      params: VersionParam,
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND', 'RELEASE_IN_USE'],
    }),
    repositoryExempt: defineRoute({
      operationId: 'system_update_repository_exempt',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: '/v1/system/update/repositories/{system_version}/exempt',
      summary:
        'Accept a release whatever signed it: sleds without an admin key store it at this word, and others by a statement beside it',
      tags: TAGS,
      params: VersionParam,
      status: 200,
      response: { kind: 'json', schema: ExemptedRelease },
      errors: ['NOT_FOUND'],
    }),
    repositoryArtifacts: defineRoute({
      operationId: 'system_update_repository_artifacts',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/repositories/{system_version}/artifacts',
      summary: 'The artifacts of a release, by hash',
      tags: TAGS,
      params: VersionParam,
      query: PageQuery,
      status: 200,
      response: { kind: 'json', schema: resultsPage(ReleaseArtifactView, 'ReleaseArtifactResultsPage') },
      errors: ['NOT_FOUND'],
    }),
    trustRootList: defineRoute({
      operationId: 'system_update_trust_root_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/trust-roots',
      summary: 'List root roles in the updates trust store',
      tags: TAGS,
      query: PageQuery.extend({ sort_by: IdSortMode.optional() }),
      status: 200,
      response: { kind: 'json', schema: resultsPage(UpdatesTrustRoot, 'UpdatesTrustRootResultsPage') },
      errors: [],
    }),
    trustRootCreate: defineRoute({
      operationId: 'system_update_trust_root_create',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: '/v1/system/update/trust-roots',
      summary: 'Add trusted root role to updates trust store',
      tags: TAGS,
      body: { kind: 'json', schema: z.unknown() },
      status: 201,
      response: { kind: 'json', schema: UpdatesTrustRoot },
      errors: ['METADATA_INVALID'],
    }),
    trustRootView: defineRoute({
      operationId: 'system_update_trust_root_view',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/trust-roots/{trust_root_id}',
      summary: 'Fetch trusted root role',
      tags: TAGS,
      params: z.object({ trust_root_id: TrustRootId }),
      status: 200,
      response: { kind: 'json', schema: UpdatesTrustRoot },
      errors: ['NOT_FOUND'],
    }),
    trustRootDelete: defineRoute({
      operationId: 'system_update_trust_root_delete',
      audience: 'operator',
      role: 'admin',
      method: 'DELETE',
      path: '/v1/system/update/trust-roots/{trust_root_id}',
      summary: 'Delete trusted root role; releases already recorded are not affected',
      tags: TAGS,
      params: z.object({ trust_root_id: TrustRootId }),
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND'],
    }),
    targetReleaseUpdate: defineRoute({
      operationId: 'target_release_update',
      audience: 'operator',
      role: 'operator',
      method: 'PUT',
      path: '/v1/system/update/target-release',
      summary: 'Set target release; it must be complete on every reachable sled unless forced',
      tags: TAGS,
      query: z.object({ force: QueryFlag }),
      body: { kind: 'json', schema: SetTargetReleaseParams },
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND', 'TARGET_RELEASE_REFUSED', 'RELEASE_NOT_COMPLETE'],
    }),
    recoveryFinish: defineRoute({
      operationId: 'system_update_recovery_finish',
      audience: 'operator',
      role: 'operator',
      method: 'PUT',
      path: '/v1/system/update/recovery-finish',
      summary: 'Clear system recovery status',
      tags: TAGS,
      body: { kind: 'json', schema: SetTargetReleaseParams },
      status: 204,
      response: { kind: 'empty' },
      errors: ['RECOVERY_NOT_NEEDED'],
    }),
    updateStatus: defineRoute({
      operationId: 'system_update_status',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/update/status',
      summary: 'Fetch system update status',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: UpdateStatus },
      errors: [],
    }),
  },
} as const satisfies Api;
