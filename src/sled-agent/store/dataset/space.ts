/**
 * The space left on one dataset (S16). A write reserves before it writes, so that concurrent writes cannot use the same
 * bytes.
 *
 *     quota:       files + reservations                     <= quotaBytes
 *     file system: reservations not yet written + minFree   <= free
 *     inodes:      one file more                            <= free inodes
 */

import type { Disk } from '../../../lib/disk.ts';
import { DepotError } from '../../../lib/errors.ts';
import { createSharedRun } from '../../../lib/shared-run.ts';

const GIB = 2 ** 30;

/**
 * The default quota: retention keeps five releases (three recent targets, two recent uploads), one more arrives while one
 * is still being removed: seven, at most 4 GiB each. Two of the largest artifacts in flight, 2 GiB each, are added, since a
 * new copy is written beside the old one: 32 GiB.
 */
export const DEFAULT_QUOTA_BYTES = (7 * 4 + 2 * 2) * GIB;

/** Left for ledgers, logs and other users of the file system when artifacts fill it. */
export const DEFAULT_MIN_FREE_BYTES = 1 * GIB;

export const DEFAULT_MAX_ARTIFACT_BYTES = 2 * GIB;

/** A tenth of the rate of a slow disk; 32 GiB on each of two disks take an hour a day. */
export const DEFAULT_SCRUB_BYTES_PER_SECOND = 20 * 2 ** 20;

/** An artifact of unknown length reserves this much at a time. */
export const RESERVATION_STEP_BYTES = 64 * 2 ** 20;

export type Space = {
  readonly usedBytes: () => number;
  /** The space of the files, as read from the disk. */
  readonly recount: (usedBytes: number) => void;
  /** A file was added (positive) or removed (negative). */
  readonly change: (bytes: number) => void;
  /** Throws `NO_SPACE` with the numbers. */
  readonly reserve: (bytes: number) => Promise<Reservation>;
  /**
   * Whether a file of `bytes` would be granted once `removedFiles` were gone; the free space; and the last refusal, unless
   * there is space for it by now.
   */
  readonly look: (
    bytes: number,
    removedFiles?: number,
  ) => Promise<{
    freeBytes: number;
    refusal: DepotError | undefined;
    lastRefusal: DepotError | undefined;
  }>;
};

export type Reservation = {
  readonly bytes: () => number;
  /** Throws `NO_SPACE`. */
  readonly growTo: (bytes: number) => Promise<void>;
  readonly wrote: (bytes: number) => void;
  /** The file is there (its length counts from now on) or gone. */
  readonly release: () => void;
};

export const createSpace = (
  disk: Disk,
  path: string,
  { quotaBytes, minFreeBytes }: { quotaBytes: number; minFreeBytes: number },
): Space => {
  let usedBytes = 0;
  let reservedBytes = 0;
  let writtenBytes = 0;
  let lastRefusedBytes = 0;
  const free = createFreeReader(disk, path);

  const refusal = (bytes: number, freeBytes: number): DepotError | undefined => {
    const quotaLeftBytes = quotaBytes - usedBytes - reservedBytes;
    const freeLeftBytes = freeBytes - (reservedBytes - writtenBytes) - minFreeBytes;
    if (bytes <= quotaLeftBytes && bytes <= freeLeftBytes) return undefined;
    const limit =
      bytes > quotaLeftBytes
        ? `${quotaLeftBytes} of its quota of ${quotaBytes} are left`
        : `${freeLeftBytes} are left on the file system above the ${minFreeBytes} to keep free`;
    return new DepotError('NO_SPACE', `dataset ${path} has no space for ${bytes} more bytes: ${limit}`, {
      detail: { path, bytes, quotaBytes, usedBytes, reservedBytes, freeBytes, minFreeBytes },
    });
  };

  const take = async (bytes: number): Promise<void> => {
    const refused = refusal(bytes, await free.bytes()); // no await from here to the sum: two takers cannot both pass
    if (refused !== undefined) {
      lastRefusedBytes = bytes;
      throw refused;
    }
    reservedBytes += bytes;
  };

  return {
    usedBytes: () => usedBytes,
    recount: bytes => {
      usedBytes = bytes;
    },
    change: bytes => {
      usedBytes += bytes;
    },
    async reserve(bytes) {
      requireInode(path, await free.inodes());
      await take(bytes);
      let held = bytes;
      let written = 0;
      return {
        bytes: () => held,
        async growTo(target) {
          const more = target - held;
          if (more <= 0) return;
          await take(more);
          held += more;
        },
        wrote(count) {
          written += count;
          writtenBytes += count;
        },
        release() {
          reservedBytes -= held;
          writtenBytes -= written;
          held = 0;
          written = 0;
        },
      };
    },
    async look(bytes, removedFiles = 0) {
      const noInodes = inodesRefusal(path, await free.inodes(), removedFiles);
      const freeBytes = await free.bytes();
      const lastRefusal = refusal(lastRefusedBytes, freeBytes);
      if (lastRefusal === undefined) lastRefusedBytes = 0;
      return { freeBytes, refusal: refusal(bytes, freeBytes) ?? noInodes, lastRefusal };
    },
  };
};

/** Many writes may begin at once, and each asks. */
const createFreeReader = (disk: Disk, path: string) => ({
  bytes: createSharedRun(() => disk.freeBytes(path)),
  inodes: createSharedRun(() => disk.freeInodes(path)),
});

const requireInode = (path: string, freeInodes: number | undefined): void => {
  const refusal = inodesRefusal(path, freeInodes, 0);
  if (refusal !== undefined) throw refusal;
};

/** Of one file more, once `removedFiles` are gone. */
const inodesRefusal = (
  path: string,
  freeInodes: number | undefined,
  removedFiles: number,
): DepotError | undefined => {
  if (freeInodes === undefined || freeInodes + removedFiles >= 1) return undefined;
  return new DepotError('NO_SPACE', `dataset ${path} has no space for another file: no inodes are free`, {
    detail: { path, freeInodes },
  });
};
