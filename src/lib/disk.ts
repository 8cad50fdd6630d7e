/**
 * The disk of stores and staging: few operations, each of which may fail or be the last before a crash. It is passed in,
 * so that tests and the simulator control it.
 *
 * Errors are those of the operating system, with its `code` (`ENOSPC`, `EIO`, `ENOENT`, …).
 */
import {
  constants,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  statfs,
  unlink,
} from 'node:fs/promises';
import { dirname } from 'node:path';

export type Disk = {
  /** A new file; fails with EEXIST when the name exists. */
  readonly createFile: (path: string) => Promise<DiskFile>;
  /** A regular file, to read; fails with ENOENT when there is none of that name. */
  readonly openFile: (path: string) => Promise<DiskFile>;
  /** The names in a directory, in no order. */
  readonly readDirectory: (path: string) => Promise<string[]>;
  readonly makeDirectory: (path: string) => Promise<void>;
  /** The length of a regular file; undefined when there is none of that name. */
  readonly sizeOf: (path: string) => Promise<number | undefined>;
  readonly rename: (from: string, to: string) => Promise<void>;
  readonly unlink: (path: string) => Promise<void>;
  /** Makes the names in a directory durable. */
  readonly syncDirectory: (path: string) => Promise<void>;
  readonly freeBytes: (path: string) => Promise<number>;
};

export type DiskFile = {
  /** Writes the whole chunk. */
  readonly write: (chunk: Uint8Array, position: number) => Promise<void>;
  /** Fills `target` from `position` as far as the file goes; returns the number of bytes. */
  readonly read: (target: Uint8Array, position: number) => Promise<number>;
  readonly sizeBytes: () => Promise<number>;
  /** Cuts the file to this length. */
  readonly truncate: (sizeBytes: number) => Promise<void>;
  /** Makes the content durable. After a failure the file must be given up: a second call may report a false success. */
  readonly sync: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export const systemErrorIs = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);

/** Idempotent: an absent file is success. */
export const unlinkIfThere = (disk: Pick<Disk, 'unlink'>, path: string): Promise<void> =>
  disk.unlink(path).catch((error: unknown) => {
    if (!systemErrorIs(error, 'ENOENT')) throw error;
  });

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

type DiskModes = { readonly fileMode: number; readonly directoryMode?: number };

/** A regular file that a person names: links are followed. */
export const openNamedFile = async (path: string): Promise<DiskFile> => {
  const handle = await open(path, 'r');
  if ((await handle.stat()).isFile()) return realFile(handle);
  await handle.close();
  throw new Error('it is not a regular file');
};

/** Makes a directory and its missing parents. */
export const ensureDirectory = async (disk: Disk, path: string): Promise<void> => {
  try {
    await disk.makeDirectory(path);
  } catch (error) {
    if (systemErrorIs(error, 'EEXIST')) return;
    if (!systemErrorIs(error, 'ENOENT') || dirname(path) === path) throw error;
    await ensureDirectory(disk, dirname(path));
    await disk.makeDirectory(path);
  }
};

/** Makes earlier creations, renames and unlinks in a directory durable. */
export const syncDirectory = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** @param modes of created files and directories */
export const createRealDisk = ({ fileMode, directoryMode = 0o777 }: DiskModes): Disk => ({
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
  syncDirectory,
  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
});

export const realDisk: Disk = createRealDisk({ fileMode: 0o644 });

/** For files that other users of the machine may not read. */
export const privateDisk: Disk = createRealDisk({ fileMode: 0o600, directoryMode: 0o700 });
