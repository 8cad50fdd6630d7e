/** A file on disk that is read by position, for the archive reader. */
import { open } from 'node:fs/promises';
import { DepotError } from './errors.ts';

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

/** Opens a regular file for reading. Throws `IO`. */
export const openRandomAccessFile = async (path: string): Promise<RandomAccessFileOnDisk> => {
  const failure = (cause: unknown, position?: number) =>
    new DepotError('IO', `cannot read ${path}${position === undefined ? '' : ` at byte ${position}`}`, {
      cause,
    });
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw failure(error);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Error('it is not a regular file');
    return {
      path,
      sizeBytes: stat.size,
      async read(target, position) {
        let filled = 0;
        try {
          while (filled < target.length) {
            const { bytesRead } = await handle.read(
              target,
              filled,
              target.length - filled,
              position + filled,
            );
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
        } catch (error) {
          throw failure(error, position + filled);
        }
        return filled;
      },
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw failure(error);
  }
};
