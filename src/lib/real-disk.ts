/** The disks of this machine. */
import type { StatsFs } from 'node:fs';
import {
  constants,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Disk, type DiskFile, systemErrorIs } from './disk.ts';
import { namingErrors, namingFullOf, syncingWherePossible } from './disk-errors.ts';

const realFile = (handle: FileHandle): DiskFile => ({
  async write(chunk, position) {
    // A write may be partial (a full disk, a signal); the next call then fails with the cause.
    for (let written = 0; written < chunk.length; ) {
      const { bytesWritten } = await handle.write(chunk, written, chunk.length - written, position + written);
      written += bytesWritten;
    }
  },
  async read(target, position) {
    let filled = 0;
    while (filled < target.length) {
      const { bytesRead } = await handle.read(target, filled, target.length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  },
  sizeBytes: async () => (await handle.stat()).size,
  truncate: sizeBytes => handle.truncate(sizeBytes),
  sync: () => handle.datasync(),
  close: () => handle.close(),
});

/**
 * Anything but a regular file counts as absent: a link could make the store serve any file of the machine, and a pipe
 * could block the reader for ever.
 */
const openRegularFile = async (path: string): Promise<FileHandle> => {
  const absent = () => Object.assign(new Error(`${path} is not a regular file`), { code: 'ENOENT' });
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw systemErrorIs(error, 'ELOOP') ? absent() : error;
    },
  );
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw absent();
};

/** A regular file that a person names: links are followed. */
export const openNamedFile = async (path: string): Promise<DiskFile> => {
  const handle = await open(path, 'r');
  if ((await handle.stat()).isFile()) return realFile(handle);
  await handle.close();
  throw new Error('it is not a regular file');
};

type DiskOptions = {
  readonly fileMode: number;
  readonly directoryMode?: number;
};

/** @param options the modes of created files and directories */
const createRealDisk = ({ fileMode, directoryMode = 0o777 }: DiskOptions): Disk =>
  namingErrors({
    createFile: async path => realFile(await open(path, 'wx', fileMode)),
    openFile: async path => realFile(await openRegularFile(path)),
    readDirectory: path => readdir(path),
    makeDirectory: async path => {
      await mkdir(path, { mode: directoryMode });
    },
    async sizeOf(path) {
      try {
        const found = await lstat(path);
        return found.isFile() ? found.size : undefined;
      } catch (error) {
        if (systemErrorIs(error, 'ENOENT')) return undefined;
        throw error;
      }
    },
    rename: (from, to) => rename(from, to),
    unlink: path => unlink(path),
    syncDirectory: syncNames,
    freeBytes: async path => freeBytesIn(await statfs(path)),
    freeInodes: async path => freeInodesIn(await statfs(path)),
  });

const syncNames = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const freeBytesIn = ({ bavail, bsize }: StatsFs): number => bavail * bsize;

const freeInodesIn = ({ files, ffree }: StatsFs): number | undefined => (files === 0 ? undefined : ffree);

export const realDisk: Disk = createRealDisk({ fileMode: 0o644 });

/** For files that other users of the machine may not read. */
export const privateDisk: Disk = createRealDisk({ fileMode: 0o600, directoryMode: 0o700 });

/**
 * For files in a directory that a person chose for them alone. Where names cannot be made durable, a file that is complete
 * is of more use than an error.
 */
export const createNamedFilesDisk = ({ fileMode }: { readonly fileMode: number }): Disk =>
  syncingWherePossible(createRealDisk({ fileMode }));

export const namedFilesDisk: Disk = createNamedFilesDisk({ fileMode: 0o644 });

/**
 * Work that may fill the file system of a directory, without {@link Disk}. The directory need not exist yet.
 *
 * @throws DepotError `NO_SPACE` where the work throws ENOSPC or EDQUOT
 */
export const namingFull = <T>(directory: string, work: () => Promise<T>): Promise<T> =>
  namingFullOf(
    {
      freeBytes: async path => freeBytesIn(await statfsNearest(path)),
      freeInodes: async path => freeInodesIn(await statfsNearest(path)),
    },
    directory,
    work,
  );

/** Makes a directory and its missing parents, which get the mode too. @throws DepotError `NO_SPACE` */
export const makeDirectories = (path: string, { mode = 0o777 } = {}): Promise<void> =>
  namingFull(path, () => makeWithParents(resolve(path), mode));

/** Not by `recursive` of node, which never ends on a file system that answers ENOENT below a directory, as /proc does. */
const makeWithParents = async (path: string, mode: number): Promise<void> => {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (systemErrorIs(error, 'ENOENT') && !(await isDirectory(dirname(path)))) {
      await makeWithParents(dirname(path), mode);
      await mkdir(path, { mode }).catch(ifNotDirectory(path));
    } else await ifNotDirectory(path)(error);
  }
};

/** Another process may have made it. */
const ifNotDirectory =
  (path: string) =>
  async (error: unknown): Promise<void> => {
    if (!(await isDirectory(path))) throw error;
  };

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    found => found.isDirectory(),
    () => false,
  );

const statfsNearest = async (path: string): Promise<StatsFs> => {
  try {
    return await statfs(path);
  } catch (error) {
    if (!systemErrorIs(error, 'ENOENT') || dirname(path) === path) throw error;
    return statfsNearest(dirname(path));
  }
};
