/** Mutations of bytes and of their structure: spans, numbers, words, and pieces of other seeds. */
import type { Rng } from '../../src/core/rng.ts';

/** Where lengths and counts are, these are where readers go wrong. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const MAX_MUTATIONS = 6;
const MAX_BYTES = 256 * 1024;
const MAX_REPEATS = 64;

type Mutation = (bytes: Buffer, rng: Rng, others: Others) => Buffer;
type Others = { readonly seeds: readonly Uint8Array[]; readonly words: readonly Uint8Array[] };

const pick = <Item>(items: readonly Item[], rng: Rng): Item => items[rng.below(items.length)]!;
const place = (bytes: Buffer, rng: Rng): number => rng.below(bytes.length + 1);
const span = (bytes: Buffer, rng: Rng): [number, number] => {
  const [a, b] = [place(bytes, rng), place(bytes, rng)];
  return [Math.min(a, b), Math.max(a, b)];
};
const splice = (bytes: Buffer, start: number, end: number, middle: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, start), middle, bytes.subarray(end)]);

const mutations: readonly Mutation[] = [
  function flipBit(bytes, rng) {
    if (bytes.length === 0) return bytes;
    const copy = Buffer.from(bytes);
    copy[rng.below(copy.length)]! ^= 1 << rng.below(8);
    return copy;
  },
  function setByte(bytes, rng) {
    if (bytes.length === 0) return bytes;
    const copy = Buffer.from(bytes);
    copy[rng.below(copy.length)] = rng.below(256);
    return copy;
  },
  function setNumber(bytes, rng) {
    const width = pick([1, 2, 4], rng);
    if (bytes.length < width) return bytes;
    const copy = Buffer.from(bytes);
    const value = pick(EDGES, rng) % 2 ** (8 * width);
    copy.writeUIntLE(value, rng.below(copy.length - width + 1), width);
    return copy;
  },
  function nudgeNumber(bytes, rng) {
    if (bytes.length < 4) return bytes;
    const copy = Buffer.from(bytes);
    const at = rng.below(copy.length - 3);
    copy.writeUInt32LE((copy.readUInt32LE(at) + rng.below(9) + 2 ** 32 - 4) % 2 ** 32, at);
    return copy;
  },
  function nudgeDigit(bytes, rng) {
    const digits = [...bytes.keys()].filter(at => bytes[at]! >= 0x30 && bytes[at]! <= 0x39);
    if (digits.length === 0) return bytes;
    const copy = Buffer.from(bytes);
    copy[pick(digits, rng)] = 0x30 + rng.below(10);
    return copy;
  },
  (bytes, rng) => splice(bytes, ...span(bytes, rng), Buffer.alloc(0)),
  (bytes, rng) => bytes.subarray(0, place(bytes, rng)),
  function repeat(bytes, rng) {
    const [start, end] = span(bytes, rng);
    const times = Math.min(1 + rng.below(MAX_REPEATS), Math.floor(MAX_BYTES / Math.max(1, end - start)));
    return splice(bytes, end, end, Buffer.concat(Array<Buffer>(times).fill(bytes.subarray(start, end))));
  },
  function move(bytes, rng) {
    const [start, end] = span(bytes, rng);
    const at = place(bytes, rng);
    return splice(bytes, at, at, bytes.subarray(start, end));
  },
  function overwriteWithWord(bytes, rng, { words }) {
    const word = pick(words, rng);
    const at = place(bytes, rng);
    return splice(bytes, at, Math.min(bytes.length, at + word.length), word);
  },
  function insertWord(bytes, rng, { words }) {
    const at = place(bytes, rng);
    return splice(bytes, at, at, pick(words, rng));
  },
  function crossOver(bytes, rng, { seeds }) {
    const other = Buffer.from(pick(seeds, rng));
    const [start, end] = span(other, rng);
    return splice(bytes, ...span(bytes, rng), other.subarray(start, end));
  },
];

export const mutate = (seed: Uint8Array, rng: Rng, others: Others): Buffer => {
  let bytes = Buffer.from(seed);
  for (let left = 1 + rng.below(MAX_MUTATIONS); left > 0; left -= 1) {
    bytes = Buffer.from(pick(mutations, rng)(bytes, rng, others).subarray(0, MAX_BYTES));
  }
  return bytes;
};
