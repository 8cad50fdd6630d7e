/**
 * The central directory (APPNOTE 4.3.12), parsed as it is read: a window at a time, so that neither memory nor a
 * turn of the event loop grows with the number of entries.
 *
 * CD1. Every header is checked on its own here: its kind, its name, its cost.
 * CD2. The headers fill the directory exactly, and their number is that of the end record.
 */
import { quoted } from '../lib/shown-text.ts';
import type { DirectorySpan } from './end-records.ts';
import { diskNumber, resolveZip64, wide, zip64FieldOf } from './extra-fields.ts';
import {
  FLAG,
  hasRecordSignature,
  LENGTH,
  METHOD,
  type Method,
  MOST_COMMENT_BYTES,
  SIGNATURE,
  sameBytes,
  UNIX_DIRECTORY,
  UNIX_REGULAR,
  UNIX_TYPE_MASK,
  VERSION_ZIP64,
  viewOf,
} from './format.ts';
import type { ArchiveLimits } from './limits.ts';
import type { RandomAccessFile } from './random-access.ts';
import { invalid, JOIN_PARTS, overLimit } from './refusal.ts';
import { readExactly } from './spans.ts';

export type CentralHeader = {
  readonly name: string;
  /** As written, for the comparison with the local header. */
  readonly nameBytes: Uint8Array;
  readonly isFolder: boolean;
  readonly flags: number;
  readonly method: Method;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  /** Where the local header is. */
  readonly headerOffset: number;
};

/** Some hundred headers, parsed in one turn of the event loop. */
const WINDOW_BYTES = 64 * 1024;

const KNOWN_FLAGS = FLAG.deflateEffort | FLAG.dataDescriptor | FLAG.utf8;

/** MS-DOS attributes, in the lower half of the external ones. */
const DOS_VOLUME_LABEL = 0x08;
const DOS_DIRECTORY = 0x10;

/** All headers, in the order of the directory. Throws `ARCHIVE_INVALID` or `ARCHIVE_LIMIT`. */
export async function* readCentralHeaders(
  file: RandomAccessFile,
  span: DirectorySpan,
  limits: ArchiveLimits,
): AsyncGenerator<CentralHeader, void, void> {
  const longestHeader =
    LENGTH.centralHeader + limits.maxNameBytes + limits.maxExtraFieldBytes + MOST_COMMENT_BYTES;
  const windowBytes = Math.max(WINDOW_BYTES, longestHeader);
  let count = 0;
  for (let position = span.start; position < span.end; ) {
    const window = await readExactly(
      file,
      new Uint8Array(Math.min(windowBytes, span.end - position)),
      position,
    );
    let parsed = 0;
    while (parsed < window.length) {
      const lengths = headerLengths(window.subarray(parsed), limits);
      if (lengths === undefined || parsed + lengths.whole > window.length) break;
      yield parseHeader(window.subarray(parsed, parsed + lengths.whole), lengths);
      parsed += lengths.whole;
      count += 1;
    }
    // A window always holds one header, unless the directory ends inside of it.
    if (parsed === 0) throw invalid('the central directory ends in the middle of a header');
    position += parsed;
  }
  if (count !== span.entryCount) {
    throw invalid(`the end record announces ${span.entryCount} entries, the central directory has ${count}`);
  }
}

type HeaderLengths = {
  readonly name: number;
  readonly extra: number;
  readonly comment: number;
  readonly whole: number;
};

/** Undefined when not even the fixed part is there. */
const headerLengths = (bytes: Uint8Array, limits: ArchiveLimits): HeaderLengths | undefined => {
  if (bytes.length < LENGTH.centralHeader) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== SIGNATURE.centralHeader) {
    throw invalid('the central directory has no header where one must begin');
  }
  const name = view.getUint16(28, true);
  const extra = view.getUint16(30, true);
  if (name > limits.maxNameBytes)
    throw overLimit('the length of an entry name in bytes', name, limits.maxNameBytes);
  if (extra > limits.maxExtraFieldBytes) {
    throw overLimit('the length of an extra field in bytes', extra, limits.maxExtraFieldBytes);
  }
  const comment = view.getUint16(32, true);
  return { name, extra, comment, whole: LENGTH.centralHeader + name + extra + comment };
};

