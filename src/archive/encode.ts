/** The records of an archive as bytes, for the writer. Fixed times and modes: the same content, the same archive. */
import {
  EXTRA_ZIP64,
  LENGTH,
  METHOD,
  type Method,
  SENTINEL_16,
  SENTINEL_32,
  SIGNATURE,
  UNIX_REGULAR,
  VERSION_DEFLATE,
  VERSION_ZIP64,
  viewOf,
} from './format.ts';

export type WrittenEntry = {
  readonly nameBytes: Uint8Array;
  readonly flags: number;
  readonly method: Method;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  readonly headerOffset: number;
  /** The local header has a ZIP64 field, and the descriptor, if any, 64-bit sizes. */
  readonly wide: boolean;
};

/** 1980-01-01 00:00:00, the first moment that MS-DOS knows. */
const DOS_DATE = (1 << 5) | 1;
const HOST_UNIX = 3;
const FILE_MODE = 0o644;

/** `known` is false if the numbers follow in a descriptor. */
export const encodeLocalHeader = (entry: WrittenEntry, { known }: { known: boolean }): Uint8Array => {
  const sizeBytes = known ? entry.sizeBytes : 0;
  const compressedBytes = known ? entry.compressedBytes : 0;
  const extra = entry.wide ? encodeZip64Field([sizeBytes, compressedBytes]) : new Uint8Array();
  const bytes = new Uint8Array(LENGTH.localHeader + entry.nameBytes.length + extra.length);
  const view = viewOf(bytes);
  view.setUint32(0, SIGNATURE.localHeader, true);
  view.setUint16(4, entry.wide ? VERSION_ZIP64 : VERSION_DEFLATE, true);
  view.setUint16(6, entry.flags, true);
  view.setUint16(8, METHOD[entry.method], true);
  view.setUint16(12, DOS_DATE, true);
  view.setUint32(14, known ? entry.crc32 : 0, true);
  view.setUint32(18, entry.wide ? SENTINEL_32 : compressedBytes, true);
  view.setUint32(22, entry.wide ? SENTINEL_32 : sizeBytes, true);
  view.setUint16(26, entry.nameBytes.length, true);
  view.setUint16(28, extra.length, true);
  bytes.set(entry.nameBytes, LENGTH.localHeader);
  bytes.set(extra, LENGTH.localHeader + entry.nameBytes.length);
  return bytes;
};

export const encodeCentralHeader = (entry: WrittenEntry): Uint8Array => {
  const numbers = [entry.sizeBytes, entry.compressedBytes, entry.headerOffset];
  const large = numbers.filter(number => number >= SENTINEL_32);
  const extra = large.length > 0 ? encodeZip64Field(large) : new Uint8Array();
  const bytes = new Uint8Array(LENGTH.centralHeader + entry.nameBytes.length + extra.length);
  const view = viewOf(bytes);
  view.setUint32(0, SIGNATURE.centralHeader, true);
  view.setUint16(4, (HOST_UNIX << 8) | VERSION_ZIP64, true);
  view.setUint16(6, entry.wide || large.length > 0 ? VERSION_ZIP64 : VERSION_DEFLATE, true);
  view.setUint16(8, entry.flags, true);
  view.setUint16(10, METHOD[entry.method], true);
  view.setUint16(14, DOS_DATE, true);
  view.setUint32(16, entry.crc32, true);
  view.setUint32(20, Math.min(entry.compressedBytes, SENTINEL_32), true);
  view.setUint32(24, Math.min(entry.sizeBytes, SENTINEL_32), true);
  view.setUint16(28, entry.nameBytes.length, true);
  view.setUint16(30, extra.length, true);
  view.setUint32(38, ((UNIX_REGULAR | FILE_MODE) << 16) >>> 0, true);
  view.setUint32(42, Math.min(entry.headerOffset, SENTINEL_32), true);
  bytes.set(entry.nameBytes, LENGTH.centralHeader);
  bytes.set(extra, LENGTH.centralHeader + entry.nameBytes.length);
  return bytes;
};

const encodeZip64Field = (values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(4 + 8 * values.length);
  const view = viewOf(bytes);
  view.setUint16(0, EXTRA_ZIP64, true);
  view.setUint16(2, 8 * values.length, true);
  for (const [index, value] of values.entries()) view.setBigUint64(4 + 8 * index, BigInt(value), true);
  return bytes;
};

/** The descriptor behind the data of an entry whose numbers were not known before the data (4.3.9). */
export const encodeDescriptor = (
  entry: Pick<WrittenEntry, 'crc32' | 'compressedBytes' | 'sizeBytes'>,
  { signed, wide }: { readonly signed: boolean; readonly wide: boolean },
): Uint8Array => {
  const sizeLength = wide ? 8 : 4;
  const start = signed ? 4 : 0;
  const bytes = new Uint8Array(start + 4 + 2 * sizeLength);
  const view = viewOf(bytes);
  if (signed) view.setUint32(0, SIGNATURE.dataDescriptor, true);
  view.setUint32(start, entry.crc32, true);
  for (const [index, size] of [entry.compressedBytes, entry.sizeBytes].entries()) {
    const position = start + 4 + index * sizeLength;
    if (wide) view.setBigUint64(position, BigInt(size), true);
    else view.setUint32(position, size, true);
  }
  return bytes;
};

export type Directory = { readonly entryCount: number; readonly offset: number; readonly sizeBytes: number };

/** The end record, after the ZIP64 records if a number needs them. */
export const encodeEndRecords = ({ entryCount, offset, sizeBytes }: Directory): Uint8Array => {
  const wide = entryCount >= SENTINEL_16 || offset >= SENTINEL_32 || sizeBytes >= SENTINEL_32;
  const endStart = wide ? LENGTH.zip64End + LENGTH.zip64Locator : 0;
  const bytes = new Uint8Array(endStart + LENGTH.end);
  if (wide) {
    const record = viewOf(bytes);
    record.setUint32(0, SIGNATURE.zip64End, true);
    record.setBigUint64(4, BigInt(LENGTH.zip64End - 12), true);
    record.setUint16(12, (HOST_UNIX << 8) | VERSION_ZIP64, true);
    record.setUint16(14, VERSION_ZIP64, true);
    record.setBigUint64(24, BigInt(entryCount), true);
    record.setBigUint64(32, BigInt(entryCount), true);
    record.setBigUint64(40, BigInt(sizeBytes), true);
    record.setBigUint64(48, BigInt(offset), true);
    const locator = viewOf(bytes.subarray(LENGTH.zip64End));
    locator.setUint32(0, SIGNATURE.zip64Locator, true);
    locator.setBigUint64(8, BigInt(offset + sizeBytes), true);
    locator.setUint32(16, 1, true);
  }
  const end = viewOf(bytes.subarray(endStart));
  end.setUint32(0, SIGNATURE.end, true);
  end.setUint16(8, Math.min(entryCount, SENTINEL_16), true);
  end.setUint16(10, Math.min(entryCount, SENTINEL_16), true);
  end.setUint32(12, Math.min(sizeBytes, SENTINEL_32), true);
  end.setUint32(16, Math.min(offset, SENTINEL_32), true);
  return bytes;
};
