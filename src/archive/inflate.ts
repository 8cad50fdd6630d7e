/** Decompression, as a function that is passed in: on the thread pool for real files, at once for the simulator. */
import { createInflateRaw, inflateRawSync } from 'node:zlib';
import { damaged } from './refusal.ts';

/**
 * Yields the decompressed bytes; throws `ARCHIVE_DAMAGED` when they are not one whole deflate stream.
 *
 * A compressed chunk is done with when the next one is pulled. Neither side needs to trust the sizes: the caller
 * counts what it gets and stops.
 */
export type Inflate = (
  compressed: AsyncIterable<Uint8Array>,
  sizes: { readonly compressedBytes: number; readonly sizeBytes: number },
) => AsyncGenerator<Uint8Array, void, void>;

const OUTPUT_CHUNK_BYTES = 256 * 1024;

const isZlibError = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^(Z_|ERR_BUFFER_TOO)/.test(error.code);

const broken = (cause: unknown): unknown =>
  isZlibError(cause) ? damaged('the deflate stream is broken', { cause }) : cause;

const trailing = (consumed: number, compressedBytes: number) =>
  damaged(`the deflate stream ends after ${consumed} of its ${compressedBytes} bytes`);

/** Inflates on zlib's threads while the consumer works on what came before. */
export const inflateOnThreadPool: Inflate = async function* inflateOnThreadPool(
  compressed,
  { compressedBytes },
) {
  const engine = createInflateRaw({ chunkSize: OUTPUT_CHUNK_BYTES });
  const closed = new Promise<void>(resolve => engine.once('close', resolve));
  const write = (chunk: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => engine.write(chunk, error => (error ? reject(error) : resolve())));
  const feed = async () => {
    for await (const chunk of compressed) {
      // The engine answers no write after its end; whether it ended too early is decided below.
      await Promise.race([write(chunk), closed]);
      if (engine.readableEnded || engine.destroyed) return;
    }
    engine.end();
  };
  const feeding = feed().catch((error: unknown) => {
    engine.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const chunk of engine) yield chunk as Uint8Array;
    if (engine.bytesWritten !== compressedBytes) throw trailing(engine.bytesWritten, compressedBytes);
  } catch (error) {
    throw broken(error);
  } finally {
    engine.destroy();
    await feeding;
  }
};

/** Inflates an entry whole, without leaving the thread: deterministic, and only for small entries. */
export const inflateAtOnce: Inflate = async function* inflateAtOnce(
  compressed,
  { compressedBytes, sizeBytes },
) {
  const input = new Uint8Array(compressedBytes);
  let filled = 0;
  for await (const chunk of compressed) {
    input.set(chunk, filled);
    filled += chunk.length;
  }
  yield inflateWhole(input, sizeBytes);
};

const inflateWhole = (input: Uint8Array, sizeBytes: number): Uint8Array => {
  try {
    // One byte more than promised: too long an entry shows as such, and zero is no valid maximum.
    const { buffer, engine } = inflateRawSync(input, {
      info: true,
      maxOutputLength: sizeBytes + 1,
    }) as unknown as {
      buffer: Uint8Array;
      engine: { bytesWritten: number };
    };
    if (engine.bytesWritten !== input.length) throw trailing(engine.bytesWritten, input.length);
    return buffer;
  } catch (error) {
    throw broken(error);
  }
};
