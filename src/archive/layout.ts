/**
 * Where the entries lie in the file: every local header and data descriptor against the central directory.
 *
 *     byte 0 │ local header │ data │ [descriptor] │ local header │ data │ … │ central directory
 *
 * LY1. A local header equals the central one; a reader that trusts either finds the same entry.
 * LY2. The entries lie end to end from byte 0 to the central directory: none overlaps another (as in the bombs
 *      that share data between entries), and no bytes lie outside of entries.
 */
import { quoted } from '../lib/shown-text.ts';
import type { CentralHeader } from './central-directory.ts';
import { encodeDescriptor } from './encode.ts';
import { resolveZip64, wide, zip64FieldOf } from './extra-fields.ts';
import { FLAG, LENGTH, METHOD, SENTINEL_32, SIGNATURE, sameBytes, viewOf } from './format.ts';
import type { ArchiveLimits } from './limits.ts';
import type { RandomAccessFile } from './random-access.ts';
import { invalid, overLimit } from './refusal.ts';
import { readExactly } from './spans.ts';

/** Usually enough for the extra fields of a local header, so that one read gets the whole header. */
const EXTRA_GUESS_BYTES = 64;

/**
 * Finds the data of every entry.
 *
 * @returns the offset of the data by name, which is unique
 */
export const locateData = async (
  file: RandomAccessFile,
  headers: readonly CentralHeader[],
  directoryStart: number,
  limits: ArchiveLimits,
): Promise<ReadonlyMap<string, number>> => {
  const inOrder = headers.toSorted((a, b) => a.headerOffset - b.headerOffset);
  const offsets = new Map<string, number>();
  let end = 0;
  for (const [index, header] of inOrder.entries()) {
    const owner = `the entry ${quoted(header.name)}`;
    if (header.headerOffset !== end) throw invalid(displacement(owner, header.headerOffset, end));
    const nextStart = inOrder[index + 1]?.headerOffset ?? directoryStart;
    const dataOffset = await checkLocalHeader(file, header, directoryStart, limits);
    offsets.set(header.name, dataOffset);
    const dataEnd = dataOffset + header.compressedBytes;
    if (dataEnd > directoryStart) throw invalid(`${owner} reaches into the central directory`);
    if ((header.flags & FLAG.dataDescriptor) !== 0) await checkDescriptor(file, header, dataEnd, nextStart);
    end = (header.flags & FLAG.dataDescriptor) !== 0 ? nextStart : dataEnd;
  }
  if (end !== directoryStart) throw invalid(displacement('the central directory', directoryStart, end));
  return offsets;
};

const displacement = (owner: string, actual: number, expected: number): string => {
  if (actual < expected)
    return `${owner} begins at byte ${actual}, inside of what ends at ${expected}: entries must not overlap`;
  if (expected === 0)
    return `${owner} is the first and begins at byte ${actual}: before it are bytes that belong to no entry, such as a self-extractor`;
  return `${owner} begins at byte ${actual}, but what is before it ends at ${expected}: bytes that belong to no entry`;
};

/** @returns the offset of the data */
const checkLocalHeader = async (
  file: RandomAccessFile,
  header: CentralHeader,
  directoryStart: number,
  limits: ArchiveLimits,
): Promise<number> => {
  const owner = `the local header of ${quoted(header.name)}`;
  const start = header.headerOffset;
  const fixedEnd = LENGTH.localHeader + header.nameBytes.length;
  const guess = Math.min(fixedEnd + EXTRA_GUESS_BYTES, directoryStart - start);
  if (guess < fixedEnd) throw invalid(`${owner} reaches into the central directory`);
  const bytes = await readExactly(file, new Uint8Array(guess), start);
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== SIGNATURE.localHeader) throw invalid(`${owner} is not where it should be`);
  const extraLength = view.getUint16(28, true);
  if (extraLength > limits.maxExtraFieldBytes) {
    throw overLimit(
      `the length of the extra field of ${owner} in bytes`,
      extraLength,
      limits.maxExtraFieldBytes,
    );
  }
  const sameName =
    view.getUint16(26, true) === header.nameBytes.length &&
    sameBytes(header.nameBytes, bytes.subarray(LENGTH.localHeader, fixedEnd));
  const sameFlags = ((view.getUint16(6, true) ^ header.flags) & ~FLAG.deflateEffort) === 0;
  const sameKind = sameFlags && view.getUint16(8, true) === METHOD[header.method];
  if (!sameName || !sameKind)
    throw invalid(`${owner} differs from the central directory in name, flags or method`);

  const dataOffset = start + fixedEnd + extraLength;
  if (dataOffset > directoryStart) throw invalid(`${owner} reaches into the central directory`);
  const extra =
    fixedEnd + extraLength <= bytes.length
      ? bytes.subarray(fixedEnd, fixedEnd + extraLength)
      : await readExactly(file, new Uint8Array(extraLength), start + fixedEnd);
  checkLocalNumbers(header, view, extra, owner);
  return dataOffset;
};

/** With a data descriptor each number is zero, because the writer did not know it yet. */
const checkLocalNumbers = (header: CentralHeader, view: DataView, extra: Uint8Array, owner: string): void => {
  const [sizeBytes, compressedBytes] = resolveZip64(
    [wide(view.getUint32(22, true)), wide(view.getUint32(18, true))],
    zip64FieldOf(extra, other => sameBytes(other, header.nameBytes), owner),
    owner,
  );
  const mayBeZero = (header.flags & FLAG.dataDescriptor) !== 0;
  const agrees = (local: number, central: number) => local === central || (mayBeZero && local === 0);
  if (
    !agrees(view.getUint32(14, true), header.crc32) ||
    !agrees(sizeBytes, header.sizeBytes) ||
    !agrees(compressedBytes, header.compressedBytes)
  ) {
    throw invalid(`${owner} differs from the central directory in CRC-32 or size`);
  }
};

type DescriptorForm = { readonly signed: boolean; readonly wide: boolean };

const DESCRIPTOR_FORMS: ReadonlyMap<number, DescriptorForm> = new Map([
  [12, { signed: false, wide: false }],
  [16, { signed: true, wide: false }],
  [20, { signed: false, wide: true }],
  [24, { signed: true, wide: true }],
]);

/**
 * A descriptor comes with or without a signature and with 32-bit or 64-bit sizes (4.3.9), and nothing says which;
 * but it fills the space up to the next record, and its four forms have four lengths.
 */
const checkDescriptor = async (
  file: RandomAccessFile,
  header: CentralHeader,
  dataEnd: number,
  nextStart: number,
): Promise<void> => {
  const owner = `the data descriptor of ${quoted(header.name)}`;
  const form = DESCRIPTOR_FORMS.get(nextStart - dataEnd);
  if (
    form === undefined ||
    (!form.wide && Math.max(header.sizeBytes, header.compressedBytes) > SENTINEL_32)
  ) {
    throw invalid(`${owner} has ${nextStart - dataEnd} bytes of space, which no form of it fills exactly`);
  }
  const expected = encodeDescriptor(header, form);
  const actual = await readExactly(file, new Uint8Array(expected.length), dataEnd);
  if (!actual.every((byte, index) => byte === expected[index])) {
    throw invalid(`${owner} differs from the central directory`);
  }
};
