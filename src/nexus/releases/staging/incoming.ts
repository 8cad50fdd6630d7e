/**
 * An upload on its way into the staging directory:
 *
 *     write ... ─▶ seal ─▶ (verified by the caller) ─▶ [extract parts] ─▶ keep
 *
 * IC1. Until it is kept it is a `.part` file, which is removed by {@link Incoming.discard}, after a crash, or at the end of
 *      the scope.
 * IC2. When `keep` returns, archive, parts and sidecar survive a power cut (B1).
 */
import { createHash } from 'node:crypto';
import type { ArchiveLimits } from '../../../archive/limits.ts';
import type { ArtifactHash, UploadId } from '../../../core/ids.ts';
import type { DiskFile } from '../../../lib/disk.ts';
import { commitFile } from '../../../lib/durable-file.ts';
import { DepotError, errorCodeOf, systemErrorCode } from '../../../lib/errors.ts';
import type { VerifiedComposite } from '../../../verify/verified-release.ts';
import type { StagingDirectory } from './directory.ts';
import { partsBytes, writeParts } from './parts-file.ts';
import type { StagingSpace } from './space.ts';
import { type StagedArchive, type StagedArtifact, writeSidecar } from './staged-archive.ts';

/** Reserved at a time for a body without an announced length. */
const UNANNOUNCED_STEP_BYTES = 64 * 1024 * 1024;

export type Incoming = AsyncDisposable & {
  /** Readable after {@link Incoming.seal}. */
  readonly path: string;
  /** Waits for the disk; the chunk is free for reuse afterwards. Throws `NO_SPACE`, `IO`. */
  readonly write: (chunk: Uint8Array, options: { signal: AbortSignal }) => Promise<void>;
  /** No more bytes come. */
  readonly seal: () => { readonly archiveHash: string; readonly sizeBytes: number };
  /** Makes the parts of its composite artifacts durable. Throws `NO_SPACE` before it writes, `ARCHIVE_DAMAGED`, `IO`. */
  readonly extractParts: (
    composites: readonly VerifiedComposite[],
    options: { readonly limits: Partial<ArchiveLimits>; readonly signal: AbortSignal },
  ) => Promise<ReadonlyMap<ArtifactHash, StagedArtifact>>;
  /** Makes it durable under its final name. */
  readonly keep: (archive: StagedArchive) => Promise<void>;
  /** Removes all of it; also after {@link Incoming.keep}. */
  readonly discard: () => Promise<void>;
};

/** @throws `NO_SPACE` from the announced length, before a byte is received */
export const openIncoming = async (
  { directory, space }: { directory: StagingDirectory; space: StagingSpace },
  { uploadId, announcedBytes }: { uploadId: UploadId; announcedBytes: number | undefined },
  { signal }: { signal: AbortSignal },
): Promise<Incoming> => {
  const { part, archive: final, parts, sidecar } = directory.filesOf(uploadId);
  const reservation = space.open();
  const { disk } = directory;
  let file: DiskFile;
  try {
    await reservation.grow(announcedBytes ?? UNANNOUNCED_STEP_BYTES, { signal });
    file = await disk.createFile(part);
  } catch (error) {
    reservation.release();
    throw error;
  }

  const hash = createHash('sha256');
  let sizeBytes = 0;
  let state: 'open' | 'kept' | 'gone' = 'open';

  const discard = async () => {
    if (state === 'gone') return;
    const kept = state === 'kept';
    state = 'gone';
    reservation.release();
    if (!kept) await file.close().catch(() => undefined);
    // A part file needs no durable removal: a start removes it.
    await disk.unlink(part).catch(ignoreAbsence);
    await directory.remove(uploadId);
  };

  return {
    path: part,
    async write(chunk, options) {
      if (reservation.leftBytes() < chunk.length)
        await reservation.grow(Math.max(chunk.length, UNANNOUNCED_STEP_BYTES), options);
      // The disk and the hash work at the same time on one chunk.
      const writing = writeChunk(file, chunk, sizeBytes);
      hash.update(chunk);
      await writing;
      sizeBytes += chunk.length;
      reservation.wrote(chunk.length);
    },
    seal() {
      reservation.release();
      return { archiveHash: hash.digest('hex'), sizeBytes };
    },
    async extractParts(composites, { limits, signal }) {
      if (composites.length === 0) return new Map();
      await reservation.grow(partsBytes(composites), { signal });
      try {
        const request = { disk, archivePath: part, partsPath: parts, composites, limits };
        return await writeParts(request, { signal, wrote: reservation.wrote });
      } finally {
        reservation.release();
      }
    },
    async keep(archive) {
      await writeSidecar(sidecar, archive, directory);
      await commitFile(file, part, final, directory);
      state = 'kept';
    },
    discard,
    async [Symbol.asyncDispose]() {
      if (state === 'open') await discard();
    },
  };
};

const ignoreAbsence = (error: unknown): void => {
  if (systemErrorCode(error) !== 'ENOENT') throw error;
};

const writeChunk = async (file: DiskFile, chunk: Uint8Array, position: number): Promise<void> => {
  try {
    await file.write(chunk, position);
  } catch (error) {
    if (errorCodeOf(error) === 'NO_SPACE') throw error;
    throw new DepotError('IO', 'cannot write to the staging directory', { cause: error });
  }
};
