/** Positioned reads of a known span of a file. */
import assert from 'node:assert/strict';
import type { RandomAccessFile } from './random-access.ts';
import { damaged } from './refusal.ts';

/** Large enough to hide the cost of a read, small enough that two of them fit the processor's cache. */
const READ_AHEAD_BYTES = 1024 * 1024;

/** The size of a yielded chunk: small enough that a CRC and then a hash find it in the cache. */
const PIECE_BYTES = 256 * 1024;

/** Fills `target` from `position`; throws `ARCHIVE_DAMAGED` when the file has become shorter than it was. */
export const readExactly = async <T extends Uint8Array>(
  file: RandomAccessFile,
  target: T,
  position: number,
): Promise<T> => {
  // Callers compare offsets and lengths of headers with the size of the file before they use them.
  assert(position >= 0 && position + target.length <= file.sizeBytes, 'reads only within the file');
  const filled = await file.read(target, position);
  if (filled !== target.length) {
    throw damaged(
      `the archive became shorter while it was read: only ${filled} of ${target.length} bytes at ${position}`,
    );
  }
  return target;
};

/**
 * The bytes from `start` to `end`, in pieces: while the consumer works on one chunk, the next is being read.
 *
 * A piece is valid only until the next pull. When the generator is done, however it ends, no read is under way.
 */
export async function* readAhead(
  file: RandomAccessFile,
  span: { readonly start: number; readonly end: number },
  { signal }: { readonly signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array, void, void> {
  const { start, end } = span;
  const chunkBytes = Math.min(READ_AHEAD_BYTES, end - start);
  const fill = (target: Uint8Array | undefined, position: number): Promise<Uint8Array> => {
    const buffer = target ?? new Uint8Array(chunkBytes);
    const filling = readExactly(file, buffer.subarray(0, Math.min(chunkBytes, end - position)), position);
    // It may fail while no pull waits for it; the next pull gets the failure.
    filling.catch(() => undefined);
    return filling;
  };

  let position = start;
  let pending = fill(undefined, start);
  let idle: Uint8Array | undefined;
  try {
    while (position < end) {
      const chunk = await pending;
      signal?.throwIfAborted();
      position += chunk.length;
      if (position < end) pending = fill(idle, position);
      for (let piece = 0; piece < chunk.length; piece += PIECE_BYTES) {
        yield chunk.subarray(piece, piece + PIECE_BYTES);
      }
      idle = new Uint8Array(chunk.buffer);
    }
  } finally {
    await pending.catch(() => undefined);
  }
}
