/**
 * One file of a Hubris archive: the ZIP file in which firmware for service processors and roots of trust is built.
 *
 *     bytes ─▶ end record with the comment "hubris build archive vN" ─▶ central directory ─▶ the file, unpacked
 *
 * It is not read as strictly as an archive of a release (src/archive): nothing but a description of the image is taken
 * from it, writers pack it with bzip2, and the format requires a comment.
 *
 * HA1. Everything is in memory and bounded: by the length of the archive, and by {@link HUBRIS_LIMITS} for what is unpacked.
 * HA2. A file that occurs twice, or whose size or CRC-32 differs from its header, is refused.
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { bunzip2 } from '../archive/bunzip2.ts';
import { LENGTH, METHOD, SIGNATURE, viewOf } from '../archive/format.ts';
import { damaged, invalid, overLimit } from '../archive/refusal.ts';
import { quoted } from '../lib/shown-text.ts';

export const HUBRIS_LIMITS = {
  /** Images have 1 to 4 MiB of flash; their archives have symbols of all tasks beside them. */
  archiveBytes: 64 * 1024 ** 2,
  fileBytes: 16 * 1024 ** 2,
} as const;

const METHOD_BZIP2 = 12;
const FLAG_ENCRYPTED = 1;
const COMMENT = /^hubris build archive v\d{1,10}$/;
const MAX_COMMENT_BYTES = 64;

/**
 * The content of the file with this name.
 *
 * @throws DepotError `ARCHIVE_INVALID`, `ARCHIVE_DAMAGED`, `ARCHIVE_LIMIT`
 */
export const readHubrisFile = (archive: Uint8Array, name: string): Uint8Array => {
  if (archive.length > HUBRIS_LIMITS.archiveBytes)
    throw overLimit('the size of a firmware archive in bytes', archive.length, HUBRIS_LIMITS.archiveBytes);
  const directory = findDirectory(archive);
  const [file, second] = headersIn(archive, directory).filter(header => header.name === name);
  if (file === undefined) throw invalid(`the firmware archive has no ${name}`);
  if (second !== undefined) throw invalid(`the firmware archive has ${name} twice`);
  return contentOf(archive, file);
};

type Directory = { readonly start: number; readonly end: number; readonly count: number };

const findDirectory = (archive: Uint8Array): Directory => {
  for (let comment = 0; comment <= MAX_COMMENT_BYTES; comment += 1) {
    const position = archive.length - LENGTH.end - comment;
    if (position < 0) break;
    const end = viewOf(archive.subarray(position));
    if (end.getUint32(0, true) !== SIGNATURE.end || end.getUint16(20, true) !== comment) continue;
    const text = Buffer.from(archive.subarray(position + LENGTH.end)).toString('latin1');
    if (!COMMENT.test(text))
      throw invalid(`it is a ZIP file, but its comment is ${quoted(text)}, not "hubris build archive vN"`);
    const start = end.getUint32(16, true);
    const sizeBytes = end.getUint32(12, true);
    if (start + sizeBytes > position) throw invalid('its central directory is not inside of it');
    return { start, end: start + sizeBytes, count: end.getUint16(10, true) };
  }
  throw invalid('it is no firmware archive: it does not end as a ZIP file with a short comment does');
};

type Header = {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  readonly offset: number;
};

const headersIn = (archive: Uint8Array, { start, end, count }: Directory): readonly Header[] => {
  const headers: Header[] = [];
  let position = start;
  for (let at = 0; at < count; at += 1) {
    if (position + LENGTH.centralHeader > end) throw invalid('its central directory is cut short');
    const view = viewOf(archive.subarray(position, end));
    if (view.getUint32(0, true) !== SIGNATURE.centralHeader)
      throw invalid('its central directory has no header where one must begin');
    const nameEnd = position + LENGTH.centralHeader + view.getUint16(28, true);
    if (nameEnd > end) throw invalid('its central directory is cut short');
    headers.push({
      name: Buffer.from(archive.subarray(position + LENGTH.centralHeader, nameEnd)).toString('utf8'),
      flags: view.getUint16(8, true),
      method: view.getUint16(10, true),
      crc32: view.getUint32(16, true),
      compressedBytes: view.getUint32(20, true),
      sizeBytes: view.getUint32(24, true),
      offset: view.getUint32(42, true),
    });
    position = nameEnd + view.getUint16(30, true) + view.getUint16(32, true);
  }
  return headers;
};

const contentOf = (archive: Uint8Array, header: Header): Uint8Array => {
  const { name, sizeBytes } = header;
  if (sizeBytes > HUBRIS_LIMITS.fileBytes)
    throw overLimit(`the size of ${name} in bytes`, sizeBytes, HUBRIS_LIMITS.fileBytes);
  if ((header.flags & FLAG_ENCRYPTED) !== 0) throw invalid(`${name} is encrypted`);
  const content = unpacked(packedBytes(archive, header), header);
  if (content.length !== sizeBytes)
    throw damaged(`${name} has ${content.length} bytes instead of ${sizeBytes}`);
  if (crc32(content) !== header.crc32) throw damaged(`${name} has another CRC-32 than announced`);
  return content;
};

const packedBytes = (archive: Uint8Array, { name, offset, compressedBytes }: Header): Uint8Array => {
  if (offset + LENGTH.localHeader > archive.length) throw invalid(`${name} is not inside of the archive`);
  const view = viewOf(archive.subarray(offset));
  if (view.getUint32(0, true) !== SIGNATURE.localHeader) throw invalid(`${name} has no header of its own`);
  const start = offset + LENGTH.localHeader + view.getUint16(26, true) + view.getUint16(28, true);
  if (start + compressedBytes > archive.length) throw invalid(`${name} is not inside of the archive`);
  return archive.subarray(start, start + compressedBytes);
};

const unpacked = (packed: Uint8Array, { name, method, sizeBytes }: Header): Uint8Array => {
  switch (method) {
    case METHOD.stored:
      return packed;
    case METHOD.deflate:
      return inflated(packed, name, sizeBytes);
    case METHOD_BZIP2:
      return bunzip2(packed, { maxBytes: sizeBytes });
    default:
      throw invalid(`${name} is compressed by method ${method}; stored, deflate and bzip2 are read`);
  }
};

const inflated = (packed: Uint8Array, name: string, sizeBytes: number): Uint8Array => {
  try {
    // Zero is no valid maximum.
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, sizeBytes) });
  } catch (cause) {
    throw damaged(`${name} cannot be inflated`, { cause });
  }
};
