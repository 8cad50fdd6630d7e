/**
 * The content of one entry, checked while it is read.
 *
 *     file ─▶ read-ahead ─▶ [inflate] ─▶ size, [CRC-32] ─▶ consumer
 *
 * CT1. No more bytes than the directory announces reach the consumer, whatever the compressed data contains.
 * CT2. The generator ends normally only after the announced number of bytes with the announced CRC-32: a consumer discards
 *      everything that it did not read to the end. For a consumer that compares a hash of the content a CRC-32 decides
 *      nothing: it may leave it out.
 */

import { crc32 } from 'node:zlib';
import { errorCodeOf } from '../lib/errors.ts';
import { quoted } from '../lib/shown-text.ts';
import { type Inflate, tooLong } from './inflate.ts';
import type { RandomAccessFile } from './random-access.ts';
import { damaged } from './refusal.ts';
import { readAhead } from './spans.ts';

export type ArchiveEntry = {
  readonly name: string;
  readonly method: 'stored' | 'deflate';
  /** Uncompressed. */
  readonly sizeBytes: number;
  readonly compressedBytes: number;
  readonly crc32: number;
  /** Where the (compressed) data begins in the file: a stored entry is this span of it. */
  readonly dataOffset: number;
};

export type ContentOptions = {
  readonly inflate: Inflate;
  readonly signal: AbortSignal | undefined;
  /** False for a consumer that compares a hash (CT2). */
  readonly checksum?: boolean | undefined;
};

/** The bytes of an entry as they lie in the file, inflated but unchecked. */
const rawContent = (file: RandomAccessFile, entry: ArchiveEntry, { inflate, signal }: ContentOptions) => {
  const stored = readAhead(
    file,
    { start: entry.dataOffset, end: entry.dataOffset + entry.compressedBytes },
    { signal },
  );
  return entry.method === 'stored' ? stored : inflate(stored, entry);
};

export async function* readContent(
  file: RandomAccessFile,
  entry: ArchiveEntry,
  options: ContentOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { checksum: isSummed = true } = options;
  let sizeBytes = 0;
  let checksum = 0;
  try {
    for await (const chunk of rawContent(file, entry, options)) {
      options.signal?.throwIfAborted();
      sizeBytes += chunk.length;
      if (sizeBytes > entry.sizeBytes) throw tooLong(entry.sizeBytes);
      if (isSummed) checksum = crc32(chunk, checksum);
      yield chunk;
    }
    if (sizeBytes !== entry.sizeBytes)
      throw damaged(`it has ${sizeBytes} bytes instead of ${entry.sizeBytes}`);
    if (isSummed && checksum !== entry.crc32)
      throw damaged(`its CRC-32 is ${hex(checksum)} instead of ${hex(entry.crc32)}`);
  } catch (error) {
    if (errorCodeOf(error) !== 'ARCHIVE_DAMAGED') throw error;
    throw damaged(`cannot read the entry ${quoted(entry.name)}`, {
      cause: error,
      detail: { entry: entry.name },
    });
  }
}

/** The bytes from `start` to `end` of an entry's content, without its CRC-32. In a deflated entry, the skipped bytes are inflated too. */
export async function* readContentRange(
  file: RandomAccessFile,
  entry: ArchiveEntry,
  range: { readonly start: number; readonly end: number },
  options: ContentOptions,
): AsyncGenerator<Uint8Array, void, void> {
  if (entry.method === 'stored') {
    yield* readAhead(
      file,
      { start: entry.dataOffset + range.start, end: entry.dataOffset + range.end },
      options,
    );
    return;
  }
  let position = 0;
  for await (const chunk of readContent(file, entry, { ...options, checksum: false })) {
    const part = chunk.subarray(Math.max(0, range.start - position), Math.max(0, range.end - position));
    position += chunk.length;
    if (part.length > 0) yield part;
    if (position >= range.end) return;
  }
}

const hex = (checksum: number): string => checksum.toString(16).padStart(8, '0');
