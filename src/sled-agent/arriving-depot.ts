/**
 * The part of the Repo Depot that only sleds of the fleet may ask: artifacts that this sled is still receiving.
 *
 *     request ─▶ a write of it? ─▶ verified bytes, as they come ─▶ the write has ended ─▶ the held file, from there on
 *                 └─ none ─▶ the held file ─ none ─▶ a moment later ─▶ a write of it, or ARTIFACT_NOT_HELD
 *
 * ADP1. Only verified bytes are sent (ARV1). The head has the length of the whole, so an answer that is cut is seen to be incomplete.
 * ADP2. An order to copy may be quicker than the first byte of the transfer that it copies from, which is waited for.
 * ADP3. An answer that waits for bytes takes a place like any other, until its client gives up.
 */
import type { arrivingApi } from '../api/arriving-api.ts';
import type { FileAnswer } from '../http/file-body.ts';
import type { Handlers } from '../http/handlers.ts';
import { errorCodeOf } from '../lib/errors.ts';
import { heldAnswer, inSlot } from './depot-api.ts';
import type { Slots } from './slots.ts';
import type { ArrivingArtifact, ArtifactStore } from './store/store.ts';

/** ADP2: several times the way from Nexus to a sled, and far below the time in which a source has to answer. */
const BEGINNING_MS = 1_000;

export type ArrivingDependencies = {
  readonly store: Pick<ArtifactStore, 'open' | 'suspect' | 'openArriving'>;
  /** Shared with the answers of held artifacts. */
  readonly reads: Slots;
};

export const arrivingHandlers = ({ store, reads }: ArrivingDependencies): Handlers<typeof arrivingApi> => ({
  arrivingGetBySha256: ({ params: { sha256 }, caller, signal }) =>
    inSlot(reads.take(caller.claimant), async () => {
      const arriving = await store.openArriving(sha256, { signal });
      if (arriving !== undefined) return arrivingAnswer(store, arriving);
      try {
        return await heldAnswer(store, sha256);
      } catch (error) {
        if (errorCodeOf(error) !== 'ARTIFACT_NOT_HELD') throw error;
        const begun = await store.openArriving(sha256, { signal, waitMs: BEGINNING_MS });
        if (begun === undefined) throw error;
        return arrivingAnswer(store, begun);
      }
    }),
});

const arrivingAnswer = (store: ArrivingDependencies['store'], arriving: ArrivingArtifact): FileAnswer => {
  const { sha256, sizeBytes } = arriving;
  const owned = new AsyncDisposableStack();
  owned.use(arriving);
  let held: FileAnswer | undefined;
  return {
    sizeBytes,
    etag: sha256,
    headFirst: true,
    async read(target, position) {
      if (held === undefined) {
        const count = await arriving.read(target, position);
        if (count !== undefined) return count;
        held = owned.use(await heldAnswer(store, sha256));
      }
      return held.read(target, position);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};
