/** Further reasons from the listing of a sled: faulty datasets, bad copies, leased files. */

import type { QuarantinedFile } from '../../api/sled-agent-api.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import { isListing } from '../../core/inventory.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';

type AnsweringSled = Pick<CollectedSled, 'id' | 'serial' | 'answer' | 'list'>;

type Hashes = { readonly has: (sha256: ArtifactHash) => boolean };

export const listReasons = (sled: AnsweringSled, wanted: Hashes): HealthReason[] => [
  ...datasetReasons(sled),
  ...quarantineReasons(sled, wanted),
  ...deferredReasons(sled),
  ...keptReasons(sled),
];

const datasetReasons = ({ id: sledId, serial, list }: AnsweringSled): HealthReason[] =>
  (list?.dataset_health ?? []).flatMap(({ id, path, state, message }) =>
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
const deferredReasons = ({ id: sledId, serial, list }: AnsweringSled): HealthReason[] => {
  const deferred = list?.deletions_deferred ?? [];
  const [first] = deferred;
  if (first === undefined) return [];
  const { sha256, reason: why } = first;
  return [{ code: 'DELETION_DEFERRED', sledId, serial, sha256, artifacts: deferred.length, why }];
};

/** P13: the sled goes on, and keeps all artifacts of these configs. */
const keptReasons = ({ id: sledId, serial, list }: AnsweringSled): HealthReason[] => {
  const kept = list?.points_kept ?? [];
  if (kept.length === 0) return [];
  const points = kept.map(({ generation, config_digest: digest }) => ({ generation, digest }));
  return [{ code: 'SLED_KEEPS_POINTS', sledId, serial, points }];
};

/**
 * A bad copy is a fault of its sled until the sled has the artifact on every dataset again; then it is only evidence, for
 * as long as it is kept.
 */
const quarantineReasons = (
  { id: sledId, serial, answer, list }: AnsweringSled,
  wanted: Hashes,
): HealthReason[] => {
  const isMissed = ({ sha256 }: QuarantinedFile): boolean =>
    wanted.has(sha256) && (!isListing(answer) || (answer.held.get(sha256) ?? 0) < answer.datasets);
  const quarantined = list?.quarantined ?? [];
  const missed = quarantined.filter(isMissed);
  const rest = quarantined.filter(file => !isMissed(file));
  const reason = (code: 'COPY_QUARANTINED' | 'COPY_REPLACED', files: typeof quarantined): HealthReason[] => {
    const last = files.at(-1);
    if (last === undefined) return [];
    const { sha256, reason: why, time } = last;
    return [{ code, sledId, serial, sha256, copies: files.length, why, sinceMs: Date.parse(time) }];
  };
  return [...reason('COPY_QUARANTINED', missed), ...reason('COPY_REPLACED', rest)];
};
