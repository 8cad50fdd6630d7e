/** Handlers of the operator's API for releases, trust roots and the target release. */
import type { operatorUpdateApi, UpdatesTrustRoot } from '../../api/operator-update-api.ts';
import { isSet } from '../../api/wire.ts';
import { SystemVersion, TrustRootId } from '../../core/ids.ts';
import type { Handlers } from '../../http/handlers.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { parseMetadata } from '../../tuf/metadata.ts';
import type { SignaturePolicy } from '../../tuf/signature-policy.ts';
import { parseSelfSignedRoot } from '../../tuf/trusted-set.ts';
import type { ReleasePort, RepoRecord } from '../datastore/ports/release-port.ts';
import type { TargetReleasePort } from '../datastore/ports/target-release-port.ts';
import type { TrustRootPort, TrustRootRecord } from '../datastore/ports/trust-root-port.ts';
import type { Note } from '../history/history.ts';
import type { OriginOf } from '../operators/audit-origin.ts';
import { type ReleaseProgress, requireAllowedTarget, requireComplete } from '../releases/target-release.ts';
import type { Uploads } from '../releases/upload/uploads.ts';
import type { ReplicationSummary } from '../status/update-summary.ts';
import { repoView, uploadAnswer } from './operator-upload-api.ts';
import { askedPage, pageView } from './results-page.ts';

type Deps = {
  readonly datastore: ReleasePort & TrustRootPort & TargetReleasePort;
  readonly uploads: Pick<Uploads, 'upload'>;
  readonly note: Note;
  readonly originOf: OriginOf;
  /** Generates the ids of trust roots. */
  readonly newId: () => string;
  readonly signatures: SignaturePolicy;
  /** Undefined before this Nexus has asked the sleds, or when it does not know the release yet. */
  readonly releaseProgress: (version: SystemVersion) => ReleaseProgress | undefined;
  readonly replicationSummary: () => ReplicationSummary;
  /** The wanted set has changed (B16). */
  readonly activateReplication: () => void;
};

export const createOperatorUpdateApi = (deps: Deps): Handlers<typeof operatorUpdateApi> => ({
  ...repositoryHandlers(deps),
  ...trustRootHandlers(deps),
  ...targetReleaseHandlers(deps),
});

const repositoryHandlers = ({ datastore, uploads, note, originOf, activateReplication }: Deps) =>
  ({
    async repositoryUpload({ query, body, signal, ...request }) {
      const outcome = await uploads.upload(
        {
          fileName: query.file_name,
          allowExpired: isSet(query.allow_expired),
          allowRollback: isSet(query.allow_rollback),
          allowRevokedKeys: isSet(query.allow_revoked_keys),
          contentLength: body.contentLength,
          chunks: body.chunks,
          newOrigin: () => originOf(request),
        },
        { signal },
      );
      return uploadAnswer(outcome);
    },

    async repositoryList({ query, signal }) {
      const repos = await datastore.repoList(
        { ...askedPage(query), sortBy: query.sort_by ?? 'version_descending' },
        { signal },
      );
      return pageView(repos, repoView);
    },

    async repositoryView({ params, signal }) {
      return repoView(await presentRepo(datastore, params.system_version, signal));
    },

    async repositoryDelete({ params, signal, log, ...request }) {
      const systemVersion = SystemVersion.parse(params.system_version);
      const { generation } = await datastore.repoPrune(systemVersion, {
        signal,
        audit: originOf(request),
      });
      note({ kind: 'release_deleted', systemVersion, generation, by: 'operator' });
      log.info({ system_version: params.system_version, generation }, 'release deleted by an operator');
      activateReplication();
    },

    async repositoryExempt({ params, signal, log, ...request }) {
      const systemVersion = SystemVersion.parse(params.system_version);
      const { sha256, kind } = await datastore.bundleExempt(systemVersion, {
        signal,
        audit: originOf(request),
      });
      log.warn({ system_version: systemVersion, bundle: sha256 }, 'release exempted by an admin');
      activateReplication();
      return { system_version: systemVersion, bundle: sha256, kind };
    },

    async repositoryArtifacts({ params, query, signal }) {
      const repo = await presentRepo(datastore, params.system_version, signal);
      const artifacts = await datastore.repoArtifacts(repo.id, askedPage(query), { signal });
      return pageView(artifacts, ({ sha256, sizeBytes, targetName, version, tags }) => ({
        sha256,
        size_bytes: sizeBytes,
        target_name: targetName,
        version,
        tags,
      }));
    },
  }) satisfies Partial<Handlers<typeof operatorUpdateApi>>;

