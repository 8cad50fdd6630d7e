/**
 * The caboose of a firmware image: what the image says of itself, in TLV-C chunks at its end.
 *
 *     … image header: magic │ length … ▷ [ mark │ chunk │ chunk │ … │ length of the caboose ] ◁ end of the image
 *     chunk: tag │ length │ checksum of both │ body, padded to words │ CRC-32C of the body
 *
 * CBO1. Chunks are read up to the first whose header is wrong: the rest of a caboose is filler.
 * CBO2. Of chunks with one tag the first counts. A value whose checksum is wrong is an error, not an absent value.
 * CBO3. A value is a short printable text, since it becomes a tag.
 */
import { viewOf } from '../archive/format.ts';
import { damaged, invalid } from '../archive/refusal.ts';
import { quoted } from '../lib/shown-text.ts';

export type Caboose = {
  readonly board: string | undefined;
  readonly name: string | undefined;
  /** The hash of the root key table, of signed images. */
  readonly sign: string | undefined;
};

/** Depends on the processor and on the version of the kernel. */
const HEADER_OFFSETS = [0xbc, 0xc0, 0x130, 0x298];
const HEADER_MAGIC: ReadonlySet<number> = new Set([0x15356637, 0x64ced6ca]);
const CABOOSE_MARK = 0xcab0005e;
const WORD_BYTES = 4;
const CHUNK_HEADER_BYTES = 12;
const CHUNK_CHECKSUM_FACTOR = 0x6b329f69;
const VALUE = /^[^\p{C}]{1,128}$/u;

/** @throws DepotError `ARCHIVE_INVALID`, `ARCHIVE_DAMAGED` */
export const readCaboose = (flash: Uint8Array): Caboose => {
  const chunks = chunksIn(cabooseIn(flash));
  const value = (tag: string): string | undefined => {
    const chunk = chunks.get(tag);
    if (chunk === undefined) return undefined;
    if (crc32c(chunk.body) !== chunk.checksum)
      throw damaged(`the ${tag} of the caboose has another checksum than announced`);
    return textOf(tag, chunk.body);
  };
  return { board: value('BORD'), name: value('NAME'), sign: value('SIGN') };
};

const cabooseIn = (flash: Uint8Array): Uint8Array => {
  const view = viewOf(flash);
  const wordAt = (offset: number): number => {
    if (offset < 0 || offset + WORD_BYTES > flash.length)
      throw invalid('the firmware image says that it is longer than it is');
    return view.getUint32(offset, true);
  };
  const header = HEADER_OFFSETS.find(
    offset => offset + WORD_BYTES <= flash.length && HEADER_MAGIC.has(wordAt(offset)),
  );
  if (header === undefined) throw invalid('the firmware image has no image header');
  const end = wordAt(header + WORD_BYTES);
  const start = end - wordAt(end - WORD_BYTES);
  if (start < 0 || start + 2 * WORD_BYTES > end || wordAt(start) !== CABOOSE_MARK)
    throw invalid('the firmware image has no caboose');
  return flash.subarray(start + WORD_BYTES, end - WORD_BYTES);
};

type Chunk = { readonly body: Uint8Array; readonly checksum: number };

/** CBO1, CBO2. */
const chunksIn = (caboose: Uint8Array): ReadonlyMap<string, Chunk> => {
  const view = viewOf(caboose);
  const chunks = new Map<string, Chunk>();
  let position = 0;
  while (position + CHUNK_HEADER_BYTES <= caboose.length) {
    const tagWord = view.getUint32(position, true);
    const lengthBytes = view.getUint32(position + 4, true);
    const expected = ~(Math.imul(tagWord, CHUNK_CHECKSUM_FACTOR) + lengthBytes) >>> 0;
    if (view.getUint32(position + 8, true) !== expected) break;
    const start = position + CHUNK_HEADER_BYTES;
    const checksumAt = start + Math.ceil(lengthBytes / WORD_BYTES) * WORD_BYTES;
    if (checksumAt + WORD_BYTES > caboose.length) break;
    const tag = Buffer.from(caboose.subarray(position, position + WORD_BYTES)).toString('latin1');
    if (!chunks.has(tag))
      chunks.set(tag, {
        body: caboose.subarray(start, start + lengthBytes),
        checksum: view.getUint32(checksumAt, true),
      });
    position = checksumAt + WORD_BYTES;
  }
  return chunks;
};

const textOf = (tag: string, body: Uint8Array): string => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (cause) {
    throw invalid(`the ${tag} of the caboose is not UTF-8`, { cause: String(cause) });
  }
  if (!VALUE.test(text))
    throw invalid(
      `the ${tag} of the caboose is ${quoted(text)}, not a printable text of 1 to 128 characters`,
    );
  return text;
};

/** CRC-32 with the polynomial of Castagnoli (RFC 3720, B.4). */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  return crc >>> 0;
});

const crc32c = (bytes: Uint8Array): number => {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
};
