/** The body of an upload: from the caller's source to the socket, under a deadline on progress (B13). */
import { DepotError } from '../lib/errors.ts';
import { type ProgressDeadline, watchProgress } from './progress.ts';

/**
 * The source may reuse a chunk once the next one is pulled. The socket makes the puller wait for a chunk that fills its
 * queue; a smaller one may still be queued by then, and is copied.
 */
const QUEUED_BYTES = 128 * 1024;

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
      for await (const chunk of body.chunks) {
        watch.waiting();
        yield chunk.byteLength < QUEUED_BYTES ? Uint8Array.from(chunk) : chunk;
        watch.moved(chunk.byteLength);
        sentBytes += chunk.byteLength;
        body.onProgress?.(sentBytes);
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
