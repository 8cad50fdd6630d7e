/**
 * The end of an archive: where the central directory lies and how many entries it has (APPNOTE 4.3.14 to 4.3.16).
 *
 *     … │ central directory │ [ZIP64 end record │ ZIP64 locator] │ end record [│ comment] │ end of the file
 *
 * ER1. The end record is the last place in the file where its signature is, and its comment ends with the file: a
 *      reader that searches from the end finds this one, and a comment contains no record of an archive.
 * ER2. The records and the directory lie end to end, so nothing hides between them, and an end record and a ZIP64 one agree
 *      on every number that both have: every reader finds the same directory.
 */
import {
  hasRecordSignature,
  LENGTH,
  MOST_COMMENT_BYTES,
  SENTINEL_16,
  SENTINEL_32,
  SIGNATURE,
  uint64,
  viewOf,
} from './format.ts';
import type { ArchiveLimits } from './limits.ts';
import type { RandomAccessFile } from './random-access.ts';
import { invalid, JOIN_PARTS, overLimit } from './refusal.ts';
import { readExactly } from './spans.ts';

export type DirectorySpan = {
  readonly entryCount: number;
  readonly start: number;
  readonly end: number;
};

/** The numbers that both kinds of end record have. */
type EndNumbers = { readonly entryCount: number; readonly sizeBytes: number; readonly offset: number };

/** Of the end record alone: each may be left to a ZIP64 record. */
type PlainEndNumbers = EndNumbers & { readonly entriesHere: number; readonly disks: readonly number[] };

/** Throws `ARCHIVE_INVALID` or `ARCHIVE_LIMIT`. */
export const findDirectory = async (
  file: RandomAccessFile,
  limits: ArchiveLimits,
): Promise<DirectorySpan> => {
  if (file.sizeBytes < LENGTH.end)
    throw invalid(`a file of ${file.sizeBytes} bytes is too short for a ZIP archive`);
  const endPosition = await findEnd(file);
  const tailStart = Math.max(0, endPosition - LENGTH.zip64End - LENGTH.zip64Locator);
  const tail = await readExactly(file, new Uint8Array(endPosition + LENGTH.end - tailStart), tailStart);
  const recordAt = endPosition - tailStart;
  const numbers = parseEnd(viewOf(tail.subarray(recordAt)));

  const zip64 = parseZip64(tail.subarray(0, recordAt), endPosition);
  const { entryCount, sizeBytes, offset } =
    zip64 === undefined ? plainNumbers(numbers) : reconciled(numbers, zip64);
  const recordsStart =
    zip64 === undefined ? endPosition : endPosition - LENGTH.zip64Locator - LENGTH.zip64End;

  if (entryCount > limits.maxEntries) throw overLimit('the number of entries', entryCount, limits.maxEntries);
  if (sizeBytes > limits.maxDirectoryBytes) {
    throw overLimit('the size of the central directory in bytes', sizeBytes, limits.maxDirectoryBytes);
  }
  if (offset + sizeBytes !== recordsStart) {
    throw invalid(
      `the central directory should end at byte ${recordsStart}, where the end records begin, but the end record says that it ` +
        `has ${sizeBytes} bytes from ${offset}; is there data before (as a self-extractor has), inside of or after the archive?`,
    );
  }
  return { entryCount, start: offset, end: recordsStart };
};

/** Where the end record begins: nearly always in the last 22 bytes, else before a comment. */
const findEnd = async (file: RandomAccessFile): Promise<number> => {
  const read = (bytes: number) =>
    readExactly(file, new Uint8Array(Math.min(bytes, file.sizeBytes)), Math.max(0, file.sizeBytes - bytes));
  const last = viewOf(await read(LENGTH.end));
  if (last.getUint32(0, true) === SIGNATURE.end && last.getUint16(COMMENT_LENGTH_AT, true) === 0)
    return file.sizeBytes - LENGTH.end;

  const tail = await read(LENGTH.end + MOST_COMMENT_BYTES);
  const view = viewOf(tail);
  for (let at = tail.length - 4; at >= 0; at -= 1) {
    if (view.getUint32(at, true) !== SIGNATURE.end) continue;
    checkComment(tail, at);
    return file.sizeBytes - tail.length + at;
  }
  throw invalid(
    'the file does not end in the end record of a ZIP archive: it is another kind of file, or was truncated',
  );
};

