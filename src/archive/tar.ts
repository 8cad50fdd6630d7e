/**
 * A strict reader of tar archives, front to back.
 *
 *     stream ─▶ [header ─▶ content ─▶ padding]* ─▶ two blocks of zeros ─▶ nothing but zeros
 *
 * TAR1. Regular files only: no links, devices or folders, and none of the extensions that rename what follows.
 * TAR2. Names follow the rules of ZIP entries (names N1-N2): relative, no way out, and no two alike.
 * TAR3. A header whose checksum is wrong, content that is cut short, a missing end, and bytes that belong to no
 *       entry are refused, and so is what exceeds the limits, before the content in question is read.
 */
import { quoted } from '../lib/shown-text.ts';
import { type ByteCursor, createByteCursor } from './byte-cursor.ts';
import type { ArchiveLimits } from './limits.ts';
import { createNameRegister } from './names.ts';
import { damaged, invalid, overLimit } from './refusal.ts';

const BLOCK_BYTES = 512;
/** Writers fill the last record with zeros: 20 blocks by default, more for tapes. */
const MAX_END_BYTES = 64 * 1024;

export type TarEntry = {
  readonly name: string;
  readonly sizeBytes: number;
  /** Valid until the next entry is pulled; unread content is skipped. A chunk is valid until the next one. */
  readonly content: AsyncGenerator<Uint8Array, void, void>;
};

export type TarLimits = Pick<ArchiveLimits, 'maxEntries' | 'maxEntryBytes'>;

/** @throws DepotError `ARCHIVE_INVALID`, `ARCHIVE_DAMAGED` for an archive that is cut short, `ARCHIVE_LIMIT` */
export async function* readTar(
  stream: AsyncIterable<Uint8Array>,
  limits: TarLimits,
): AsyncGenerator<TarEntry, void, void> {
  await using cursor = createByteCursor(stream);
  const names = createNameRegister();
  for (let entries = 1; ; entries += 1) {
    const header = await readBlock(cursor, 'the header of an entry');
    if (isZero(header)) return await checkEnd(cursor);
    if (entries > limits.maxEntries)
      throw overLimit('the number of entries of a tar archive', entries, limits.maxEntries);
    const { name, sizeBytes } = parseHeader(header);
    names.add(name);
    if (sizeBytes > limits.maxEntryBytes)
      throw overLimit(
        `the size of ${quoted(name)} in bytes (limits.artifact_bytes)`,
        sizeBytes,
        limits.maxEntryBytes,
      );
    const content = createContent(cursor, name, sizeBytes);
    yield { name, sizeBytes, content: content.pieces() };
    await content.skipRest();
    await skipPadding(cursor, name, sizeBytes);
  }
}

const readBlock = async (cursor: ByteCursor, what: string): Promise<Uint8Array> => {
  const block = await cursor.exactly(BLOCK_BYTES);
  if (block === undefined) throw damaged(`the tar archive ends inside of ${what}, or without its end mark`);
  return block;
};

/** The content of one entry; any part may stay unread. */
const createContent = (cursor: ByteCursor, name: string, sizeBytes: number) => {
  let leftBytes = sizeBytes;
  const take = async (): Promise<Uint8Array> => {
    const piece = await cursor.take(leftBytes);
    if (piece === undefined) throw damaged(`the tar archive ends inside of ${quoted(name)}`);
    leftBytes -= piece.length;
    return piece;
  };
  return {
    async *pieces(): AsyncGenerator<Uint8Array, void, void> {
      while (leftBytes > 0) yield await take();
    },
    async skipRest(): Promise<void> {
      while (leftBytes > 0) await take();
    },
  };
};

