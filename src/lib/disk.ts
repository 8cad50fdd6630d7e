/**
 * The disk of stores and staging: few operations, each of which may fail or be the last before a crash. It is passed in,
 * so that tests and the simulator control it.
 *
 * Errors are those of the operating system, with its `code` (`EIO`, `ENOENT`, …), except those that `disk-errors.ts` names:
 * a full disk is `NO_SPACE`.
 */
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
  /** How many files it can still have; undefined where the file system sets no limit. */
  readonly freeInodes: (path: string) => Promise<number | undefined>;
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
