/**
 * The end of an archive: where the central directory lies and how many entries it has (APPNOTE 4.3.14 to 4.3.16).
 *
 *     … │ central directory │ [ZIP64 end record │ ZIP64 locator] │ end record │ end of the file
 *
 * ER1. The end record is the last 22 bytes: no comment, in which another reader could find another end record.
 * ER2. The records and the directory lie end to end, so nothing hides between them, and an end record and a ZIP64 one agree
 *      on every number that both have: every reader finds the same directory.
 */
import { LENGTH, SENTINEL_16, SENTINEL_32, SIGNATURE, uint64, viewOf } from './format.ts';
import type { ArchiveLimits } from './limits.ts';
import type { RandomAccessFile } from './random-access.ts';
import { invalid, overLimit } from './refusal.ts';
import { readExactly } from './spans.ts';

export type DirectorySpan = {
  readonly entryCount: number;
  readonly start: number;
  readonly end: number;
};

/** The numbers that both kinds of end record have. */
type EndNumbers = { readonly entryCount: number; readonly sizeBytes: number; readonly offset: number };

/** Throws `ARCHIVE_INVALID` or `ARCHIVE_LIMIT`. */
export const findDirectory = async (
  file: RandomAccessFile,
  limits: ArchiveLimits,
): Promise<DirectorySpan> => {
  if (file.sizeBytes < LENGTH.end)
    throw invalid(`a file of ${file.sizeBytes} bytes is too short for a ZIP archive`);
  const tailBytes = Math.min(file.sizeBytes, LENGTH.zip64End + LENGTH.zip64Locator + LENGTH.end);
  const tail = await readExactly(file, new Uint8Array(tailBytes), file.sizeBytes - tailBytes);
  const endPosition = file.sizeBytes - LENGTH.end;
  const numbers = parseEnd(viewOf(tail.subarray(tailBytes - LENGTH.end)));

  const zip64 = parseZip64(tail.subarray(0, tailBytes - LENGTH.end), endPosition);
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
        `has ${sizeBytes} bytes from ${offset}; is there data before, inside of or after the archive?`,
    );
  }
  return { entryCount, start: offset, end: recordsStart };
};

const parseEnd = (view: DataView): EndNumbers => {
  if (view.getUint32(0, true) !== SIGNATURE.end) {
    throw invalid(
      'the file does not end in the end record of a ZIP archive: it is another kind of file, was truncated, or has ' +
        'a comment or other data after the archive',
    );
  }
  if (view.getUint16(20, true) !== 0)
    throw invalid('the end record announces a comment beyond the end of the file');
  const entryCount = view.getUint16(10, true);
  if (
    view.getUint16(4, true) !== 0 ||
    view.getUint16(6, true) !== 0 ||
    view.getUint16(8, true) !== entryCount
  ) {
    throw invalid('the archive is one of several disks');
  }
  return { entryCount, sizeBytes: view.getUint32(12, true), offset: view.getUint32(16, true) };
};

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
  if (!oneDisk) throw invalid('the archive is one of several disks');
  return { entryCount, sizeBytes: uint64(record, 40), offset: uint64(record, 48) };
};

const plainNumbers = (numbers: EndNumbers): EndNumbers => {
  if (
    numbers.entryCount === SENTINEL_16 ||
    numbers.sizeBytes === SENTINEL_32 ||
    numbers.offset === SENTINEL_32
  ) {
    throw invalid('the end record leaves a number to a ZIP64 record, and there is none');
  }
  return numbers;
};

const reconciled = (plain: EndNumbers, zip64: EndNumbers): EndNumbers => {
  const agree =
    (plain.entryCount === SENTINEL_16 || plain.entryCount === zip64.entryCount) &&
    (plain.sizeBytes === SENTINEL_32 || plain.sizeBytes === zip64.sizeBytes) &&
    (plain.offset === SENTINEL_32 || plain.offset === zip64.offset);
  if (!agree) throw invalid('the end record and the ZIP64 end record disagree');
  return zip64;
};
