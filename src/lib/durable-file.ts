/**
 * The one recipe for a file that must be whole or absent after a crash:
 *
 *     temporary file in the same directory ─▶ write ─▶ fsync ─▶ rename ─▶ fsync the directory
 *
 * D1. Under its final name a file is complete and durable, or it is not there.
 * D2. A failed fsync is final for that temporary file: it is unlinked and written anew by the caller, never
 *     synced again (the kernel may have dropped the dirty pages and report success the second time).
 * D3. Leftovers of a crash begin with {@link TEMPORARY_PREFIX}; the owner of the directory may remove them.
 */
import { randomUUID } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { type Disk, type DiskFile, systemErrorIs, unlinkIfThere } from './disk.ts';
import { isFull } from './disk-errors.ts';
import { createNamedFilesDisk, namedFilesDisk } from './real-disk.ts';

/** The prefix of unfinished writes; nothing else may use it. */
export const TEMPORARY_PREFIX = '.tmp-';

export const temporaryPathFor = (finalPath: string): string =>
  join(dirname(finalPath), `${TEMPORARY_PREFIX}${basename(finalPath)}-${randomUUID()}`);

/** fsync, close, rename, fsync the directory. The file is closed whatever happens. */
export const commitFile = async (
  file: Pick<DiskFile, 'sync' | 'close'>,
  temporaryPath: string,
  finalPath: string,
  { disk = namedFilesDisk } = {},
): Promise<void> => {
  await sealFile(file);
  await disk.rename(temporaryPath, finalPath);
  await disk.syncDirectory(dirname(finalPath));
};

/**
 * The first half of {@link commitFile}: makes the content durable. The file is closed whatever happens, and a failure to close
 * it does not hide that of the sync, which may be a full disk.
 */
export const sealFile = async (file: Pick<DiskFile, 'sync' | 'close'>): Promise<void> => {
  try {
    await file.sync();
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
  await file.close();
};

type DurableOptions = {
  readonly disk?: Disk;
  /** Of the file on the real disk. */
  readonly mode?: number;
};

/** Writes a small file whole (a ledger, a sidecar, a token); otherwise as {@link createFileDurably}. */
export const writeFileDurably = (
  finalPath: string,
  content: string | Uint8Array,
  options: DurableOptions = {},
): Promise<void> =>
  createFileDurably(
    finalPath,
    file => file.write(typeof content === 'string' ? new TextEncoder().encode(content) : content, 0),
    options,
  );

/**
 * Writes a file piece by piece. After a failure, of `write` too, the file has the old content or the new one, never a
 * mixture.
 *
 * @returns what `write` returned
 */
export const createFileDurably = async <T>(
  finalPath: string,
  write: (file: Pick<DiskFile, 'write'>) => Promise<T>,
  options: DurableOptions = {},
): Promise<T> => {
  const { mode, disk = mode === undefined ? namedFilesDisk : createNamedFilesDisk({ fileMode: mode }) } =
    options;
  const temporaryPath = temporaryPathFor(finalPath);
  const file = await disk.createFile(temporaryPath);
  try {
    const written = await write(file).catch(async (error: unknown) => {
      await file.close();
      throw error;
    });
    await commitFile(file, temporaryPath, finalPath, { disk });
    return written;
  } catch (error) {
    throw await afterRemoval(disk, temporaryPath, error);
  }
};

/** Writes a file whose name is not taken (EEXIST otherwise), never replacing one. After a failure there is none. */
export const createNewFile = async (
  path: string,
  write: (file: Pick<DiskFile, 'write'>) => Promise<unknown>,
  { disk }: { readonly disk: Disk },
): Promise<void> => {
  const file = await disk.createFile(path);
  try {
    await write(file).catch(async (error: unknown) => {
      await file.close().catch(() => undefined);
      throw error;
    });
    await sealFile(file);
  } catch (error) {
    await unlinkIfThere(disk, path).catch(() => undefined);
    throw error;
  }
  await disk.syncDirectory(dirname(path));
};

/**
 * Removes the temporary file, and returns the error to report. A full disk is not a fault; failing to delete the temporary
 * file is: the owner of the directory has to come back to it (D3).
 */
const afterRemoval = async (disk: Disk, temporaryPath: string, error: unknown): Promise<unknown> => {
  try {
    // After the rename there is no temporary name: only the sync of the directory failed.
    await unlinkIfThere(disk, temporaryPath);
  } catch (stays) {
    if (isFull(error)) return Object.assign(stays as Error, { cause: error });
  }
  return error;
};

/** The text of a small file; undefined when there is none. A longer one than `maxBytes` is an error. */
export const readFileWhole = async (
  path: string,
  { disk, maxBytes }: { readonly disk: Disk; readonly maxBytes: number },
): Promise<string | undefined> => {
  const file = await disk.openFile(path).catch((error: unknown) => {
    if (systemErrorIs(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const sizeBytes = await file.sizeBytes();
    if (sizeBytes > maxBytes) throw new Error(`${path} has ${sizeBytes} bytes, more than ${maxBytes}`);
    const content = new Uint8Array(sizeBytes);
    const filled = await file.read(content, 0);
    return new TextDecoder().decode(content.subarray(0, filled));
  } finally {
    await file.close();
  }
};

/** Unlinks a file and makes that durable. Idempotent: an absent file is success. */
export const unlinkDurably = async (path: string, { disk = namedFilesDisk } = {}): Promise<void> => {
  await unlinkIfThere(disk, path);
  await disk.syncDirectory(dirname(path));
};

/**
 * Removes unfinished writes from a directory; returns how many. Only for the directory's owner; with `of`, only for the owner
 * of that file in it.
 */
export const removeTemporaryFiles = async (
  directory: string,
  { disk = namedFilesDisk, of }: { readonly disk?: Disk; readonly of?: string } = {},
): Promise<number> => {
  const prefix = of === undefined ? TEMPORARY_PREFIX : `${TEMPORARY_PREFIX}${of}-`;
  const leftovers = (await disk.readDirectory(directory)).filter(name => name.startsWith(prefix));
  for (const name of leftovers) await unlinkIfThere(disk, join(directory, name));
  if (leftovers.length > 0) await disk.syncDirectory(directory);
  return leftovers.length;
};
