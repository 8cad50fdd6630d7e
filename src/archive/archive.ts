/**
 * A strict reader of ZIP archives, in place: nothing is unpacked.
 *
 *     end records ─▶ central directory ─▶ names and limits ─▶ local headers ─▶ entries ─▶ content, on demand
 *
 * An archive that this reader opens reads the same in every other one: it refuses whatever readers disagree
 * about, instead of choosing an interpretation.
 *
 * AR1. Opening checks every record of the file and reads no content but that of folders, which is empty (end-records
 *      ER1-ER2, central-directory CD1-CD2, names N1-N2, layout LY1-LY2); after it the entries cover the file without
 *      gap or overlap.
 * AR2. The cost of all entries is known, and bounded, before the first of them is read.
 * AR3. Content is checked while it is read (content CT1-CT2).
 */

import { requireEntry } from '../lib/require-entry.ts';
import { quoted } from '../lib/shown-text.ts';
import { type CentralHeader, readCentralHeaders } from './central-directory.ts';
import { type ArchiveEntry, readContent, readContentRange } from './content.ts';
import { findDirectory } from './end-records.ts';
import { type Inflate, inflateOnThreadPool } from './inflate.ts';
import { locateData } from './layout.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits } from './limits.ts';
import { createNameRegister } from './names.ts';
import type { RandomAccessFile } from './random-access.ts';
import { overLimit } from './refusal.ts';

type ReadOptions = {
  readonly signal?: AbortSignal | undefined;
  /** False for a consumer that compares a hash of the content, which decides more than a CRC-32 (CT2). */
  readonly checksum?: boolean;
};

export type Archive = {
  /** Of the file. */
  readonly sizeBytes: number;
  /** By name, in the order of the central directory; folders are checked but not listed. */
  readonly entries: ReadonlyMap<string, ArchiveEntry>;
  /**
   * The content of an entry. A chunk is valid only until the next pull. Throws `ARCHIVE_DAMAGED`, at the latest in
   * the pull after the last chunk; rejects with the signal's reason when it aborts.
   */
  readonly read: (entry: ArchiveEntry, options?: ReadOptions) => AsyncGenerator<Uint8Array, void, void>;
  /**
   * `lengthBytes` of the content from `offset`, as {@link read} yields it, without a look at the CRC-32. Of a stored entry only
   * these bytes are read; of a deflated one all before them are inflated.
   */
  readonly readRange: (
    entry: ArchiveEntry,
    offset: number,
    lengthBytes: number,
    options?: ReadOptions,
  ) => AsyncGenerator<Uint8Array, void, void>;
  /** A small entry whole. Throws `ARCHIVE_LIMIT` before reading when it has more than `maxBytes`. */
  readonly readWhole: (entry: ArchiveEntry, maxBytes: number, options?: ReadOptions) => Promise<Uint8Array>;
};

/**
 * Checks the structure of an archive and lists its entries.
 *
 * The file must not change while the archive is in use; the caller closes it.
 * Throws `ARCHIVE_INVALID`, or `ARCHIVE_LIMIT` if the archive exceeds `limits`.
 */
export const openArchive = async (
  file: RandomAccessFile,
  options: { readonly limits?: Partial<ArchiveLimits>; readonly inflate?: Inflate } = {},
): Promise<Archive> => {
  const limits = { ...ARCHIVE_LIMITS, ...options.limits };
  const inflate = options.inflate ?? inflateOnThreadPool;
  const entries = await readEntries(file, limits, inflate);

  const read: Archive['read'] = (entry, { signal, checksum } = {}) =>
    readContent(file, entry, { inflate, signal, checksum });
  return {
    sizeBytes: file.sizeBytes,
    entries,
    read,
    readRange(entry, offset, lengthBytes, { signal } = {}) {
      if (offset < 0 || lengthBytes < 0 || offset + lengthBytes > entry.sizeBytes) {
        throw new RangeError(
          `${quoted(entry.name)} has ${entry.sizeBytes} bytes, not ${offset} + ${lengthBytes}`,
        );
      }
      return readContentRange(file, entry, { start: offset, end: offset + lengthBytes }, { inflate, signal });
    },
    async readWhole(entry, maxBytes, readOptions) {
      if (entry.sizeBytes > maxBytes) {
        throw overLimit(`the size of ${quoted(entry.name)} in bytes`, entry.sizeBytes, maxBytes);
      }
      const whole = new Uint8Array(entry.sizeBytes);
      let filled = 0;
      for await (const chunk of read(entry, readOptions)) {
        whole.set(chunk, filled);
        filled += chunk.length;
      }
      return whole;
    },
  };
};

const readEntries = async (
  file: RandomAccessFile,
  limits: ArchiveLimits,
  inflate: Inflate,
): Promise<ReadonlyMap<string, ArchiveEntry>> => {
  const directory = await findDirectory(file, limits);
  const names = createNameRegister();
  const headers: CentralHeader[] = [];
  let totalBytes = 0;
  for await (const header of readCentralHeaders(file, directory, limits)) {
    names.add(header.name);
    totalBytes += header.sizeBytes;
    checkCost(header, totalBytes, limits);
    headers.push(header);
  }
  const dataOffsets = await locateData(file, headers, directory.start, limits);
  const entries = new Map<string, ArchiveEntry>();
  for (const header of headers) {
    const { name, method, sizeBytes, compressedBytes, crc32 } = header;
    const dataOffset = requireEntry(dataOffsets, name, 'the offset of the entry');
    const entry = { name, method, sizeBytes, compressedBytes, crc32, dataOffset };
    if (header.isFolder) await checkEmpty(file, entry, inflate);
    else entries.set(name, entry);
  }
  return entries;
};

/** A few bytes at the most, as the central directory was checked: the deflated nothing of a folder. */
const checkEmpty = async (file: RandomAccessFile, folder: ArchiveEntry, inflate: Inflate): Promise<void> => {
  if (folder.compressedBytes === 0) return;
  const content = readContent(file, folder, { inflate, signal: undefined });
  while ((await content.next()).done !== true);
};

const checkCost = (header: CentralHeader, totalBytes: number, limits: ArchiveLimits): void => {
  const size = `the size of ${quoted(header.name)} in bytes`;
  if (header.sizeBytes > limits.maxEntryBytes)
    throw overLimit(`${size} (limits.artifact_bytes)`, header.sizeBytes, limits.maxEntryBytes);
  if (totalBytes > limits.maxTotalBytes) {
    const all = 'the size of all entries in bytes (twice limits.repository_bytes)';
    throw overLimit(all, totalBytes, limits.maxTotalBytes);
  }
  const mostBytes = Math.max(limits.ratioFreeBytes, header.compressedBytes * limits.maxInflateRatio);
  if (header.sizeBytes > mostBytes) {
    const from = `${size}, inflated from ${header.compressedBytes}, (limits.inflate_ratio)`;
    throw overLimit(from, header.sizeBytes, mostBytes);
  }
};
