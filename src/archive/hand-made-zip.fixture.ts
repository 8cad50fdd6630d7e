/**
 * ZIP archives made by hand for tests: every field of every record can be wrong. Not for production code.
 *
 * It deliberately shares no code with the writer, whose mistakes it would otherwise repeat.
 */
import assert from 'node:assert/strict';
import { crc32, deflateRawSync } from 'node:zlib';
import type { RandomAccessFile } from './random-access.ts';

type HeaderLies = {
  readonly signature?: number;
  readonly version?: number;
  readonly flags?: number;
  readonly method?: number;
  readonly crc?: number;
  readonly compressedSize?: number;
  readonly size?: number;
  readonly name?: string | Uint8Array;
  readonly extra?: Uint8Array;
};

export type HandMadeEntry = HeaderLies & {
  readonly name: string | Uint8Array;
  readonly data?: Uint8Array | string;
  readonly deflate?: boolean;
  /** The data in the archive, if it is not the compressed `data`. */
  readonly raw?: Uint8Array;
  readonly descriptor?: Uint8Array;
  readonly before?: Uint8Array;
  /** Differing fields of the local header. */
  readonly local?: HeaderLies;
  /** Differing fields of the central header. */
  readonly central?: HeaderLies & {
    readonly offset?: number;
    readonly attributes?: number;
    readonly comment?: Uint8Array;
    readonly disk?: number;
    readonly madeBy?: number;
  };
  /** Leaves out the local header and data, or the central header. */
  readonly omit?: 'local' | 'central';
};

export type HandMadeEnd = {
  readonly beforeDirectory?: Uint8Array;
  readonly beforeEnd?: Uint8Array;
  readonly count?: number;
  readonly countHere?: number;
  readonly size?: number;
  readonly offset?: number;
  readonly disk?: number;
  readonly commentLength?: number;
  readonly comment?: Uint8Array;
  /** Adds ZIP64 records; the fields are wrong values of them. */
  readonly zip64?: {
    readonly count?: number;
    readonly size?: number;
    readonly offset?: number;
    readonly recordSize?: number;
    readonly locatorOffset?: number;
    readonly disks?: number;
  };
};

const bytesOf = (text: string | Uint8Array): Buffer =>
  typeof text === 'string' ? Buffer.from(text) : Buffer.from(text);

/** Little-endian integers of the given widths, in bytes. */
export const packed = (...fields: readonly (readonly [width: 2 | 4 | 8, value: number])[]): Buffer =>
  Buffer.concat(
    fields.map(([width, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes.subarray(0, width);
    }),
  );

export const zip64Extra = (...values: readonly number[]): Buffer =>
  Buffer.concat([
    packed([2, 1], [2, 8 * values.length]),
    packed(...values.map(value => [8, value] as const)),
  ]);

/** Unix modes, in the upper half of the external attributes. */
const REGULAR_FILE = 0o100644 * 0x10000;
const FOLDER = 0o040755 * 0x10000;

export const handMadeZip = (entries: readonly HandMadeEntry[], end: HandMadeEnd = {}): Buffer => {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let position = 0;
  for (const entry of entries) {
    const data = bytesOf(entry.data ?? '');
    const raw =
      entry.raw === undefined ? (entry.deflate ? deflateRawSync(data) : data) : Buffer.from(entry.raw);
    const truth = {
      version: 20,
      flags: 0,
      method: entry.deflate ? 8 : 0,
      crc: crc32(data),
      compressedSize: raw.length,
      size: data.length,
      extra: Buffer.alloc(0),
      ...entry,
    };
    const before = Buffer.from(entry.before ?? []);
    const offset = position + before.length;
    const local = Buffer.concat([
      before,
      localHeader({ ...truth, ...entry.local }),
      raw,
      Buffer.from(entry.descriptor ?? []),
    ]);
    if (entry.omit !== 'local') {
      locals.push(local);
      position += local.length;
    }
    if (entry.omit !== 'central') centrals.push(centralHeader({ ...truth, offset, ...entry.central }));
  }
  const directory = Buffer.concat(centrals);
  const beforeDirectory = Buffer.from(end.beforeDirectory ?? []);
  const where = { count: centrals.length, size: directory.length, offset: position + beforeDirectory.length };
  return Buffer.concat([
    ...locals,
    beforeDirectory,
    directory,
    Buffer.from(end.beforeEnd ?? []),
    endRecords(where, end),
  ]);
};

const localHeader = (f: Required<Omit<HeaderLies, 'signature'>> & HeaderLies): Buffer => {
  const name = bytesOf(f.name);
  return Buffer.concat([
    packed(
      [4, f.signature ?? 0x04034b50],
      [2, f.version],
      [2, f.flags],
      [2, f.method],
      [2, 0],
      [2, 33],
      [4, f.crc],
    ),
    packed([4, f.compressedSize], [4, f.size], [2, name.length], [2, f.extra.length]),
    name,
    f.extra,
  ]);
};

const centralHeader = (
  f: Required<Omit<HeaderLies, 'signature'>> & NonNullable<HandMadeEntry['central']> & { offset: number },
): Buffer => {
  const name = bytesOf(f.name);
  const comment = Buffer.from(f.comment ?? []);
  return Buffer.concat([
    packed(
      [4, f.signature ?? 0x02014b50],
      [2, f.madeBy ?? 0x031e],
      [2, f.version],
      [2, f.flags],
      [2, f.method],
    ),
    packed(
      [2, 0],
      [2, 33],
      [4, f.crc],
      [4, f.compressedSize],
      [4, f.size],
      [2, name.length],
      [2, f.extra.length],
    ),
    packed(
      [2, comment.length],
      [2, f.disk ?? 0],
      [2, 0],
      [4, f.attributes ?? (name.at(-1) === 0x2f ? FOLDER : REGULAR_FILE)],
      [4, f.offset],
    ),
    name,
    f.extra,
    comment,
  ]);
};

const endRecords = (where: { count: number; size: number; offset: number }, end: HandMadeEnd): Buffer => {
  const parts: Buffer[] = [];
  if (end.zip64 !== undefined) {
    const { count, size, offset, recordSize, disks } = { ...where, recordSize: 44, disks: 1, ...end.zip64 };
    const start = where.offset + where.size + (end.beforeEnd?.length ?? 0);
    parts.push(
      packed(
        [4, 0x06064b50],
        [8, recordSize],
        [2, 45],
        [2, 45],
        [4, 0],
        [4, 0],
        [8, count],
        [8, count],
        [8, size],
        [8, offset],
      ),
      packed([4, 0x07064b50], [4, 0], [8, end.zip64.locatorOffset ?? start], [4, disks]),
    );
  }
  const { count, size, offset } = { ...where, ...end };
  const comment = Buffer.from(end.comment ?? []);
  parts.push(
    packed([4, 0x06054b50], [2, end.disk ?? 0], [2, end.disk ?? 0], [2, end.countHere ?? count], [2, count]),
    packed([4, size], [4, offset], [2, end.commentLength ?? comment.length]),
    comment,
  );
  return Buffer.concat(parts);
};

/** A file in memory that fails the test when it is read outside of its bytes. */
export const memoryFile = (bytes: Uint8Array): RandomAccessFile => ({
  sizeBytes: bytes.length,
  async read(target, position) {
    assert(
      position >= 0 && position + target.length <= bytes.length,
      `read at ${position} + ${target.length}`,
    );
    target.set(bytes.subarray(position, position + target.length));
    return target.length;
  },
});
