/**
 * The entries of an archive in the order of the file, by their local headers alone: for an archive of which the end, and so the
 * central directory, has not arrived.
 *
 *     byte 0 │ local header ─▶ entry │ its data, skipped │ local header ─▶ entry │ …
 *
 * ES1. An entry from here is a guess. It counts only if the opened archive has an equal one, at the same place: the central
 *      directory decides.
 * ES2. Bytes that are not understood end the list; they are never an error. So does a data descriptor, which is no local header.
 * ES3. What inflating all of them costs is bounded by the bytes that lie before and in them: who sends little causes little work.
 */
import { DepotError } from '../lib/errors.ts';
import type { ArchiveEntry } from './content.ts';
import { resolveZip64, wide, zip64FieldOf } from './extra-fields.ts';
import { LENGTH, METHOD, type Method, SIGNATURE, sameBytes, viewOf } from './format.ts';
import type { ArchiveLimits } from './limits.ts';
import type { RandomAccessFile } from './random-access.ts';

/** Enough for most local headers, so that one read gets the whole header. */
const HEADER_GUESS_BYTES = 256;
/** Programs and images deflate to a third or a fourth; what claims more is left to the check of the whole archive (ES3). */
const MOST_INFLATION = 16;

export async function* entriesFromStart(
  file: Pick<RandomAccessFile, 'read'>,
  limits: ArchiveLimits,
): AsyncGenerator<ArchiveEntry, void, void> {
  let position = 0;
  let totalBytes = 0;
  for (let count = 0; count < limits.maxEntries; count += 1) {
    const entry = await readLocalEntry(file, position, limits);
    if (entry === undefined) return;
    position = entry.dataOffset + entry.compressedBytes;
    totalBytes += entry.sizeBytes;
    const mostBytes = Math.min(limits.maxTotalBytes, position * MOST_INFLATION);
    if (entry.sizeBytes > limits.maxEntryBytes || totalBytes > mostBytes) return;
    // Inflating begins when all of it has arrived: until then its compressed size is only claimed (ES3).
    if (entry.method === 'deflate' && (await readUpTo(file, position - 1, 1)).length === 0) return;
    yield entry;
  }
}

const readLocalEntry = async (
  file: Pick<RandomAccessFile, 'read'>,
  start: number,
  limits: ArchiveLimits,
): Promise<ArchiveEntry | undefined> => {
  const begin = await readUpTo(file, start, HEADER_GUESS_BYTES);
  if (begin.length < LENGTH.localHeader) return undefined;
  const view = viewOf(begin);
  if (view.getUint32(0, true) !== SIGNATURE.localHeader) return undefined;
  const nameLength = view.getUint16(26, true);
  const extraLength = view.getUint16(28, true);
  if (nameLength > limits.maxNameBytes || extraLength > limits.maxExtraFieldBytes) return undefined;
  const length = LENGTH.localHeader + nameLength + extraLength;
  const header = length <= begin.length ? begin.subarray(0, length) : await readUpTo(file, start, length);
  return header.length < length ? undefined : parseLocalEntry(header, start + length);
};

const readUpTo = async (
  file: Pick<RandomAccessFile, 'read'>,
  start: number,
  length: number,
): Promise<Uint8Array> => {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, await file.read(bytes, start));
};

const parseLocalEntry = (header: Uint8Array, dataOffset: number): ArchiveEntry | undefined => {
  const view = viewOf(header);
  const extraStart = LENGTH.localHeader + view.getUint16(26, true);
  const nameBytes = header.subarray(LENGTH.localHeader, extraStart);
  const method = METHOD_OF.get(view.getUint16(8, true));
  if (method === undefined) return undefined;
  const sizes = sizesOf(view, header.subarray(extraStart), nameBytes);
  if (sizes === undefined || (method === 'stored' && sizes.sizeBytes !== sizes.compressedBytes))
    return undefined;
  return {
    name: new TextDecoder().decode(nameBytes),
    method,
    ...sizes,
    crc32: view.getUint32(14, true),
    dataOffset,
  };
};

const METHOD_OF: ReadonlyMap<number, Method> = new Map([
  [METHOD.stored, 'stored'],
  [METHOD.deflate, 'deflate'],
]);

/** As the check of a local header reads them. */
const sizesOf = (
  view: DataView,
  extra: Uint8Array,
  nameBytes: Uint8Array,
): Pick<ArchiveEntry, 'sizeBytes' | 'compressedBytes'> | undefined => {
  try {
    const zip64 = zip64FieldOf(extra, other => sameBytes(other, nameBytes), 'the local header');
    const sizes = [wide(view.getUint32(22, true)), wide(view.getUint32(18, true))] as const;
    const [sizeBytes, compressedBytes] = resolveZip64(sizes, zip64, 'the local header');
    return { sizeBytes, compressedBytes };
  } catch (error) {
    if (error instanceof DepotError) return undefined;
    throw error;
  }
};
