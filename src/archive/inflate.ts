/** Decompression, as a function that is passed in: on the thread pool for real files, at once for the simulator. */
import { createInflateRaw, inflateRawSync } from 'node:zlib';
import type { DepotError } from '../lib/errors.ts';
import { damaged } from './refusal.ts';

/**
 * Yields the decompressed bytes; throws `ARCHIVE_DAMAGED` when they are not one whole deflate stream.
 *
 * A compressed chunk is free once the next one is pulled. Neither side needs to trust the sizes: the caller counts the
 * bytes and stops.
 */
export type Inflate = (
  compressed: AsyncIterable<Uint8Array>,
  sizes: { readonly compressedBytes: number; readonly sizeBytes: number },
) => AsyncGenerator<Uint8Array, void, void>;

const OUTPUT_CHUNK_BYTES = 256 * 1024;

/** An error of zlib about bad data becomes an error of the archive; any other passes unchanged. */
const broken = (cause: unknown, sizeBytes: number): unknown => {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (code === 'ERR_BUFFER_TOO_LARGE') return tooLong(sizeBytes);
  return code.startsWith('Z_') ? damaged('the deflate stream is broken', { cause }) : cause;
};

export const tooLong = (sizeBytes: number): DepotError =>
  damaged(`it inflates to more than the announced ${sizeBytes} bytes`);

const trailing = (consumed: number, compressedBytes: number) =>
  damaged(`the deflate stream ends after ${consumed} of its ${compressedBytes} bytes`);

/** Inflates on zlib's threads while the consumer works on earlier chunks. */
export const inflateOnThreadPool: Inflate = async function* inflateOnThreadPool(
  compressed,
  { compressedBytes, sizeBytes },
) {
  const engine = createInflateRaw({ chunkSize: OUTPUT_CHUNK_BYTES });
  const closed = new Promise<void>(resolve => engine.once('close', resolve));
  const write = (chunk: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => engine.write(chunk, error => (error ? reject(error) : resolve())));
  const feed = async () => {
    for await (const chunk of compressed) {
      // After its end the engine calls no callback of a write; whether it ended too early is decided below.
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
    throw broken(error, sizeBytes);
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
    // Zero is no valid maximum.
    const options = { info: true, maxOutputLength: Math.max(1, sizeBytes) };
    // With `info` the result has another shape than its declared type.
    const { buffer, engine } = inflateRawSync(input, options) as unknown as {
      buffer: Uint8Array;
      engine: { bytesWritten: number };
    };
    if (engine.bytesWritten !== input.length) throw trailing(engine.bytesWritten, input.length);
    return buffer;
  } catch (error) {
    throw broken(error, sizeBytes);
  }
};
