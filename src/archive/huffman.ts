/** Canonical Huffman codes: of equal lengths, the code of a later symbol is one higher. */
import type { BitReader } from './bit-reader.ts';

export type HuffmanDecoder = (bits: BitReader) => number;

/**
 * @param lengths of the code of each symbol in bits, at least 1
 * @param unknown the error for bits that are no code
 */
export const createHuffmanDecoder = (lengths: Uint8Array, unknown: () => Error): HuffmanDecoder => {
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  const counts = new Uint32Array(longest + 1);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  const symbols = Array.from(lengths.keys()).sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  return bits => {
    let code = 0;
    let first = 0;
    let before = 0;
    for (let length = 1; length <= longest; length += 1) {
      code = code * 2 + bits.take(1);
      const count = counts[length] ?? 0;
      const symbol = code - first < count ? symbols[before + code - first] : undefined;
      if (symbol !== undefined) return symbol;
      before += count;
      first = (first + count) * 2;
    }
    throw unknown();
  };
};
