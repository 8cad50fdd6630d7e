/** Extra fields (APPNOTE 4.5): a list of (id, length, data), of which the reader needs ZIP64's. */
import { EXTRA_UNICODE_PATH, EXTRA_ZIP64, SENTINEL_16, SENTINEL_32, uint64, viewOf } from './format.ts';
import { invalid } from './refusal.ts';

/**
 * The data of the ZIP64 field, if there is one. Throws when the list is malformed or holds another name.
 *
 * @param isNamed whether bytes are the name in the header, in UTF-8
 */
export const zip64FieldOf = (
  extra: Uint8Array,
  isNamed: (bytes: Uint8Array) => boolean,
  owner: string,
): Uint8Array | undefined => {
  const view = viewOf(extra);
  let zip64: Uint8Array | undefined;
  for (let offset = 0; offset < extra.length; ) {
    // Writers that align data, as for Android, fill up with zeros, which need not be whole fields.
    if (extra.length - offset < 4 && extra.subarray(offset).every(byte => byte === 0)) break;
    if (extra.length - offset < 4) throw invalid(`the extra fields of ${owner} end in the middle of one`);
    const id = view.getUint16(offset, true);
    const length = view.getUint16(offset + 2, true);
    const end = offset + 4 + length;
    if (end > extra.length) throw invalid(`the extra fields of ${owner} end in the middle of one`);
    const data = extra.subarray(offset + 4, end);
    if (id === EXTRA_UNICODE_PATH && !isNamed(data.subarray(UNICODE_PATH_HEADER_BYTES))) {
      throw invalid(`${owner} carries a second name in an extra field`);
    }
    if (id === EXTRA_ZIP64) {
      if (zip64 !== undefined) throw invalid(`${owner} has two ZIP64 extra fields`);
      zip64 = data;
    }
    offset = end;
  }
  return zip64;
};

/** A version and the CRC-32 of the name in the header (4.6.9). */
const UNICODE_PATH_HEADER_BYTES = 5;

/** What a header may leave to its ZIP64 field: a number of which every bit is set is in the field. */
export type Zip64Value = { readonly value: number; readonly widthBytes: 8 | 4 };

/** A size or an offset: 32 bits in the header, 64 in the field. */
export const wide = (value: number): Zip64Value => ({ value, widthBytes: 8 });
/** The number of a disk: 16 bits in the header, 32 in the field. */
export const diskNumber = (value: number): Zip64Value => ({ value, widthBytes: 4 });

const isLeftToField = ({ value, widthBytes }: Zip64Value): boolean =>
  value === (widthBytes === 8 ? SENTINEL_32 : SENTINEL_16);

/**
 * Replaces the sentinels among a header's fields by the values of its ZIP64 field (4.5.3).
 *
 * The field should list only what the header leaves to it; some writers (Rust's zip, DotNetZip) list more always.
 * That is accepted where it can be read in one way only: the sentinels come first, and what is listed beyond
 * them repeats the header.
 */
export const resolveZip64 = <const F extends readonly Zip64Value[]>(
  fields: F,
  zip64: Uint8Array | undefined,
  owner: string,
): { [K in keyof F]: number } => {
  const bytes = zip64 ?? new Uint8Array();
  let position = 0;
  const next = ({ widthBytes }: Zip64Value): number | undefined => {
    if (position + widthBytes > bytes.length) return undefined;
    const at = position;
    position += widthBytes;
    return widthBytes === 8 ? uint64(viewOf(bytes), at) : viewOf(bytes).getUint32(at, true);
  };
  const left = fields.filter(isLeftToField).length;
  const resolved = fields.map(field => {
    if (!isLeftToField(field)) return field.value;
    const value = next(field);
    if (value === undefined)
      throw invalid(`${owner} leaves a size, an offset or a disk to a ZIP64 field that has none`);
    return value;
  });
  const inOrder = fields.slice(0, left).every(isLeftToField);
  const repeated = inOrder ? fields.slice(left) : [];
  for (const field of repeated) {
    const value = next(field);
    if (value === undefined) break;
    if (value !== field.value) throw unasked(owner);
  }
  if (position !== bytes.length) throw unasked(owner);
  return resolved as { [K in keyof F]: number };
};

const unasked = (owner: string) =>
  invalid(`the ZIP64 field of ${owner} lists values that its header does not ask for`);
