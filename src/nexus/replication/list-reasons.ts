/** What the list of a sled says beside what it holds: datasets at fault, copies that went bad, files in use. */
import type { QuarantinedFile } from '../../api/sled-agent-api.ts';
import type { HealthReason } from '../../core/health.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import { isListing } from '../../core/inventory.ts';
import { shortPoint } from '../../core/lineage.ts';
import type { CollectedSled } from '../fleet-client/sled-draft.ts';

type AnsweringSled = Pick<CollectedSled, 'id' | 'serial' | 'answer' | 'list'>;

type Hashes = { readonly has: (sha256: ArtifactHash) => boolean };

export const listReasons = (sled: AnsweringSled, wanted: Hashes): HealthReason[] => [
  ...datasetReasons(sled),
  ...quarantineReasons(sled, wanted),
  ...deferredReasons(sled),
  ...keptReasons(sled),
];

const datasetReasons = (sled: AnsweringSled): HealthReason[] =>
  (sled.list?.dataset_health ?? [])
    .filter(dataset => dataset.state !== 'ok')
    .map(dataset => ({
      code: 'DATASET_FAULT' as const,
      message: `sled ${sled.serial}: dataset ${dataset.path} is ${dataset.state.replace('_', ' ')}${dataset.message === undefined ? '' : `: ${dataset.message}`}`,
      sledId: sled.id,
    }));

/** B6: nothing is wrong, but somebody who looks for the room wants to know. */
const deferredReasons = (sled: AnsweringSled): HealthReason[] => {
  const deferred = sled.list?.deletions_deferred ?? [];
  const [first] = deferred;
  if (first === undefined) return [];
  const one = deferred.length === 1 ? '' : 'one of them ';
  return [
    {
      code: 'DELETION_DEFERRED',
      message: `sled ${sled.serial} keeps ${deferred.length} artifact(s) that no release lists, ${one}${first.reason}`,
      sledId: sled.id,
      sha256: first.sha256,
    },
  ];
};

/** P13: it goes on, and deletes nothing that these configs list. */
const keptReasons = (sled: AnsweringSled): HealthReason[] => {
  const kept = sled.list?.points_kept ?? [];
  if (kept.length === 0) return [];
  const names = kept.map(({ generation, config_digest: digest }) => shortPoint({ generation, digest }));
  const message = `sled ${sled.serial} keeps what ${kept.length} config(s) of another history list (${names.join(', ')}); tuf-depot recover generation says what to do`;
  return [{ code: 'SLED_KEEPS_POINTS', message, sledId: sled.id }];
};

/**
 * A bad copy is a fault of its sled until the sled has the artifact on every dataset again; then it is evidence
 * that somebody may want to look at, for as long as it is kept.
 */
const quarantineReasons = ({ id, serial, answer, list }: AnsweringSled, wanted: Hashes): HealthReason[] => {
  const isMissed = ({ sha256 }: QuarantinedFile): boolean =>
    wanted.has(sha256) && (!isListing(answer) || (answer.held.get(sha256) ?? 0) < answer.datasets);
  const quarantined = list?.quarantined ?? [];
  const missed = quarantined.filter(isMissed);
  const rest = quarantined.filter(file => !isMissed(file));
  const reason = (code: 'COPY_QUARANTINED' | 'COPY_REPLACED', files: typeof quarantined, words: string) => {
    const last = files.at(-1);
    if (last === undefined) return [];
    const message = `sled ${serial}: ${files.length} copies ${words}, the last one since ${last.reason} (${last.sha256.slice(0, 16)})`;
    return [{ code, message, sledId: id, sha256: last.sha256, sinceMs: Date.parse(last.time) }];
  };
  return [
    ...reason('COPY_QUARANTINED', missed, 'went bad and are not replaced yet'),
    ...reason('COPY_REPLACED', rest, 'went bad and are kept as evidence, nothing is missing for them'),
  ];
};
