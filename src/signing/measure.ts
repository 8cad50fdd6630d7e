/** The first pass over an artifact: everything that must be known before its first byte is written. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { ArtifactHash } from '../core/ids.ts';
import { DepotError } from '../lib/errors.ts';

/** A file on disk, content in memory (documents and tests), or whatever can be opened again, with a name for people. */
export type Content =
  | { readonly path: string }
  | { readonly bytes: Uint8Array }
  | { readonly label: string; readonly open: () => AsyncIterable<Uint8Array> };

export type Measured = {
  readonly sizeBytes: number;
  readonly sha256: ArtifactHash;
  readonly crc32: number;
};

/** A sled accepts targets up to 2 GiB by default; four times that catches a wrong file. */
const MAX_CONTENT_BYTES = 8 * 1024 ** 3;
const CHUNK_BYTES = 1024 * 1024;

/** A chunk is valid only until the next pull. */
export const openContent = (content: Content): Iterable<Uint8Array> | AsyncIterable<Uint8Array> => {
  if ('bytes' in content) return [content.bytes];
  return 'path' in content ? readChunks(content.path) : content.open();
};

const nameOf = (content: Content): string => {
  if ('bytes' in content) return 'the content in memory';
  return 'path' in content ? content.path : content.label;
};

/** Opens the file for the first requested chunk, and closes it after the last. Memory is what the file needs, for thousands of small ones. */
async function* readChunks(path: string): AsyncGenerator<Uint8Array, void, void> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  // One byte more than a small file has: a read that fills less was the last. A pipe has no size.
  const buffer = Buffer.allocUnsafeSlow(size > 0 ? Math.min(size + 1, CHUNK_BYTES) : CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/** @throws DepotError `IO` if the file cannot be read, `BODY_TOO_LARGE` beyond 8 GiB */
export const measure = async (
  content: Content,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Measured> => {
  const hash = createHash('sha256');
  let checksum = 0;
  let sizeBytes = 0;
  try {
    for await (const chunk of openContent(content)) {
      signal?.throwIfAborted();
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_CONTENT_BYTES) {
        throw new DepotError('BODY_TOO_LARGE', `the artifact exceeds ${MAX_CONTENT_BYTES} bytes`);
      }
      checksum = crc32(chunk, checksum);
      hash.update(chunk);
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const code = cause instanceof DepotError ? cause.code : 'IO';
    throw new DepotError(code, `cannot read ${nameOf(content)}`, { cause });
  }
  return { sizeBytes, sha256: ArtifactHash.parse(hash.digest('hex')), crc32: checksum };
};