const COMMENT_LENGTH_AT = 20;

const checkComment = (tail: Uint8Array, at: number): void => {
  const comment = tail.subarray(at + LENGTH.end);
  const announced =
    at + LENGTH.end > tail.length ? undefined : viewOf(tail).getUint16(at + COMMENT_LENGTH_AT, true);
  if (announced === undefined || announced > comment.length)
    throw invalid('the archive was truncated in its end record, or in the comment that the record announces');
  if (announced < comment.length) {
    throw invalid(
      `the file does not end in the end record of a ZIP archive: ${comment.length - announced} bytes follow it`,
    );
  }
  if (hasRecordSignature(comment))
    throw invalid('the comment of the archive contains a record of a ZIP archive');
};

const parseEnd = (view: DataView): PlainEndNumbers => ({
  disks: [view.getUint16(4, true), view.getUint16(6, true)],
  entriesHere: view.getUint16(8, true),
  entryCount: view.getUint16(10, true),
  sizeBytes: view.getUint32(12, true),
  offset: view.getUint32(16, true),
});

const oneOfSeveral = () => invalid(`the archive is one of several disks: ${JOIN_PARTS}`);

/** @param before the bytes before the end record, as far as they could be ZIP64 records */
const parseZip64 = (before: Uint8Array, endPosition: number): EndNumbers | undefined => {
  const locatorStart = before.length - LENGTH.zip64Locator;
  if (locatorStart < 0) return undefined;
  const locator = viewOf(before.subarray(locatorStart));
  if (locator.getUint32(0, true) !== SIGNATURE.zip64Locator) return undefined;

  const position = endPosition - LENGTH.zip64Locator - LENGTH.zip64End;
  const record = viewOf(before.subarray(0, locatorStart));
  if (record.byteLength !== LENGTH.zip64End || uint64(locator, 8) !== position) {
    throw invalid('the ZIP64 locator does not point at a record right before it');
  }
  if (record.getUint32(0, true) !== SIGNATURE.zip64End || uint64(record, 4) !== LENGTH.zip64End - 12) {
    throw invalid('the ZIP64 end record is not one, or has data of its own');
  }
  const entryCount = uint64(record, 32);
  const oneDisk =
    locator.getUint32(4, true) === 0 &&
    locator.getUint32(16, true) <= 1 &&
    record.getUint32(16, true) === 0 &&
    record.getUint32(20, true) === 0 &&
    uint64(record, 24) === entryCount;
  if (!oneDisk) throw oneOfSeveral();
  return { entryCount, sizeBytes: uint64(record, 40), offset: uint64(record, 48) };
};

const plainNumbers = (numbers: PlainEndNumbers): EndNumbers => {
  const { entryCount, entriesHere, sizeBytes, offset, disks } = numbers;
  if (
    [entryCount, entriesHere, ...disks].includes(SENTINEL_16) ||
    sizeBytes === SENTINEL_32 ||
    offset === SENTINEL_32
  ) {
    throw invalid('the end record leaves a number to a ZIP64 record, and there is none');
  }
  if (entriesHere !== entryCount || disks.some(disk => disk !== 0)) throw oneOfSeveral();
  return numbers;
};

const reconciled = (plain: PlainEndNumbers, zip64: EndNumbers): EndNumbers => {
  if (plain.disks.some(disk => disk !== 0 && disk !== SENTINEL_16)) throw oneOfSeveral();
  const agree =
    [plain.entryCount, plain.entriesHere].every(
      count => count === SENTINEL_16 || count === zip64.entryCount,
    ) &&
    (plain.sizeBytes === SENTINEL_32 || plain.sizeBytes === zip64.sizeBytes) &&
    (plain.offset === SENTINEL_32 || plain.offset === zip64.offset);
  if (!agree) throw invalid('the end record and the ZIP64 end record disagree');
  return zip64;
};
