/** The body of an upload: from the caller's source to the socket, under a deadline on progress (B13). */
import { DepotError } from '../lib/errors.ts';
import { type ProgressDeadline, watchProgress } from './progress.ts';

/**
 * The source may reuse a chunk once the next one is pulled. The socket makes the puller wait for a chunk that fills its
 * queue; a smaller one may still be queued by then, and is copied.
 */
const QUEUED_BYTES = 128 * 1024;

/**
 * The socket takes a piece whole or not yet, so that on a slow link a large one looks like no progress: pieces begin small, and
 * double while each is taken at once.
 */
const FIRST_PIECE_BYTES = 16 * 1024;
const LARGEST_PIECE_BYTES = 1024 * 1024;
const AT_ONCE_MS = 20;
const SLOW_MS = 200;

const nextPieceBytes = (pieceBytes: number, tookMs: number): number => {
  if (tookMs < AT_ONCE_MS) return Math.min(pieceBytes * 2, LARGEST_PIECE_BYTES);
  return tookMs > SLOW_MS ? Math.max(pieceBytes / 2, FIRST_PIECE_BYTES) : pieceBytes;
};

export type UploadBody = {
  /** As announced; the source has to give exactly this many. Undefined if unknown: the body is chunked. */
  readonly sizeBytes: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Called as the peer takes bytes, with the sum so far. */
  readonly onProgress?: (sentBytes: number) => void;
};

export type Upload = {
  /** For undici, which pulls the next chunk when the socket has room. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** The error of the source, so that the peer is not blamed for it. */
  readonly sourceFailure: () => unknown;
};

export const startUpload = (
  body: UploadBody,
  progress: ProgressDeadline,
  { onStall, onSent }: { onStall: () => void; onSent: () => void },
): Upload => {
  let failure: unknown;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    using watch = watchProgress(progress, onStall);
    let sentBytes = 0;
    try {
      let pieceBytes = FIRST_PIECE_BYTES;
      for await (const chunk of body.chunks) {
        for (let from = 0; from < chunk.byteLength; ) {
          const piece = chunk.subarray(from, from + pieceBytes);
          from += piece.byteLength;
          const startMs = performance.now();
          watch.waiting();
          yield piece.byteLength < QUEUED_BYTES ? Uint8Array.from(piece) : piece;
          watch.moved(piece.byteLength);
          pieceBytes = nextPieceBytes(pieceBytes, performance.now() - startMs);
          sentBytes += piece.byteLength;
          body.onProgress?.(sentBytes);
        }
      }
      if (body.sizeBytes !== undefined && sentBytes !== body.sizeBytes)
        throw new DepotError('IO', `the source of the upload has ${sentBytes} bytes, not ${body.sizeBytes}`);
    } catch (error) {
      failure = error;
      throw error;
    }
    onSent();
  }
  return { chunks: chunks(), sourceFailure: () => failure };
};
