/**
 * An archive on disk that many readers share, with the file of its parts if it has one: opened, and its index read,
 * by the first of them.
 *
 * Retiring it leaves present readers alone; the files are closed after the last of them.
 */
import { type Archive, openArchive } from '../../../archive/archive.ts';
import { ALREADY_ACCEPTED } from '../../../archive/limits.ts';
import type { RandomAccessFile } from '../../../archive/random-access.ts';
import type { Disk } from '../../../lib/disk.ts';
import { openRandomAccessFile } from '../../../lib/random-access-file.ts';

export type ArchiveReader = {
  readonly archive: Archive;
  readonly parts: RandomAccessFile | undefined;
  /** Once. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export type SharedArchive = {
  /** Throws `IO`, `ARCHIVE_INVALID`. */
  readonly open: () => Promise<ArchiveReader>;
  /** Closes the files after the last reader. */
  readonly retire: () => Promise<void>;
};

type Opened = Pick<ArchiveReader, 'archive' | 'parts'> & { readonly files: AsyncDisposableStack };

/** @param partsPath undefined for an archive without composite artifacts */
export const createSharedArchive = (disk: Disk, path: string, partsPath?: string): SharedArchive => {
  let opened: Promise<Opened> | undefined;
  let readers = 0;
  let retired = false;

  const openOnce = async (): Promise<Opened> => {
    await using stack = new AsyncDisposableStack();
    const archive = await openArchive(stack.use(await openRandomAccessFile(path, { disk })), {
      limits: ALREADY_ACCEPTED,
    });
    const parts =
      partsPath === undefined ? undefined : stack.use(await openRandomAccessFile(partsPath, { disk }));
    return { archive, parts, files: stack.move() };
  };

  const closeIfUnused = async () => {
    if (!retired || readers > 0 || opened === undefined) return;
    const closing = opened;
    opened = undefined;
    await (await closing).files.disposeAsync();
  };

  return {
    async open() {
      readers += 1;
      try {
        opened ??= openOnce();
        const { archive, parts } = await opened;
        return {
          archive,
          parts,
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