const parseHeader = (bytes: Uint8Array, lengths: HeaderLengths): CentralHeader => {
  const view = viewOf(bytes);
  const flags = view.getUint16(8, true);
  const nameBytes = bytes.slice(LENGTH.centralHeader, LENGTH.centralHeader + lengths.name);
  const name = decodeName(nameBytes, flags);
  const owner = `the entry ${quoted(name)}`;
  checkComment(bytes.subarray(lengths.whole - lengths.comment), owner);
  if ((flags & FLAG.encrypted) !== 0)
    throw invalid(`${owner} is encrypted: pack it without a password, a release has no secrets`);
  const method = methodOf(view.getUint16(10, true), owner);
  if ((view.getUint16(6, true) & 0xff) > VERSION_ZIP64)
    throw invalid(`${owner} needs a newer version of the ZIP format`);
  if ((flags & ~KNOWN_FLAGS) !== 0) throw invalid(`${owner} is encrypted, patched or otherwise not plain`);

  const extraStart = LENGTH.centralHeader + lengths.name;
  const zip64 = zip64FieldOf(
    bytes.subarray(extraStart, extraStart + lengths.extra),
    other => sameBytes(other, nameBytes),
    owner,
  );
  const [sizeBytes, compressedBytes, headerOffset, disk] = resolveZip64(
    [
      wide(view.getUint32(24, true)),
      wide(view.getUint32(20, true)),
      wide(view.getUint32(42, true)),
      diskNumber(view.getUint16(34, true)),
    ],
    zip64,
    owner,
  );
  if (disk !== 0) throw invalid(`${owner} is on another disk: ${JOIN_PARTS}`);
  const header: CentralHeader = {
    name,
    nameBytes,
    isFolder: name.endsWith('/'),
    flags,
    method,
    crc32: view.getUint32(16, true),
    compressedBytes,
    sizeBytes,
    headerOffset,
  };
  checkKind(header, view.getUint32(38, true), owner);
  return header;
};

/** A reader that looks for a record by its signature must not find one in a comment. */
const checkComment = (comment: Uint8Array, owner: string): void => {
  if (hasRecordSignature(comment))
    throw invalid(`the comment of ${owner} contains a record of a ZIP archive`);
};

/**
 * Without its flag a name should be in code page 437, but Info-ZIP and macOS write UTF-8 there, and what other code
 * pages write is hardly ever UTF-8. A reader that takes the code page finds no file that was signed, never another one (adr/0019).
 */
const decodeName = (bytes: Uint8Array, flags: number): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid(
      (flags & FLAG.utf8) === 0
        ? 'an entry name has characters beyond ASCII, is not UTF-8 and not marked as UTF-8: it is in a code page of the machine that packed it'
        : 'an entry name is not UTF-8',
    );
  }
};

const methodOf = (code: number, owner: string): Method => {
  if (code === METHOD.stored) return 'stored';
  if (code === METHOD.deflate) return 'deflate';
  const name = OTHER_METHODS.get(code);
  throw invalid(
    `${owner} is compressed by method ${code}${name === undefined ? '' : ` (${name})`}; only stored (0) and deflate (8) are read`,
  );
};

/** Those that common writers use, by choice or for large files (4.4.5). */
const OTHER_METHODS: ReadonlyMap<number, string> = new Map([
  [9, 'Deflate64, as the Explorer of Windows compresses files above 2 GiB: pack them with another program'],
  [12, 'bzip2'],
  [14, 'LZMA'],
  [93, 'Zstandard'],
  [95, 'XZ'],
]);

/** Java and others deflate the empty content of a folder, to two bytes; nothing needs more than five (RFC 1951). */
const EMPTY_DEFLATED_BYTES = 5;

const tooMuchForNothing = ({ method, compressedBytes }: CentralHeader): boolean =>
  compressedBytes > (method === 'deflate' ? EMPTY_DEFLATED_BYTES : 0);

/** Plain files, and empty folder entries; what a folder has as deflated content is read later, with the layout. */
const checkKind = (header: CentralHeader, externalAttributes: number, owner: string): void => {
  const type = (externalAttributes >>> 16) & UNIX_TYPE_MASK;
  const dosFolder = (externalAttributes & DOS_DIRECTORY) !== 0;
  const expected = header.isFolder ? UNIX_DIRECTORY : UNIX_REGULAR;
  if ((type !== 0 && type !== expected) || (dosFolder && !header.isFolder)) {
    throw invalid(`${owner} is not a plain file: links, devices and folders in disguise are refused`);
  }
  if ((externalAttributes & DOS_VOLUME_LABEL) !== 0) throw invalid(`${owner} is a volume label`);
  if (header.isFolder && (header.sizeBytes !== 0 || header.crc32 !== 0 || tooMuchForNothing(header))) {
    throw invalid(`${owner} is a folder with data`);
  }
  if (header.method === 'stored' && header.sizeBytes !== header.compressedBytes) {
    throw invalid(
      `${owner} is stored with two different sizes, ${header.compressedBytes} and ${header.sizeBytes}`,
    );
  }
};
