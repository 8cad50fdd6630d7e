/**
 * The parts of an upload's composite artifacts, in one file beside its archive:
 *
 *     part │ part │ part │ …            where each lies is in the sidecar
 *
 * PF1. Each hash is stored once, and its bytes were hashed while they were written.
 * PF2. When {@link writeParts} returns, the file is durable under its final name. It comes before the sidecar that
 *      lists it, so a start that finds it without an archive knows that its upload was not finished.
 * PF3. The same archive gives the same file.
 */
import { dirname } from 'node:path';
import { openArchive } from '../../../archive/archive.ts';
import type { ArchiveLimits } from '../../../archive/limits.ts';
import type { ArtifactHash } from '../../../core/ids.ts';
import type { Disk, DiskFile } from '../../../lib/disk.ts';
import { sealFile } from '../../../lib/durable-file.ts';
import { openRandomAccessFile } from '../../../lib/random-access-file.ts';
import { extractParts } from '../../../verify/extract-parts.ts';
import type { VerifiedComposite } from '../../../verify/verified-release.ts';
import type { StagedArtifact } from './staged-archive.ts';

export type PartsRequest = {
  readonly disk: Disk;
  readonly archivePath: string;
  readonly partsPath: string;
  readonly composites: readonly VerifiedComposite[];
  readonly limits?: Partial<ArchiveLimits>;
};

/** The maximum size of the file; equal parts need less. */
export const partsBytes = (composites: readonly VerifiedComposite[]): number =>
  composites.flatMap(({ parts }) => parts).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

/**
 * Extracts the parts of verified composites.
 *
 * @param wrote called with the number of written bytes
 * @returns where each part lies
 * @throws `ARCHIVE_DAMAGED` if they are not what was verified, `NO_SPACE`, `IO`; the signal's reason. Then no file
 *   is left.
 */
export const writeParts = async (
  { disk, archivePath, partsPath, composites, limits }: PartsRequest,
  { signal, wrote }: { readonly signal: AbortSignal; readonly wrote: (bytes: number) => void },
): Promise<ReadonlyMap<ArtifactHash, StagedArtifact>> => {
  await using source = await openRandomAccessFile(archivePath, { disk });
  const archive = await openArchive(source, limits === undefined ? {} : { limits });
  const file = await disk.createFile(partsPath);
  try {
    const sink = createPartsSink(file, wrote);
    for (const composite of composites) await extractParts(archive, composite, { sink, limits, signal });
    await file.truncate(sink.endBytes());
    await sealFile(file);
    await disk.syncDirectory(dirname(partsPath));
    return sink.spans;
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.unlink(partsPath).catch(() => undefined);
    throw error;
  }
};

/** The next part overwrites one that is stored already. */
const createPartsSink = (file: DiskFile, wrote: (bytes: number) => void) => {
  const spans = new Map<ArtifactHash, StagedArtifact>();
  let end = 0;
  let position = 0;
  return {
    spans,
    endBytes: () => end,
    async write(chunk: Uint8Array): Promise<void> {
      await file.write(chunk, position);
      position += chunk.length;
      wrote(chunk.length);
    },
    end({ sha256, sizeBytes }: { readonly sha256: ArtifactHash; readonly sizeBytes: number }): void {
      if (spans.has(sha256)) position = end;
      else {
        spans.set(sha256, { sizeBytes, partOffset: end });
        end = position;
      }
    },
  };
};
