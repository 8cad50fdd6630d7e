/**
 * The records of a ZIP archive (APPNOTE.TXT 6.3.10, section 4.3) as numbers, for the reader and the writer.
 * All integers are little-endian.
 */
import { invalid } from './refusal.ts';

export const SIGNATURE = {
  localHeader: 0x04034b50,
  centralHeader: 0x02014b50,
  dataDescriptor: 0x08074b50,
  end: 0x06054b50,
  zip64End: 0x06064b50,
  zip64Locator: 0x07064b50,
} as const;

/** Lengths of the fixed parts, in bytes. */
export const LENGTH = {
  localHeader: 30,
  centralHeader: 46,
  end: 22,
  zip64End: 56,
  zip64Locator: 20,
} as const;

export const METHOD = { stored: 0, deflate: 8 } as const;
export type Method = keyof typeof METHOD;

/** General purpose bits (4.4.4). */
export const FLAG = {
  encrypted: 1,
  /** The effort of the compressor; unrelated to the content. */
  deflateEffort: 0b110,
  /** Sizes and CRC-32 follow the data in a descriptor. */
  dataDescriptor: 1 << 3,
  utf8: 1 << 11,
} as const;

/** Of the archive, or of an entry: its length has 16 bits. */
export const MOST_COMMENT_BYTES = 0xffff;

/** A field with this value has its real one in the ZIP64 record or extra field. */
export const SENTINEL_16 = 0xffff;
export const SENTINEL_32 = 0xffffffff;

/** 4.5: the version that ZIP64 needs, and the highest that the reader knows. */
export const VERSION_ZIP64 = 45;
/** 2.0: deflate and directories. */
export const VERSION_DEFLATE = 20;

export const EXTRA_ZIP64 = 0x0001;
/** Info-ZIP's second name for an entry, which readers could prefer to the first. */
export const EXTRA_UNICODE_PATH = 0x7075;

/** Unix file types in the upper half of the external attributes. */
export const UNIX_TYPE_MASK = 0o170000;
export const UNIX_DIRECTORY = 0o040000;
export const UNIX_REGULAR = 0o100000;

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

const SIGNATURES: ReadonlySet<number> = new Set(Object.values(SIGNATURE));

/** Whether some record of an archive could begin in these bytes. */
export const hasRecordSignature = (bytes: Uint8Array): boolean => {
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length; at += 1) if (SIGNATURES.has(view.getUint32(at, true))) return true;
  return false;
};

/** A 64-bit field as a number: no file is longer than 2^53 bytes, so a larger value is wrong. */
export const uint64 = (view: DataView, offset: number): number => {
  const value = view.getBigUint64(offset, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw invalid(`a ZIP64 field has the value ${value}, more than the size of any file`);
  return Number(value);
};
