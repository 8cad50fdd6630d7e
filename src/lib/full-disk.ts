/**
 * A full disk, or a full quota, as one error with its numbers, whichever operation meets it.
 *
 *     disk ─▶ ENOSPC, EDQUOT ─▶ NO_SPACE with the directory and the bytes that are free
 */
import type { Disk, DiskFile } from './disk.ts';
import { systemErrorIs } from './disk.ts';
import { DepotError, errorCodeOf } from './errors.ts';

/** An error of the operating system, or one of {@link namingFullDisk}. */
export const isFull = (error: unknown): boolean =>
  errorCodeOf(error) === 'NO_SPACE' || systemErrorIs(error, 'ENOSPC', 'EDQUOT');

/** @param what the directory is, for people */
export const namingFullDisk = (disk: Disk, directory: string, what: string): Disk => {
  const named =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> =>
      namingFull(disk, directory, what, () => work(...args));
  const file = (inner: DiskFile): DiskFile => ({
    ...inner,
    write: named(inner.write),
    truncate: named(inner.truncate),
    sync: named(inner.sync),
    close: named(inner.close),
  });
  return {
    ...disk,
    createFile: named(async path => file(await disk.createFile(path))),
    makeDirectory: named(disk.makeDirectory),
    rename: named(disk.rename),
    unlink: named(disk.unlink),
    syncDirectory: named(disk.syncDirectory),
  };
};

/**
 * Work that may fill the disk of a directory, also without {@link Disk}.
 *
 * @param what the directory is, for people
 * @throws DepotError `NO_SPACE` where the work throws ENOSPC or EDQUOT
 */
export const namingFull = async <T>(
  disk: Pick<Disk, 'freeBytes'>,
  directory: string,
  what: string,
  work: () => Promise<T>,
): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (!systemErrorIs(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw noSpace(what, directory, await freeBytesOf(disk, directory), error);
  }
};

const freeBytesOf = (disk: Pick<Disk, 'freeBytes'>, directory: string): Promise<number | undefined> =>
  disk.freeBytes(directory).catch(() => undefined);

const noSpace = (
  what: string,
  directory: string,
  freeBytes: number | undefined,
  cause: unknown,
): DepotError => {
  const free = freeBytes === undefined ? '' : `: ${freeBytes} bytes are free`;
  return new DepotError('NO_SPACE', `${what} ${directory} is full${free}`, {
    cause,
    detail: { directory, free_bytes: freeBytes ?? null },
  });
};
