/**
 * What is known of the content of entries before an archive is verified: for each, the SHA-256 of what it inflates to.
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
import { errorCodeOf } from '../lib/errors.ts';

/** One after the other, of {@link RECORD_BYTES}: between threads they move as memory, however many they are. */
export type DigestRecords = Uint8Array<ArrayBuffer>;

/** In hex; undefined for an entry of which nothing is known. */
export type KnownDigests = (entry: ArchiveEntry) => string | undefined;

/** Three numbers of 8 bytes, two of 4, and the digest. */
const RECORD_BYTES = 64;
const DIGEST_OFFSET = 32;
const METHOD_CODE = { stored: 0, deflate: 1 } as const;

/** Hashes the entries of an archive that may still grow, up to the first that is not understood or does not read. */
export const digestFromStart = async (
  file: RandomAccessFile,
  { limits, signal }: { readonly limits?: Partial<ArchiveLimits> | undefined; readonly signal: AbortSignal },
): Promise<DigestRecords> => {
  const records: Uint8Array[] = [];
  try {
    for await (const entry of entriesFromStart(file, { ...ARCHIVE_LIMITS, ...limits })) {
      records.push(recordOf(entry, await digestOf(file, entry, { signal })));
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'ARCHIVE_DAMAGED') throw error; // EDG2
  }
  return joined(records);
};

/** Of the content of one entry. @throws DepotError `ARCHIVE_DAMAGED` (CT2); the signal's reason */
export const digestOf = async (
  file: RandomAccessFile,
  entry: ArchiveEntry,
  { signal }: { readonly signal: AbortSignal },
): Promise<Buffer> => {
  const hash = createHash('sha256');
  const content = readContent(file, entry, { inflate: inflateOnThreadPool, signal });
  for await (const chunk of content) hash.update(chunk);
  return hash.digest();
};

const joined = (records: readonly Uint8Array[]): DigestRecords => {
  const all = new Uint8Array(records.length * RECORD_BYTES);
  for (const [index, record] of records.entries()) all.set(record, index * RECORD_BYTES);
  return all;
};

const recordOf = (entry: ArchiveEntry, digest: Uint8Array): Uint8Array => {
  const record = new Uint8Array(RECORD_BYTES);
  const view = new DataView(record.buffer);
  view.setFloat64(0, entry.dataOffset);
  view.setFloat64(8, entry.compressedBytes);
  view.setFloat64(16, entry.sizeBytes);
  view.setUint32(24, entry.crc32);
  view.setUint32(28, METHOD_CODE[entry.method]);
  record.set(digest, DIGEST_OFFSET);
  return record;
};

export const knownDigests = (records: DigestRecords): KnownDigests => {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const byOffset = new Map<number, number>();
  for (let at = 0; at < records.length; at += RECORD_BYTES) byOffset.set(view.getFloat64(at), at);
  return entry => {
    const at = byOffset.get(entry.dataOffset);
    if (at === undefined) return undefined;
    const isSame =
      view.getFloat64(at + 8) === entry.compressedBytes &&
      view.getFloat64(at + 16) === entry.sizeBytes &&
      view.getUint32(at + 24) === entry.crc32 &&
      view.getUint32(at + 28) === METHOD_CODE[entry.method];
    return isSame
      ? Buffer.from(records.subarray(at + DIGEST_OFFSET, at + RECORD_BYTES)).toString('hex')
      : undefined;
  };
};
