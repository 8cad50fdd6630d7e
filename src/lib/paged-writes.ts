/**
 * Writes a file front to back in pages: many small pieces become few calls of the disk.
 *
 *     piece ─▶ page ─▶ full: written, while the next page fills
 *
 * PW1. A piece is free for reuse when its `write` resolves. Memory is two pages, however much is written.
 * PW2. Pages are written one after the other. Once one has failed, each later call throws that failure.
 */
import type { DiskFile } from './disk.ts';

/** Large enough to make the cost of a call small, small enough for the cache of a processor to have it still. */
const PAGE_BYTES = 512 * 1024;

export type PagedWrites = {
  /** Waits for the disk while both pages are full. */
  readonly write: (piece: Uint8Array) => Promise<void>;
  /** Resolves when everything is in the file; not yet durable. */
  readonly flush: () => Promise<void>;
  /** Resolves when no call of the disk is under way; never rejects. */
  readonly settled: () => Promise<void>;
};

export const createPagedWrites = (
  file: Pick<DiskFile, 'write'>,
  {
    pageBytes = PAGE_BYTES,
    onWritten,
  }: { readonly pageBytes?: number; readonly onWritten?: (bytes: number) => void } = {},
): PagedWrites => {
  let filling = Buffer.allocUnsafeSlow(pageBytes);
  let spare: typeof filling | undefined;
  let filled = 0;
  let position = 0;
  let writing: Promise<void> = Promise.resolve();

  /** Hands the page to the disk when the one before it is written. */
  const next = async (): Promise<void> => {
    await writing;
    const page = filling;
    const bytes = filled;
    const start = position;
    const write = async () => {
      await file.write(page.subarray(0, bytes), start);
      onWritten?.(bytes);
    };
    filling = spare ?? Buffer.allocUnsafeSlow(pageBytes);
    spare = page;
    filled = 0;
    position += bytes;
    writing = write();
    // It may fail while nobody waits for it; the next call receives the failure.
    writing.catch(() => undefined);
  };

  return {
    async write(piece) {
      for (let from = 0; from < piece.length; ) {
        const part = piece.subarray(from, from + pageBytes - filled);
        filling.set(part, filled);
        filled += part.length;
        from += part.length;
        if (filled === pageBytes) await next();
      }
    },
    async flush() {
      if (filled > 0) await next();
      await writing;
    },
    settled: () => writing.catch(() => undefined),
  };
};
