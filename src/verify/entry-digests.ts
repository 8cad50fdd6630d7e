/**
 * What is known of the content of entries before an archive is verified: for each, the SHA-256 of what it inflates to, and of the
 * prefixes of that (PXD2).
 *
 *     growing file ─▶ local headers ─▶ every entry read, CRC-32 checked ─▶ records ─▶ another thread ─▶ lookup by entry
 *
 * EDG1. A digest is given for an entry only if one at the same place, with the same method, sizes and CRC-32, was read whole and
 *      without a fault: reading it again would give the same bytes, and so the same digest.
 * EDG2. A fault makes nothing known: the entry is read again, and its error is that of the verification.
 */
import { createHash } from 'node:crypto';
import { type ArchiveEntry, readContent } from '../archive/content.ts';
import { entriesFromStart } from '../archive/entries-from-start.ts';
import { inflateOnThreadPool } from '../archive/inflate.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits } from '../archive/limits.ts';
import type { RandomAccessFile } from '../archive/random-access.ts';
import {
  collectPrefixes,
  markCount,
  PREFIX_UNIT_BYTES,
  type PrefixDigests,
  SHA256_BYTES,
} from '../core/prefix-digests.ts';
import { errorCodeOf } from '../lib/errors.ts';

/** Of the content of one entry. */
export type ContentDigests = {
  /** In hex. */
  readonly sha256: string;
  /** Undefined for an entry of at most one unit. */
  readonly prefixes: PrefixDigests | undefined;
};

/**
 * One after the other, of {@link RECORD_BYTES} and the prefix digests, whose number follows from the size: between threads they move as
 * memory, however many they are.
 */
export type DigestRecords = Uint8Array<ArrayBuffer>;

/** Undefined for an entry of which nothing is known. */
export type KnownDigests = (entry: ArchiveEntry) => ContentDigests | undefined;

/** Three numbers of 8 bytes, two of 4, and the digest. */
const RECORD_BYTES = 64;
const DIGEST_OFFSET = 32;
const METHOD_CODE = { stored: 0, deflate: 1 } as const;

/** Hashes the entries of an archive that may still grow, up to the first that is not understood or does not read. */
export const digestFromStart = async (
  file: RandomAccessFile,
  {
    limits,
    ...options
  }: DigestOptions & {
    readonly limits?: Partial<ArchiveLimits> | undefined;
  },
): Promise<DigestRecords> => {
  const records: Uint8Array[] = [];
  try {
    for await (const entry of entriesFromStart(file, { ...ARCHIVE_LIMITS, ...limits })) {
      records.push(recordOf(entry, await digestOf(file, entry, options)));
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'ARCHIVE_DAMAGED') throw error; // EDG2
  }
  return joined(records);
};

type DigestOptions = {
  readonly signal: AbortSignal;
  /** Of the prefix digests; {@link PREFIX_UNIT_BYTES} unless it is given. */
  readonly prefixUnitBytes?: number | undefined;
};

/** @throws DepotError `ARCHIVE_DAMAGED` (CT2); the signal's reason */
export const digestOf = async (
  file: RandomAccessFile,
  entry: ArchiveEntry,
  { signal, prefixUnitBytes: unitBytes = PREFIX_UNIT_BYTES }: DigestOptions,
): Promise<ContentDigests> => {
  const hash = createHash('sha256');
  const prefixes = collectPrefixes(hash, { sizeBytes: entry.sizeBytes, unitBytes });
  const content = readContent(file, entry, { inflate: inflateOnThreadPool, signal });
  for await (const chunk of content) prefixes.update(chunk);
  return { sha256: hash.digest('hex'), prefixes: prefixes.collected() };
};

const joined = (records: readonly Uint8Array[]): DigestRecords => {
  const all = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const record of records) {
    all.set(record, at);
    at += record.length;
  }
  return all;
};

const recordOf = (entry: ArchiveEntry, { sha256, prefixes }: ContentDigests): Uint8Array => {
  const record = new Uint8Array(RECORD_BYTES + (prefixes?.digests.length ?? 0));
  const view = new DataView(record.buffer);
  view.setFloat64(0, entry.dataOffset);
  view.setFloat64(8, entry.compressedBytes);
  view.setFloat64(16, entry.sizeBytes);
  view.setUint32(24, entry.crc32);
  view.setUint32(28, METHOD_CODE[entry.method]);
  record.set(Buffer.from(sha256, 'hex'), DIGEST_OFFSET);
  if (prefixes !== undefined) record.set(prefixes.digests, RECORD_BYTES);
  return record;
};

/** @param options.prefixUnitBytes the one that the records were made with */
export const knownDigests = (
  records: DigestRecords,
  { prefixUnitBytes: unitBytes = PREFIX_UNIT_BYTES }: Pick<DigestOptions, 'prefixUnitBytes'> = {},
): KnownDigests => {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const endOf = (at: number) =>
    at + RECORD_BYTES + SHA256_BYTES * markCount(view.getFloat64(at + 16), unitBytes);
  const byOffset = new Map<number, number>();
  for (let at = 0; at < records.length; at = endOf(at)) byOffset.set(view.getFloat64(at), at);
  return entry => {
    const at = byOffset.get(entry.dataOffset);
    if (at === undefined) return undefined;
    const isSame =
      view.getFloat64(at + 8) === entry.compressedBytes &&
      view.getFloat64(at + 16) === entry.sizeBytes &&
      view.getUint32(at + 24) === entry.crc32 &&
      view.getUint32(at + 28) === METHOD_CODE[entry.method];
    if (!isSame) return undefined;
    // Copies: a view would take all records along to another thread.
    const digests = records.slice(at + RECORD_BYTES, endOf(at));
    return {
      sha256: Buffer.from(records.slice(at + DIGEST_OFFSET, at + RECORD_BYTES)).toString('hex'),
      prefixes: digests.length === 0 ? undefined : { unitBytes, digests },
    };
  };
};
