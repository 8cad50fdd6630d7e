/** Extra fields (APPNOTE 4.5): a list of (id, length, data), of which the reader needs ZIP64's. */
import { EXTRA_UNICODE_PATH, EXTRA_ZIP64, SENTINEL_32, uint64, viewOf } from './format.ts';
import { invalid } from './refusal.ts';

/** The data of the ZIP64 field, if there is one. Throws when the list is malformed or holds a second name. */
export const zip64FieldOf = (extra: Uint8Array, owner: string): Uint8Array | undefined => {
  const view = viewOf(extra);
  let zip64: Uint8Array | undefined;
  for (let offset = 0; offset < extra.length; ) {
    if (extra.length - offset < 4) throw invalid(`the extra fields of ${owner} end in the middle of one`);
    const id = view.getUint16(offset, true);
    const length = view.getUint16(offset + 2, true);
    const end = offset + 4 + length;
    if (end > extra.length) throw invalid(`the extra fields of ${owner} end in the middle of one`);
    if (id === EXTRA_UNICODE_PATH) throw invalid(`${owner} carries a second name in an extra field`);
    if (id === EXTRA_ZIP64) {
      if (zip64 !== undefined) throw invalid(`${owner} has two ZIP64 extra fields`);
      zip64 = extra.subarray(offset + 4, end);
    }
    offset = end;
  }
  return zip64;
};

/**
 * Replaces the sentinels among a header's fields by the values of its ZIP64 field (4.5.3).
 *
 * The field should list only what the header leaves to it; some writers (Rust's zip) list both sizes always.
 * That is accepted where it can be read in one way only: the sentinels come first, and what is listed beyond
 * them repeats the header.
 */
export const resolveZip64 = <const F extends readonly number[]>(
  fields: F,
  zip64: Uint8Array | undefined,
  owner: string,
): { [K in keyof F]: number } => {
  const left = [...fields.keys()].filter(index => fields[index] === SENTINEL_32);
  const values = valuesOf(zip64, owner);
  if (values.length < left.length)
    throw invalid(`${owner} leaves a size or offset to a ZIP64 field that has none`);
  const resolved = fields.map((value, index) => values[left.indexOf(index)] ?? value);

  const surplus = values.slice(left.length);
  const inOrder = left.every((index, order) => index === order);
  if (surplus.length > 0 && !(inOrder && surplus.every((value, i) => value === resolved[left.length + i]))) {
    throw invalid(`the ZIP64 field of ${owner} lists values that its header does not ask for`);
  }
  return resolved as { [K in keyof F]: number };
};

const valuesOf = (zip64: Uint8Array | undefined, owner: string): number[] => {
  if (zip64 === undefined) return [];
  // A multiple of eight: a 32-bit disk number at the end belongs to archives of several disks.
  if (zip64.length % 8 !== 0)
    throw invalid(`the ZIP64 field of ${owner} has ${zip64.length} bytes, not a multiple of 8`);
  const view = viewOf(zip64);
  return Array.from({ length: zip64.length / 8 }, (_, index) => uint64(view, index * 8));
};
