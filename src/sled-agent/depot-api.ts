/**
 * The Repo Depot: serves the artifacts of this sled to other sleds and to any HTTP client.
 *
 * DA1. A file that is sent whole, and was not hashed recently, is hashed while it is sent. If the hash is not its name, the
 *      answer is cut before its last bytes, so that no client gets a complete wrong file (G5).
 * DA2. A copy that cannot be read to its end, or whose bytes are wrong, is examined and quarantined at once.
 */
import { createHash } from 'node:crypto';
import type { depotApi } from '../api/depot-api.ts';
import type { ArtifactHash } from '../core/ids.ts';
import type { FileAnswer } from '../http/file-body.ts';
import type { Handlers } from '../http/handlers.ts';
import { DepotError, messageChain } from '../lib/errors.ts';
import type { Slots } from './slots.ts';
import type { ArtifactStore, StoredArtifact } from './store/store.ts';

export type DepotDependencies = {
  readonly store: Pick<ArtifactStore, 'open' | 'suspect'>;
  /** How many answers may be in flight. */
  readonly reads: Slots;
};

export const depotHandlers = ({ store, reads }: DepotDependencies): Handlers<typeof depotApi> => ({
  artifactGetBySha256: ({ params: { sha256 }, caller }) =>
    inSlot(reads.take(caller.claimant), () => heldAnswer(store, sha256)),
});

/** The slot is released with the answer, or when there is none. */
export const inSlot = async (slot: Disposable, open: () => Promise<FileAnswer>): Promise<FileAnswer> => {
  try {
    const answer = await open();
    return {
      ...answer,
      async [Symbol.asyncDispose]() {
        slot[Symbol.dispose]();
        await answer[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    slot[Symbol.dispose]();
    throw error;
  }
};

/** @throws `ARTIFACT_NOT_HELD` */
export const heldAnswer = async (
  store: DepotDependencies['store'],
  sha256: ArtifactHash,
): Promise<FileAnswer> => {
  const artifact = await store.open(sha256);
  return {
    sizeBytes: artifact.sizeBytes,
    etag: sha256,
    read: watchedRead(artifact, because => store.suspect(sha256, artifact.datasetId, because)),
    [Symbol.asyncDispose]: () => artifact[Symbol.asyncDispose](),
  };
};

/** Consecutive reads from the beginning are hashed; a range from elsewhere is not. */
const watchedRead = (
  { sha256, sizeBytes, isFresh, foundRight, read }: StoredArtifact,
  suspect: (because: string) => void,
): FileAnswer['read'] => {
  const hash = createHash('sha256');
  let hashedBytes = 0;
  return async (target, position) => {
    let count: number;
    try {
      count = await read(target, position);
    } catch (error) {
      suspect(`it cannot be read at byte ${position}: ${messageChain(error)}`);
      throw error;
    }
    if (count < target.byteLength && position + count < sizeBytes)
      suspect(`it ends at byte ${position + count} of ${sizeBytes}`);
    if (isFresh || position !== hashedBytes || position === sizeBytes) return count;
    hash.update(target.subarray(0, count));
    hashedBytes += count;
    if (hashedBytes < sizeBytes) return count;
    if (hash.digest('hex') === sha256) {
      foundRight();
      return count;
    }
    suspect('its bytes have another hash');
    throw new DepotError('IO', `the copy of ${sha256} on this sled has other bytes`);
  };
};
