/**
 * The memory of a firmware image: the sections of a 32-bit little-endian ELF file that are loaded, in the order of their
 * addresses.
 *
 * EL1. A firmware archive holds the flash in sections that are writable and allocated, and nothing else: others are ignored,
 *      as are sections without content.
 * EL2. Gaps count as erased flash. The image with its gaps is bounded, and sections may not overlap.
 */
import { viewOf } from '../archive/format.ts';
import { invalid, overLimit } from '../archive/refusal.ts';

const MAGIC = 0x464c457f;
const CLASS_32 = 1;
const LITTLE_ENDIAN = 1;
const HEADER_BYTES = 52;
const SECTION_HEADER_BYTES = 40;
const TYPE_NO_CONTENT = 8;
const WRITABLE_AND_ALLOCATED = 3;
const ERASED = 0xff;
const MAX_IMAGE_BYTES = 32 * 1024 ** 2;

type Section = { readonly address: number; readonly content: Uint8Array };

/** @throws DepotError `ARCHIVE_INVALID`, `ARCHIVE_LIMIT` */
export const readFlash = (elf: Uint8Array): Uint8Array => {
  const sections = loadedSections(elf).sort((a, b) => a.address - b.address);
  const start = sections[0]?.address ?? 0;
  const end = sections.reduce(
    (last, { address, content }) => Math.max(last, address + content.length),
    start,
  );
  if (end - start > MAX_IMAGE_BYTES)
    throw overLimit('the size of a firmware image in bytes', end - start, MAX_IMAGE_BYTES);
  const flash = new Uint8Array(end - start).fill(ERASED);
  let filled = start;
  for (const { address, content } of sections) {
    if (address < filled) throw invalid('two sections of the firmware image overlap');
    flash.set(content, address - start);
    filled = address + content.length;
  }
  return flash;
};

const loadedSections = (elf: Uint8Array): Section[] => {
  if (elf.length < HEADER_BYTES) throw invalid('the firmware image is too short for an ELF file');
  const header = viewOf(elf);
  if (header.getUint32(0, true) !== MAGIC || elf[4] !== CLASS_32 || elf[5] !== LITTLE_ENDIAN)
    throw invalid('the firmware image is no 32-bit little-endian ELF file');
  const tableOffset = header.getUint32(32, true);
  const count = header.getUint16(48, true);
  if (count > 0 && header.getUint16(46, true) !== SECTION_HEADER_BYTES)
    throw invalid('the firmware image has section headers of an unknown size');
  if (tableOffset + count * SECTION_HEADER_BYTES > elf.length)
    throw invalid('the firmware image has a section table that is not inside of it');
  const sections: Section[] = [];
  for (let at = 0; at < count; at += 1) {
    const view = viewOf(elf.subarray(tableOffset + at * SECTION_HEADER_BYTES));
    const sizeBytes = view.getUint32(20, true);
    if (view.getUint32(8, true) !== WRITABLE_AND_ALLOCATED) continue;
    if (view.getUint32(4, true) === TYPE_NO_CONTENT || sizeBytes === 0) continue;
    const offset = view.getUint32(16, true);
    if (offset + sizeBytes > elf.length)
      throw invalid('a section of the firmware image is not inside of its file');
    sections.push({ address: view.getUint32(12, true), content: elf.subarray(offset, offset + sizeBytes) });
  }
  return sections;
};
