/** Handlers of the operator's API for uploads: the state of one, and the answer to its client. */
import { ROOTS_VERSION_PREFIX, type TufRepo, type TufRepoUpload } from '../../api/operator-update-api.ts';
import type { operatorUploadApi, UploadView } from '../../api/operator-upload-api.ts';
import { leftOutText } from '../../core/left-out.ts';
import type { Handlers } from '../../http/handlers.ts';
import type { ReportedCheck } from '../../lib/check-report.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError, errorCodeOf, messageChain, reportOf } from '../../lib/errors.ts';
import type { RepoRecord } from '../datastore/ports/release-port.ts';
import type { RootOutcome } from '../releases/upload/root-upload.ts';
import type { UploadOutcome } from '../releases/upload/upload.ts';
import type { UploadReport } from '../releases/upload/upload-states.ts';
import type { Uploads } from '../releases/upload/uploads.ts';

export const createOperatorUploadApi = ({
  uploads,
}: {
  readonly uploads: Pick<Uploads, 'find'>;
}): Handlers<typeof operatorUploadApi> => ({
  async uploadView({ params }) {
    const report = uploads.find(params.upload_id);
    if (report !== undefined) return uploadReportView(report);
    throw new DepotError(
      'NOT_FOUND',
      `this Nexus does not know the upload ${params.upload_id}: Nexus was restarted, or the upload ended long ago. ` +
        'Check whether the release is recorded; if it is not, send the archive again',
    );
  },
});

const uploadReportView = ({ uploadId, fileName, systemVersion, state }: UploadReport): UploadView => ({
  upload_id: uploadId,
  file_name: fileName,
  state: state.kind,
  ...(systemVersion !== undefined && { system_version: systemVersion }),
  ...stateFacts(state),
});

const stateFacts = (state: UploadReport['state']): Partial<UploadView> => {
  switch (state.kind) {
    case 'receiving':
    case 'verifying':
    case 'recording':
      return {};
    case 'waiting': {
      const { sinceMs, untilMs, message } = state.wait;
      const until = untilMs === undefined ? {} : { time_until: isoTime(untilMs) };
      return { waiting: { stage: state.stage, message, time_since: isoTime(sinceMs), ...until } };
    }
    case 'recorded':
      return { result: uploadAnswer(state.outcome) };
    case 'failed': {
      const report = reportOf(state.error).map(checkView);
      return { error: { error_code: errorCodeOf(state.error), message: messageChain(state.error), report } };
    }
    default:
      return state satisfies never;
  }
};

export const uploadAnswer = (outcome: UploadOutcome): TufRepoUpload => {
  const checks = outcome.checks.map(checkView);
  if (!('repo' in outcome)) return { ...rootsAnswer(outcome), checks };
  const { status, repo, report, overrides } = outcome;
  return { status, repo: repoView(repo), report: [...report], overrides: [...overrides], checks };
};

const rootsAnswer = ({ status, trustRoots, archive }: RootOutcome): TufRepoUpload => ({
  status: status === 'root_advanced' ? 'inserted' : 'already_exists',
  repo: {
    hash: archive.hash,
    hash_kind: 'archive',
    system_version: `${ROOTS_VERSION_PREFIX}${Math.max(...trustRoots.map(({ rootVersion }) => rootVersion))}`,
    file_name: archive.fileName,
    time_created: isoTime(archive.timeMs),
  },
  roots: {
    status,
    trust_roots: trustRoots.map(({ id, rootVersion }) => ({ id, root_version: rootVersion })),
  },
});

const checkView = (check: ReportedCheck) => ({
  ...check,
  ...(check.key_ids !== undefined && { key_ids: [...check.key_ids] }),
});

export const repoView = (repo: RepoRecord): TufRepo => ({
  hash: repo.hash,
  hash_kind: repo.hashKind,
  system_version: repo.systemVersion,
  file_name: repo.fileName,
  time_created: isoTime(repo.timeCreatedMs),
  artifact_count: repo.artifactCount,
  ...(repo.leftOut.length > 0 && {
    left_out: repo.leftOut.map(target => ({
      target_name: target.targetName,
      code: target.kind,
      message: leftOutText(target),
    })),
  }),
  total_size_bytes: repo.totalSizeBytes,
});
