/**
 * A gzip file as one stream of content, bounded.
 *
 *     compressed ─▶ header ─▶ inflate ─▶ size, ratio ─▶ consumer ─▶ CRC-32 and length in the trailer
 *
 * GZ1. One member and nothing after it: some readers continue with a second member, others stop before it.
 * GZ2. No more than the limits allow reaches the consumer, whatever the compressed data contains.
 * GZ3. The generator ends normally only after content of the CRC-32 and the length that the trailer has.
 */
import { crc32 } from 'node:zlib';
import { type ByteCursor, createByteCursor } from './byte-cursor.ts';
import { viewOf } from './format.ts';
import { type Inflate, inflateOnThreadPool } from './inflate.ts';
import type { ArchiveLimits } from './limits.ts';
import { damaged, invalid, overLimit } from './refusal.ts';

const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
const MAGIC = 0x8b1f;
const DEFLATE = 8;
const FLAG_NAME = 8;
/** Of the optional name in a header; file systems allow 255 bytes. */
const MAX_NAME_BYTES = 1024;
const LENGTH_MODULUS = 2 ** 32;

export type GunzipOptions = {
  /** Of the whole file. */
  readonly compressedBytes: number;
  readonly limits: Pick<ArchiveLimits, 'maxTotalBytes' | 'maxInflateRatio' | 'ratioFreeBytes'>;
  readonly inflate?: Inflate;
};

/**
 * The content of a gzip file. A chunk is valid until the next pull.
 *
 * @throws DepotError `ARCHIVE_INVALID` for a file that is not plain gzip, `ARCHIVE_DAMAGED`, `ARCHIVE_LIMIT`
 */
export async function* gunzip(
  compressed: AsyncIterable<Uint8Array>,
  { compressedBytes, limits, inflate = inflateOnThreadPool }: GunzipOptions,
): AsyncGenerator<Uint8Array, void, void> {
  await using cursor = createByteCursor(compressed);
  const deflatedBytes = compressedBytes - (await readHeader(cursor)) - TRAILER_BYTES;
  if (deflatedBytes < 0) throw endsTooEarly();
  const ratioBytes = Math.max(limits.ratioFreeBytes, compressedBytes * limits.maxInflateRatio);
  const maxBytes = Math.min(limits.maxTotalBytes, ratioBytes);
  let sizeBytes = 0;
  let checksum = 0;
  const sizes = { compressedBytes: deflatedBytes, sizeBytes: maxBytes };
  for await (const chunk of inflate(takeBytes(cursor, deflatedBytes), sizes)) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes)
      throw overLimit(`the content of a gzip file of ${compressedBytes} bytes`, sizeBytes, maxBytes);
    checksum = crc32(chunk, checksum);
    yield chunk;
  }
  const trailer = await cursor.exactly(TRAILER_BYTES);
  if (trailer === undefined) throw endsTooEarly();
  if ((await cursor.take(1)) !== undefined)
    throw damaged('the gzip file continues after its announced length');
  const view = viewOf(trailer);
  if (view.getUint32(0, true) !== checksum || view.getUint32(4, true) !== sizeBytes % LENGTH_MODULUS)
    throw damaged('the content of the gzip file has another CRC-32 or length than its trailer says');
}

async function* takeBytes(cursor: ByteCursor, bytes: number): AsyncGenerator<Uint8Array, void, void> {
  for (let leftBytes = bytes; leftBytes > 0; ) {
    const piece = await cursor.take(leftBytes);
    if (piece === undefined) throw endsTooEarly();
    leftBytes -= piece.length;
    yield piece;
  }
}

const endsTooEarly = () => damaged('the gzip file ends too early');

/** @returns the length of the header */
const readHeader = async (cursor: ByteCursor): Promise<number> => {
  const header = await cursor.exactly(HEADER_BYTES);
  if (header === undefined) throw endsTooEarly();
  const view = viewOf(header);
  if (view.getUint16(0, true) !== MAGIC || view.getUint8(2) !== DEFLATE)
    throw invalid('it is not a gzip file');
  const flags = view.getUint8(3);
  if ((flags & ~FLAG_NAME) !== 0)
    throw invalid(`the gzip header has the flags ${flags}; only a file name is accepted`);
  if ((flags & FLAG_NAME) === 0) return HEADER_BYTES;
  for (let nameBytes = 1; nameBytes <= MAX_NAME_BYTES; nameBytes += 1) {
    const [byte] = (await cursor.exactly(1)) ?? [];
    if (byte === undefined) throw endsTooEarly();
    if (byte === 0) return HEADER_BYTES + nameBytes;
  }
  throw overLimit('the length of the name in the gzip header', MAX_NAME_BYTES + 1, MAX_NAME_BYTES);
};
