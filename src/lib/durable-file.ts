/**
 * The one recipe for a file that must be whole or absent after a crash:
 *
 *     temporary file in the same directory ─▶ write ─▶ fsync ─▶ rename ─▶ fsync the directory
 *
 * D1. Under its final name a file is complete and durable, or it is not there.
 * D2. A failed fsync is final for that temporary file: it is unlinked and written anew by the caller, never
 *     synced again (the kernel may have dropped the dirty pages and report success the second time).
 * D3. What a crash leaves behind carries {@link TEMPORARY_PREFIX} and can be removed by whoever owns the directory.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Names that start so are unfinished writes; nothing else may use it. */
export const TEMPORARY_PREFIX = '.tmp-';

export const temporaryPathFor = (finalPath: string): string =>
  join(dirname(finalPath), `${TEMPORARY_PREFIX}${basename(finalPath)}-${randomUUID()}`);

/** Makes the names in a directory durable: creations, renames and unlinks that came before. */
export const syncDirectory = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** fsync, close, rename, fsync the directory. The handle is closed whatever happens. */
export const commitFile = async (
  handle: FileHandle,
  temporaryPath: string,
  finalPath: string,
): Promise<void> => {
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporaryPath, finalPath);
  await syncDirectory(dirname(finalPath));
};

/** Writes a small file whole (a ledger, a sidecar, a token). On failure the old content stands untouched. */
export const writeFileDurably = async (
  finalPath: string,
  content: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> => {
  const temporaryPath = temporaryPathFor(finalPath);
  const handle = await open(temporaryPath, 'wx', options.mode ?? 0o644);
  try {
    try {
      await handle.writeFile(content);
    } catch (error) {
      await handle.close();
      throw error;
    }
    await commitFile(handle, temporaryPath, finalPath);
  } catch (error) {
    await unlink(temporaryPath).catch(() => undefined);
    throw error;
  }
};

/** Unlinks a file and makes that durable. Absent already is success. */
export const unlinkDurably = async (path: string): Promise<void> => {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await syncDirectory(dirname(path));
};

/** Removes what interrupted writes left in a directory; returns how many. Only for the directory's owner. */
export const removeTemporaryFiles = async (directory: string): Promise<number> => {
  const leftovers = (await readdir(directory)).filter(name => name.startsWith(TEMPORARY_PREFIX));
  for (const name of leftovers) await unlink(join(directory, name));
  if (leftovers.length > 0) await syncDirectory(directory);
  return leftovers.length;
};
