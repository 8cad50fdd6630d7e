/** A file on disk that is read by position, for the archive reader. */
import type { Disk, DiskFile } from './disk.ts';
import { DepotError } from './errors.ts';
import { openNamedFile } from './real-disk.ts';

export type RandomAccessFileOnDisk = AsyncDisposable & {
  readonly path: string;
  /** When it was opened. */
  readonly sizeBytes: number;
  /**
   * Fills as much of `target` as there is from `position`; returns the number of bytes, less than
   * `target.length` only at the end of the file. Throws `IO`.
   */
  readonly read: (target: Uint8Array, position: number) => Promise<number>;
};

/**
 * Opens a regular file for reading. Throws `IO`.
 *
 * @param options.disk the disk of the file; absent for a file that a person names, which may be a link
 */
export const openRandomAccessFile = async (
  path: string,
  { disk }: { readonly disk?: Disk } = {},
): Promise<RandomAccessFileOnDisk> => {
  const failure = (cause: unknown, position?: number) =>
    new DepotError('IO', `cannot read ${path}${position === undefined ? '' : ` at byte ${position}`}`, {
      cause,
    });
  const opening: Promise<DiskFile> = disk === undefined ? openNamedFile(path) : disk.openFile(path);
  const file = await opening.catch((error: unknown) => {
    throw failure(error);
  });
  try {
    return {
      path,
      sizeBytes: await file.sizeBytes(),
      read: (target, position) =>
        file.read(target, position).catch((error: unknown) => {
          throw failure(error, position);
        }),
      [Symbol.asyncDispose]: file.close,
    };
  } catch (error) {
    await file.close();
    throw failure(error);
  }
};