const skipPadding = async (cursor: ByteCursor, name: string, sizeBytes: number): Promise<void> => {
  let leftBytes = (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
  while (leftBytes > 0) {
    const piece = await cursor.take(leftBytes);
    if (piece === undefined)
      throw damaged(`the tar archive ends after ${quoted(name)}, without its end mark`);
    if (!isZero(piece))
      throw invalid(`the tar archive has bytes that belong to no entry after ${quoted(name)}`);
    leftBytes -= piece.length;
  }
};

/** The second block of zeros, and the padding of the last record. */
const checkEnd = async (cursor: ByteCursor): Promise<void> => {
  if (!isZero(await readBlock(cursor, 'its end mark')))
    throw invalid('the tar archive continues after a block of zeros');
  let filledBytes = 0;
  for (let piece = await cursor.take(MAX_END_BYTES); piece; piece = await cursor.take(MAX_END_BYTES)) {
    filledBytes += piece.length;
    if (!isZero(piece)) throw invalid('the tar archive has something after its end mark');
    if (filledBytes > MAX_END_BYTES)
      throw overLimit('the length of the zeros after the end of a tar archive', filledBytes, MAX_END_BYTES);
  }
};

const isZero = (bytes: Uint8Array): boolean => bytes.every(byte => byte === 0);

/** Fields of a header by their place (POSIX.1-2017, pax, "ustar Interchange Format"). */
const FIELD = {
  name: [0, 100],
  size: [124, 136],
  checksum: [148, 156],
  type: [156, 157],
  magic: [257, 263],
  prefix: [345, 500],
} as const satisfies Record<string, readonly [number, number]>;

/** `ustar` with a NUL in POSIX, with a blank in GNU, whose prefix field differs. */
const MAGIC_POSIX = 'ustar\0';
const MAGIC_GNU = 'ustar ';
const REGULAR_TYPES = ['0', '\0'];
const CHECKSUM_BLANK = 0x20;

const parseHeader = (header: Uint8Array): { readonly name: string; readonly sizeBytes: number } => {
  const raw = (field: keyof typeof FIELD) => Buffer.from(header.subarray(...FIELD[field])).toString('latin1');
  const checksum = parseOctal(raw('checksum'), 'checksum');
  const [checksumStart, checksumEnd] = FIELD.checksum;
  const actual = header.reduce(
    (sum, byte, at) => sum + (at >= checksumStart && at < checksumEnd ? CHECKSUM_BLANK : byte),
    0,
  );
  if (checksum !== actual)
    throw damaged(`a tar header has the checksum ${checksum}, but its bytes add up to ${actual}`);
  const magic = raw('magic');
  if (magic !== MAGIC_POSIX && magic !== MAGIC_GNU) throw invalid('a tar header is neither POSIX nor GNU');
  const path = textOf(header.subarray(...FIELD.name));
  const prefix = magic === MAGIC_POSIX ? textOf(header.subarray(...FIELD.prefix)) : '';
  const name = prefix === '' ? path : `${prefix}/${path}`;
  const type = raw('type');
  if (!REGULAR_TYPES.includes(type) || name.endsWith('/'))
    throw invalid(
      `the tar entry ${quoted(name)} is no regular file (type ${quoted(type)}); only those may be in it`,
    );
  return { name, sizeBytes: parseOctal(raw('size'), `size of ${quoted(name)}`) };
};

/** The text before the first NUL, after which only NULs may follow. */
const textOf = (field: Uint8Array): string => {
  const end = field.indexOf(0);
  const used = end < 0 ? field : field.subarray(0, end);
  if (end >= 0 && !isZero(field.subarray(end)))
    throw invalid('a tar header has a name with something after its end');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(used);
  } catch (cause) {
    throw invalid(`a tar header has a name that is not UTF-8: ${String(cause)}`);
  }
};

const OCTAL = /^ *([0-7]{1,12})[ \0]*$/;

const parseOctal = (text: string, what: string): number => {
  const digits = OCTAL.exec(text)?.[1];
  if (digits === undefined) throw invalid(`the ${what} in a tar header is no octal number: ${quoted(text)}`);
  return Number.parseInt(digits, 8);
};
