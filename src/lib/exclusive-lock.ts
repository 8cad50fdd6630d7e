/**
 * One owner for a directory (P12).
 *
 * The lock is the kernel's: flock(2) on a file in the directory. It ends with the process, however that ends, so there are
 * no stale locks. Node has no call for it: flock(1) takes the lock on a descriptor that it inherits, and the lock belongs
 * to the open file, which stays open here.
 * The file's content, the owner's process id, is for the message only.
 */
import { spawnSync } from 'node:child_process';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorIs } from './disk.ts';
import { DepotError } from './errors.ts';
import { namingFull } from './real-disk.ts';

export const LOCK_FILE = 'lock';

export type ExclusiveLock = { readonly [Symbol.asyncDispose]: () => Promise<void> };

/**
 * Takes the lock of an existing directory, or fails at once.
 *
 * @throws `IN_USE_BY_PROCESS` naming the owner's process id (`detail.pid`) while another holds it, this process included
 */
export const acquireExclusiveLock = (directory: string): Promise<ExclusiveLock> =>
  namingFull(directory, () => acquire(directory));

const acquire = async (directory: string): Promise<ExclusiveLock> => {
  const path = join(directory, LOCK_FILE);
  const handle = await open(path, 'a');
  try {
    if (!lockOpenFile(handle, path)) throw await inUse(directory, path);
    await noteOwner(handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { [Symbol.asyncDispose]: () => handle.close() };
};

/** For people. The lock is held without it, and a full disk does not keep its owner from starting. */
const noteOwner = async (handle: FileHandle): Promise<void> => {
  try {
    await handle.truncate(0);
    await handle.appendFile(`${process.pid}\n`);
  } catch (error) {
    if (!systemErrorIs(error, 'ENOSPC', 'EDQUOT')) throw error;
  }
};

/** flock(1) exits with 1 when another process has the lock. Busybox has only short options. */
const lockOpenFile = (handle: FileHandle, path: string): boolean => {
  const { status, error, stderr } = spawnSync('flock', ['-x', '-n', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', handle.fd],
    encoding: 'utf8',
  });
  if (status === 0 || status === 1) return status === 0;
  const why = error?.message ?? stderr.trim();
  throw new DepotError('IO', `cannot lock ${path} with flock(1) of util-linux or busybox: ${why}`);
};

const inUse = async (directory: string, path: string): Promise<DepotError> => {
  const pid = Number((await readFile(path, 'utf8')).trim());
  // The owner writes its process id after it has the lock, so the file may still be empty.
  const owner = Number.isInteger(pid) && pid > 0 ? `process ${pid}` : 'another process';
  return new DepotError(
    'IN_USE_BY_PROCESS',
    `${directory} is in use by ${owner}; stop it, or configure another directory`,
    { detail: { directory, pid: Number.isInteger(pid) && pid > 0 ? pid : null } },
  );
};
