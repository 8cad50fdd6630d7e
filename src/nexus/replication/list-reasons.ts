/** Further reasons from the listing of a sled: faulty datasets, bad copies, leased files, limited deletions. */
import type { HealthReason } from '../../core/facts/reason.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import { isListing } from '../../core/inventory.ts';
import type { QuarantinedFile } from '../../core/sled-report.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';

type AnsweringSled = Pick<CollectedSled, 'id' | 'serial' | 'answer' | 'report'>;

type Hashes = { readonly has: (sha256: ArtifactHash) => boolean };

export const listReasons = (sled: AnsweringSled, wanted: Hashes): HealthReason[] => [
  ...datasetReasons(sled),
  ...quarantineReasons(sled, wanted),
  ...deferredReasons(sled),
  ...limitedReasons(sled),
  ...keptReasons(sled),
];

const datasetReasons = ({ id: sledId, serial, report }: AnsweringSled): HealthReason[] =>
  (report?.datasetHealth ?? []).flatMap(({ id, path, state, message }) =>
    state === 'ok'
      ? []
      : [
          {
            code: 'DATASET_FAULT' as const,
            sledId,
            serial,
            path,
            state,
            ...(id !== null && { datasetId: id }),
            ...(message !== undefined && { error: message }),
          },
        ],
  );

/** B6: not a fault, but it explains used space. */
const deferredReasons = ({ id: sledId, serial, report }: AnsweringSled): HealthReason[] => {
  const deferred = report?.deletionsDeferred ?? [];
  const [first] = deferred;
  if (first === undefined) return [];
  const { sha256, reason: why } = first;
  return [{ code: 'DELETION_DEFERRED', sledId, serial, sha256, artifacts: deferred.length, why }];
};

/** T4: those that only wait are no news, and are shown with the sled and the artifact. */
const limitedReasons = ({ id: sledId, serial, report }: AnsweringSled): HealthReason[] => {
  if (report?.deletionsLimited === undefined) return [];
  const { artifacts, sizeBytes, first } = report.deletionsLimited;
  const remainingMs = Math.round(Math.min(...first.map(each => each.remainingMs)));
  if (!Number.isFinite(remainingMs)) return [];
  return [{ code: 'DELETION_LIMITED', sledId, serial, artifacts, sizeBytes, remainingMs }];
};

/** P13: the sled goes on, and keeps all artifacts of these configs. */
const keptReasons = ({ id: sledId, serial, report }: AnsweringSled): HealthReason[] => {
  const points = report?.pointsKept ?? [];
  if (points.length === 0) return [];
  return [{ code: 'SLED_KEEPS_POINTS', sledId, serial, points }];
};

/**
 * A bad copy is a fault of its sled until the sled has the artifact on every dataset again; then it is only evidence, for
 * as long as it is kept.
 */
const quarantineReasons = (
  { id: sledId, serial, answer, report }: AnsweringSled,
  wanted: Hashes,
): HealthReason[] => {
  const isMissed = ({ sha256 }: QuarantinedFile): boolean =>
    wanted.has(sha256) && (!isListing(answer) || (answer.held.get(sha256) ?? 0) < answer.datasets);
  const quarantined = report?.quarantined ?? [];
  const missed = quarantined.filter(isMissed);
  const rest = quarantined.filter(file => !isMissed(file));
  const reasonOf = (
    code: 'COPY_QUARANTINED' | 'COPY_REPLACED',
    files: typeof quarantined,
  ): HealthReason[] => {
    const last = files.at(-1);
    if (last === undefined) return [];
    const { sha256, reason: why, timeMs: sinceMs } = last;
    return [{ code, sledId, serial, sha256, copies: files.length, why, sinceMs }];
  };
  return [...reasonOf('COPY_QUARANTINED', missed), ...reasonOf('COPY_REPLACED', rest)];
};