const trustRootHandlers = ({ datastore, note, originOf, newId, signatures }: Deps) =>
  ({
    async trustRootList({ query, signal }) {
      return pageView(await datastore.trustRootList(askedPage(query), { signal }), trustRootView);
    },

    async trustRootCreate({ body, signal, log, ...request }) {
      const rootBytes = Buffer.from(JSON.stringify(body));
      // An expired root may be trusted: only its successors, in a repository's chain, have to be current.
      const { signed } = parseSelfSignedRoot(rootBytes, signatures);
      const root = await datastore.trustRootInsert(
        { id: TrustRootId.parse(newId()), rootBytes },
        { signal, audit: { origin: originOf(request), rootVersion: signed.version } },
      );
      note({ kind: 'trust_root_added', trustRootId: root.id, rootVersion: signed.version });
      log.info({ trust_root_id: root.id, root_version: signed.version }, 'trust root added');
      return trustRootView(root);
    },

    async trustRootView({ params, signal }) {
      const root = await datastore.trustRootGet(params.trust_root_id, { signal });
      if (root === undefined) throw noTrustRoot(params.trust_root_id);
      return trustRootView(root);
    },

    async trustRootDelete({ params, signal, log, ...request }) {
      const audit = originOf(request);
      if (!(await datastore.trustRootDelete(params.trust_root_id, { signal, audit })))
        throw noTrustRoot(params.trust_root_id);
      note({ kind: 'trust_root_deleted', trustRootId: params.trust_root_id });
      log.info({ trust_root_id: params.trust_root_id }, 'trust root deleted');
    },
  }) satisfies Partial<Handlers<typeof operatorUpdateApi>>;

const targetReleaseHandlers = ({ datastore, note, originOf, releaseProgress, replicationSummary }: Deps) =>
  ({
    async targetReleaseUpdate({ body, query, signal, log, ...request }) {
      const repo = await presentRepo(datastore, body.system_version, signal);
      const current = await datastore.targetReleaseGet({ signal });
      requireAllowedTarget(current.repo?.systemVersion, repo.systemVersion);
      const progress = releaseProgress(repo.systemVersion);
      const forced = isSet(query.force);
      if (!forced) requireComplete(repo.systemVersion, progress);
      await datastore.targetReleaseSet(
        { repoId: repo.id, expectedGeneration: current.generation },
        { signal, audit: { origin: originOf(request), isForced: forced } },
      );
      note({
        kind: 'target_release',
        systemVersion: repo.systemVersion,
        previousVersion: current.repo?.systemVersion,
        isForced: forced,
      });
      log.info(
        { system_version: repo.systemVersion, forced, progress: progress?.message },
        'target release set',
      );
    },

    async recoveryFinish({ body }) {
      throw new DepotError(
        'RECOVERY_NOT_NEEDED',
        `no recovery is in progress, so there is none to finish at ${body.system_version}`,
      );
    },

    async updateStatus({ signal }) {
      const { repo, timeRequestedMs } = await datastore.targetReleaseGet({ signal });
      const summary = replicationSummary();
      return {
        target_release:
          repo === null ? null : { version: repo.systemVersion, time_requested: isoTime(timeRequestedMs) },
        components_by_release_version: { ...summary.componentsByReleaseVersion },
        components_counted_by: summary.componentsCountedBy,
        time_last_step_planned: isoTime(summary.timeLastStepPlannedMs),
        suspended: summary.suspended,
        contact_support: summary.contactSupport,
      };
    },
  }) satisfies Partial<Handlers<typeof operatorUpdateApi>>;

const presentRepo = async (
  datastore: Pick<ReleasePort, 'repoGetByVersion'>,
  version: string,
  signal: AbortSignal,
): Promise<RepoRecord> => {
  const repo = await datastore.repoGetByVersion(SystemVersion.parse(version), { signal });
  if (repo === undefined)
    throw new DepotError('NOT_FOUND', `there is no release ${version}, or it was deleted`);
  return repo;
};

const noTrustRoot = (id: TrustRootId): DepotError =>
  new DepotError('NOT_FOUND', `there is no trust root ${id}`);

const trustRootView = ({ id, timeCreatedMs, rootBytes }: TrustRootRecord): UpdatesTrustRoot => {
  const { version, expiresMs } = parseMetadata('root', rootBytes).signed;
  return {
    id,
    time_created: isoTime(timeCreatedMs),
    root_role: JSON.parse(Buffer.from(rootBytes).toString('utf8')),
    root_version: version,
    root_expires: isoTime(expiresMs),
  };
};
