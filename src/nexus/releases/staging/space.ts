/**
 * Space in the staging directory, promised to an upload before its bytes come (S16).
 *
 * RV1. The promises not yet written, with a margin, never exceed what the file system has free: two uploads
 *      cannot both be let in by the same free bytes.
 */
import { statfs } from 'node:fs/promises';
import { DepotError } from '../../../lib/errors.ts';
import { createLimiter } from '../../../lib/limiter.ts';

/** Left free for sidecars, metadata of the file system, and whoever else writes there. */
export const SPACE_MARGIN_BYTES = 64 * 1024 * 1024;

export type SpaceReservation = {
  /** Promises this many bytes more. Throws `NO_SPACE`. */
  readonly grow: (bytes: number, options: { signal: AbortSignal }) => Promise<void>;
  /** Promised, not yet written. */
  readonly leftBytes: () => number;
  /** Tells that this many of the promised bytes are in the file, and so no longer free. */
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
  // One at a time: the free bytes are read and promised in one step.
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
      `${promisedBytes} are promised to other uploads and ${SPACE_MARGIN_BYTES} are kept free`,
    { detail: { needed_bytes: neededBytes, free_bytes: freeBytes, promised_bytes: promisedBytes } },
  );
