/** The Repo Depot: what this sled holds, for other sleds and for any HTTP client. */
import type { depotApi } from '../api/depot-api.ts';
import type { FileAnswer } from '../http/file-body.ts';
import type { Handlers } from '../http/handlers.ts';
import type { Slots } from './slots.ts';
import type { ArtifactStore } from './store/store.ts';

export type DepotDependencies = {
  readonly store: Pick<ArtifactStore, 'open'>;
  /** How many answers may be under way. */
  readonly reads: Slots;
};

export const depotHandlers = ({ store, reads }: DepotDependencies): Handlers<typeof depotApi> => ({
  async artifactGetBySha256({ params: { sha256 } }): Promise<FileAnswer> {
    const slot = reads.take();
    try {
      const artifact = await store.open(sha256);
      return {
        sizeBytes: artifact.sizeBytes,
        etag: sha256,
        read: artifact.read,
        async [Symbol.asyncDispose]() {
          slot[Symbol.dispose]();
          await artifact[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      slot[Symbol.dispose]();
      throw error;
    }
  },
});
