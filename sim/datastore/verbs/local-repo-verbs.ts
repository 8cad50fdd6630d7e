import type { NexusId, UploadId } from '../../../src/core/ids.ts';
import { decideDrop } from '../../../src/nexus/datastore/decisions/drop-decision.ts';
import type {
  DropOutcome,
  LocalRepoPort,
  LocalRepoRecord,
} from '../../../src/nexus/datastore/ports/local-repo-port.ts';
import { type MemoryState, type Query, type Step, sortedByKey, withoutKey } from '../state.ts';

export const localRepoList =
  (nexusId: NexusId | undefined): Query<readonly LocalRepoRecord[]> =>
  ({ localRepos }) =>
    sortedByKey(localRepos).filter(local => nexusId === undefined || local.nexusId === nexusId);

export const localRepoDrop =
  ({ uploadId, nexusId, planned }: Parameters<LocalRepoPort['localRepoDrop']>[0]): Step<DropOutcome> =>
  (state, { repeated }) => {
    const local = ownRow(state, uploadId, nexusId);
    const stored = { ...state.stored, nonce: state.nexuses.get(nexusId)?.roundNonce ?? null };
    const answer = decideDrop(local !== undefined, stored, planned, { repeated });
    return { state: answer.kind === 'dropped' ? withoutRow(state, local) : state, answer };
  };

export const localRepoForget =
  (uploadId: UploadId, nexusId: NexusId): Step<void> =>
  state => ({ state: withoutRow(state, ownRow(state, uploadId, nexusId)), answer: undefined });

/** The local repo of this upload, if this Nexus has it. */
const ownRow = (
  { localRepos }: MemoryState,
  uploadId: UploadId,
  nexusId: NexusId,
): LocalRepoRecord | undefined => {
  const local = localRepos.get(uploadId);
  return local?.nexusId === nexusId ? local : undefined;
};

const withoutRow = (state: MemoryState, local: LocalRepoRecord | undefined): MemoryState =>
  local === undefined ? state : { ...state, localRepos: withoutKey(state.localRepos, local.uploadId) };
