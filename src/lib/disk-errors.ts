/**
 * Errors of a disk that callers have to tell apart get one code, whichever operation meets them:
 *
 *     ENOSPC, EDQUOT                    ─▶ NO_SPACE with the directory, its free bytes and its free inodes
 *     a directory's fsync unsupported   ─▶ IO: names cannot be made durable there
 *
 * FD1. Every {@link Disk} is made by {@link namingErrors}, real and simulated: its callers never meet ENOSPC or EDQUOT.
 * FD2. Code that writes without a Disk does so within `namingFull` of `real-disk.ts`; `test/tidy.test.ts` requires it.
 */
import { dirname } from 'node:path';
import { type Disk, type DiskFile, systemErrorIs } from './disk.ts';
import { DepotError, findDepotError, firstWithCode } from './errors.ts';

/**
 * Whether a full disk or quota is what failed. A full disk in the cause of another error of a disk is not: that other error
 * is what has to be dealt with.
 */
export const isFull = (error: unknown): boolean => {
  const layer = firstWithCode(error);
  return layer instanceof DepotError && layer.code === 'NO_SPACE';
};

/** Whether the disk itself was full, in bytes, in inodes or by a quota of its own, and not a limit that is set here. */
export const isRefusedByDisk = (error: unknown): boolean => {
  const layer = firstWithCode(error);
  return isFull(error) && layer instanceof Error && systemErrorIs(layer.cause, ...FULL);
};

const FULL = ['ENOSPC', 'EDQUOT'];

/**
 * How file systems answer fsync of a directory if they do not support it: those of FUSE and of networks have no answer in
 * common. A disk that fails has another one (EIO).
 */
const UNSUPPORTED = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EBADF', 'EISDIR'];

const isSyncUnsupported = (error: unknown): boolean => systemErrorIs(error, ...UNSUPPORTED);

/**
 * A disk without an error where names cannot be made durable: fsync of a directory is not supported there, or the directory
 * may be written and not be read. For files of a person, to whom a file that is complete is of more use.
 */
export const syncingWherePossible = (disk: Disk): Disk => ({
  ...disk,
  syncDirectory: path =>
    disk.syncDirectory(path).catch((error: unknown) => {
      const said = error instanceof DepotError ? error.cause : error;
      if (!isSyncUnsupported(said) && !systemErrorIs(said, 'EACCES', 'EPERM')) throw error;
    }),
});

/** For a file that a person named. */
export const cannotWrite = (path: string, cause: unknown): DepotError =>
  new DepotError(isFull(cause) ? 'NO_SPACE' : 'IO', `cannot write ${path}`, {
    cause,
    detail: {
      ...findDepotError(cause)?.detail,
      ...(isFull(cause) && {
        remedy: `free space on the disk of ${dirname(path)}, or write the file elsewhere`,
      }),
    },
  });

/** A disk with the errors of this module. */
export const namingErrors = (disk: Disk): Disk => {
  const file = (directory: string, inner: DiskFile): DiskFile => ({
    ...inner,
    write: (chunk, position) => namingFullOf(disk, directory, () => inner.write(chunk, position)),
    truncate: sizeBytes => namingFullOf(disk, directory, () => inner.truncate(sizeBytes)),
    sync: () => namingFullOf(disk, directory, inner.sync),
    close: () => namingFullOf(disk, directory, inner.close),
  });
  return {
    ...disk,
    createFile: path =>
      namingFullOf(disk, dirname(path), async () => file(dirname(path), await disk.createFile(path))),
    makeDirectory: path => namingFullOf(disk, dirname(path), () => disk.makeDirectory(path)),
    rename: (from, to) => namingFullOf(disk, dirname(to), () => disk.rename(from, to)),
    unlink: path => namingFullOf(disk, dirname(path), () => disk.unlink(path)),
    syncDirectory: path =>
      namingFullOf(disk, path, () =>
        disk.syncDirectory(path).catch((error: unknown) => {
          throw isSyncUnsupported(error) ? cannotSyncNames(path, error) : error;
        }),
      ),
  };
};

/** @throws DepotError `NO_SPACE` where the work throws ENOSPC or EDQUOT */
export const namingFullOf = async <T>(
  disk: Pick<Disk, 'freeBytes' | 'freeInodes'>,
  directory: string,
  work: () => Promise<T>,
): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (!systemErrorIs(error, ...FULL)) throw error;
    const freeBytes = await disk.freeBytes(directory).catch(() => undefined);
    const freeInodes = await disk.freeInodes(directory).catch(() => undefined);
    throw noSpace(directory, { freeBytes, freeInodes }, error);
  }
};

type Free = { readonly freeBytes: number | undefined; readonly freeInodes: number | undefined };

const noSpace = (directory: string, { freeBytes, freeInodes }: Free, cause: unknown): DepotError => {
  const what = systemErrorIs(cause, 'EDQUOT') ? 'disk quota' : 'file system';
  const bytes = freeBytes === undefined ? '' : `: ${freeBytes} bytes${inodesText(freeInodes)} are free`;
  return new DepotError('NO_SPACE', `the ${what} of ${directory} is full${bytes}`, {
    cause,
    detail: { directory, free_bytes: freeBytes ?? null, free_inodes: freeInodes ?? null },
  });
};

const inodesText = (freeInodes: number | undefined): string =>
  freeInodes === undefined ? '' : ` and ${freeInodes} inodes`;

const cannotSyncNames = (path: string, cause: unknown): DepotError =>
  new DepotError(
    'IO',
    `the file system of ${path} does not support fsync of a directory, so that files could disappear when the power ` +
      'fails; configure a directory on another file system',
    { cause },
  );
