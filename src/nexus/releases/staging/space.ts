/**
 * Space in the staging directory, reserved for an upload before its bytes arrive (S16).
 *
 * RV1. Unwritten reservations, with a margin, never exceed the free space of the file system: two uploads cannot both be
 *      accepted for the same free bytes.
 */
import { statfs } from 'node:fs/promises';
import { DepotError } from '../../../lib/errors.ts';
import { createLimiter } from '../../../lib/limiter.ts';

/** Left free for sidecars, metadata of the file system, and other programs. */
export const SPACE_MARGIN_BYTES = 64 * 1024 * 1024;

export type SpaceReservation = {
  /** Reserves this many more bytes. Throws `NO_SPACE`. */
  readonly grow: (bytes: number, options: { signal: AbortSignal }) => Promise<void>;
  /** Reserved, not yet written. */
  readonly leftBytes: () => number;
  /** This many of the reserved bytes are in the file now, and so no longer free. */
  readonly wrote: (bytes: number) => void;
  readonly release: () => void;
};

export type StagingSpace = { readonly open: () => SpaceReservation };

/** Bytes that an unprivileged process can still write there. */
export const freeBytesOf = async (path: string): Promise<number> => {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
};

export const createStagingSpace = (
  path: string,
  freeBytes: (path: string) => Promise<number>,
): StagingSpace => {
  // One at a time: the free bytes are read and reserved in one step.
  const turns = createLimiter(1);
  let promisedBytes = 0;

  return {
    open() {
      let leftBytes = 0;
      const settle = (bytes: number) => {
        const settled = Math.min(bytes, leftBytes);
        leftBytes -= settled;
        promisedBytes -= settled;
      };
      return {
        grow: (bytes, { signal }) =>
          turns.run(
            async () => {
              const free = await freeBytes(path);
              if (promisedBytes + bytes + SPACE_MARGIN_BYTES > free)
                throw noSpace(path, bytes, free, promisedBytes);
              promisedBytes += bytes;
              leftBytes += bytes;
            },
            { signal },
          ),
        leftBytes: () => leftBytes,
        wrote: settle,
        release: () => settle(leftBytes),
      };
    },
  };
};

const noSpace = (path: string, neededBytes: number, freeBytes: number, promisedBytes: number): DepotError =>
  new DepotError(
    'NO_SPACE',
    `the upload needs ${neededBytes} bytes in the staging directory ${path}, which has ${freeBytes} free, of which ` +
      `${promisedBytes} are reserved for other uploads and ${SPACE_MARGIN_BYTES} are kept free`,
    { detail: { needed_bytes: neededBytes, free_bytes: freeBytes, promised_bytes: promisedBytes } },
  );
