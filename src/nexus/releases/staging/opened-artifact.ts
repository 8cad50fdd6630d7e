/** An artifact of a staged upload, opened for one reader: an entry of the archive, or a part beside it. */
import { readAhead } from '../../../archive/spans.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { ArchiveReader, SharedArchive } from './shared-archive.ts';
import type { StagedArtifact } from './staged-archive.ts';
import type { OpenedArtifact } from './staging.ts';

/** @throws DepotError `STAGING_DAMAGED` if it is not at the place in the sidecar; errors of opening the files */
export const openStaged = async (file: SharedArchive, artifact: StagedArtifact): Promise<OpenedArtifact> => {
  const reader = await file.open();
  try {
    const { sizeBytes, range } =
      'entryName' in artifact ? entryOf(reader, artifact) : partOf(reader, artifact);
    return {
      sizeBytes,
      chunks: ({ signal }) => range(0, sizeBytes, signal),
      async readRange(offset, length) {
        const bytes = new Uint8Array(length);
        let filled = 0;
        for await (const chunk of range(offset, length, undefined)) {
          bytes.set(chunk, filled);
          filled += chunk.length;
        }
        return bytes;
      },
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  } catch (error) {
    await reader[Symbol.asyncDispose]();
    throw error;
  }
};

type Ranges = {
  readonly sizeBytes: number;
  readonly range: (
    offset: number,
    length: number,
    signal: AbortSignal | undefined,
  ) => AsyncIterable<Uint8Array>;
};

type InArchive = Extract<StagedArtifact, { entryName: string }>;
type AsPart = Extract<StagedArtifact, { partOffset: number }>;

/** Without the CRC-32 of the archive: every byte was verified at the upload, and the sled that receives them compares the hash. */
const entryOf = ({ archive }: ArchiveReader, { entryName }: InArchive): Ranges => {
  const entry = archive.entries.get(entryName);
  if (entry === undefined)
    throw new DepotError(
      'STAGING_DAMAGED',
      `an archive in staging no longer has the entry ${JSON.stringify(entryName)}`,
    );
  const { sizeBytes } = entry;
  return {
    sizeBytes,
    range: (offset, length, signal) => archive.readRange(entry, offset, length, { signal }),
  };
};

const partOf = ({ parts }: ArchiveReader, { partOffset, sizeBytes }: AsPart): Ranges => {
  if (parts === undefined || parts.sizeBytes < partOffset + sizeBytes)
    throw new DepotError('STAGING_DAMAGED', "the file of an upload's parts in staging is truncated");
  return {
    sizeBytes,
    range: (offset, length, signal) =>
      readAhead(parts, { start: partOffset + offset, end: partOffset + offset + length }, { signal }),
  };
};
