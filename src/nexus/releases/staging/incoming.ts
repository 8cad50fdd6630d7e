/**
 * An upload on its way into the staging directory:
 *
 *     write ... ─▶ seal ─▶ (verified by the caller) ─▶ [extract parts] ─▶ keep
 *       └─▶ onWritten: what is in the file can be read while more arrives
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
import { createPagedWrites, type PagedWrites } from '../../../lib/paged-writes.ts';
import type { VerifiedComposite } from '../../../verify/verified-release.ts';
import type { StagingDirectory } from './directory.ts';
import { partsBytes, writeParts } from './parts-file.ts';
import type { SpaceReservation, StagingSpace } from './space.ts';
import { type StagedArchive, type StagedArtifact, writeSidecar } from './staged-archive.ts';

/** Reserved at a time for a body without an announced length. */
const UNANNOUNCED_STEP_BYTES = 64 * 1024 * 1024;

export type Incoming = AsyncDisposable & {
  /** Readable after {@link Incoming.seal}. */
  readonly path: string;
  /** Waits while two pages wait for the disk; the chunk is free for reuse afterwards. Throws `NO_SPACE`, `IO`. */
  readonly write: (chunk: Uint8Array, options: { signal: AbortSignal }) => Promise<void>;
  /** No more bytes come; all of them are in the file. Throws `NO_SPACE`, `IO`. */
  readonly seal: () => Promise<{ readonly archiveHash: string; readonly sizeBytes: number }>;
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
  {
    uploadId,
    announcedBytes,
    onWritten,
  }: {
    uploadId: UploadId;
    announcedBytes: number | undefined;
    /** Called with the number of bytes in the file, as it grows. */
    onWritten?: ((sizeBytes: number) => void) | undefined;
  },
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

  const body = createBody(file, reservation, onWritten);
  let state: 'open' | 'kept' | 'gone' = 'open';

  const discard = async () => {
    if (state === 'gone') return;
    const kept = state === 'kept';
    state = 'gone';
    await body.settled();
    reservation.release();
    if (!kept) await file.close().catch(() => undefined);
    // A part file needs no durable removal: a start removes it.
    await disk.unlink(part).catch(ignoreAbsence);
    await directory.remove(uploadId);
  };

  return {
    path: part,
    write: body.write,
    seal: body.seal,
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

/** The bytes as they arrive: hashed, and written in pages. */
const createBody = (
  file: DiskFile,
  reservation: SpaceReservation,
  onWritten: ((sizeBytes: number) => void) | undefined,
): Pick<Incoming, 'write' | 'seal'> & Pick<PagedWrites, 'settled'> => {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let writtenBytes = 0;
  const pages = createPagedWrites(
    { write: (page, position) => writePage(file, page, position) },
    {
      onWritten(bytes) {
        writtenBytes += bytes;
        reservation.wrote(bytes);
        onWritten?.(writtenBytes);
      },
    },
  );
  return {
    settled: pages.settled,
    async write(chunk, options) {
      // Reserved are the bytes in pages, too, which are not in the file yet.
      const neededBytes = sizeBytes - writtenBytes + chunk.length;
      if (reservation.leftBytes() < neededBytes)
        await reservation.grow(Math.max(chunk.length, UNANNOUNCED_STEP_BYTES), options);
      // The disk works on one page while the next is hashed and filled.
      hash.update(chunk);
      sizeBytes += chunk.length;
      await pages.write(chunk);
    },
    async seal() {
      await pages.flush();
      reservation.release();
      return { archiveHash: hash.digest('hex'), sizeBytes };
    },
  };
};

const ignoreAbsence = (error: unknown): void => {
  if (systemErrorCode(error) !== 'ENOENT') throw error;
};

const writePage = async (file: DiskFile, page: Uint8Array, position: number): Promise<void> => {
  try {
    await file.write(page, position);
  } catch (error) {
    if (errorCodeOf(error) === 'NO_SPACE') throw error;
    throw new DepotError('IO', 'cannot write to the staging directory', { cause: error });
  }
};
