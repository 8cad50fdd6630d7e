/**
 * An archive on disk that many readers share: opened, and its index read, by the first of them.
 *
 * Retiring it leaves present readers alone; the file is closed after the last of them.
 */
import { type Archive, openArchive } from '../../archive/archive.ts';
import { openRandomAccessFile, type RandomAccessFileOnDisk } from '../../lib/random-access-file.ts';

export type ArchiveReader = {
  readonly archive: Archive;
  /** Once. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export type SharedArchive = {
  /** Throws `IO`, `ARCHIVE_INVALID`. */
  readonly open: () => Promise<ArchiveReader>;
  /** Lets go of the file as soon as nobody reads. */
  readonly retire: () => Promise<void>;
};

/** What an archive may ask for was decided when it was uploaded; a limit that changed since must not lock it away. */
const ALREADY_ACCEPTED = {
  maxEntries: Number.POSITIVE_INFINITY,
  maxDirectoryBytes: Number.POSITIVE_INFINITY,
  maxEntryBytes: Number.POSITIVE_INFINITY,
  maxTotalBytes: Number.POSITIVE_INFINITY,
  maxInflateRatio: Number.POSITIVE_INFINITY,
};

export const createSharedArchive = (path: string): SharedArchive => {
  let opened: Promise<{ archive: Archive; file: RandomAccessFileOnDisk }> | undefined;
  let readers = 0;
  let retired = false;

  const openOnce = async () => {
    const file = await openRandomAccessFile(path);
    try {
      return { file, archive: await openArchive(file, { limits: ALREADY_ACCEPTED }) };
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  };

  const closeIfUnused = async () => {
    if (!retired || readers > 0 || opened === undefined) return;
    const closing = opened;
    opened = undefined;
    await (await closing).file[Symbol.asyncDispose]();
  };

  return {
    async open() {
      readers += 1;
      try {
        opened ??= openOnce();
        const { archive } = await opened;
        return {
          archive,
          async [Symbol.asyncDispose]() {
            readers -= 1;
            await closeIfUnused();
          },
        };
      } catch (error) {
        readers -= 1;
        opened = undefined;
        throw error;
      }
    },
    async retire() {
      retired = true;
      await closeIfUnused();
    },
  };
};
