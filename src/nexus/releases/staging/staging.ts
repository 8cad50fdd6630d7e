/** Archives that this Nexus holds: the seam between uploads and the replication task. */
import type { ArtifactHash, NexusId, UploadId } from '../../../core/ids.ts';
import type { LocalRepo } from '../../../core/inventory.ts';
import type { KeptLocalRepo, PlannedSet } from '../../datastore/ports/local-repo-port.ts';

/** An artifact inside an archive, opened for one reader. */
export type OpenedArtifact = {
  readonly sizeBytes: number;
  /** A chunk is valid until the next one is pulled. */
  readonly chunks: (options: { signal: AbortSignal }) => AsyncIterable<Uint8Array>;
  /** Bytes `offset` to `offset + length - 1`; within the artifact, and small: they are held in memory (P9). */
  readonly readRange: (offset: number, length: number) => Promise<Uint8Array>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** `row_lost`: the database has lost its row. */
type Kept = { readonly kind: 'kept'; readonly because: KeptLocalRepo['because'] | 'row_lost' };

export type Staging = {
  /** The owner of these archives. */
  readonly nexusId: NexusId;
  /** Local repos that the database knows; read before the config (P1). */
  readonly held: () => readonly LocalRepo[];
  /** Reconciles archives with rows of this Nexus, as its start does (P4): the database may have lost commits. */
  readonly reconcile: (options: { signal: AbortSignal }) => Promise<void>;
  /** `NOT_FOUND` when the upload was dropped meanwhile, or does not list the hash. */
  readonly openArtifact: (uploadId: UploadId, sha256: ArtifactHash) => Promise<OpenedArtifact>;
  /** Drops a local repo by P1 and P4: sidecar marked, transaction, then the file. */
  readonly drop: (
    uploadId: UploadId,
    options: { planned: PlannedSet; signal: AbortSignal },
  ) => Promise<{ readonly kind: 'dropped' } | Kept>;
  /** Uploads being received or verified now. */
  readonly uploadsInProgress: () => number;
};
