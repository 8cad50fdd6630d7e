/**
 * Decompresses bzip2, the method (12) in which firmware archives are packed, and which zlib lacks.
 *
 *     bits ─▶ block: Huffman ─▶ move to front, runs ─▶ inverse Burrows-Wheeler ─▶ runs of four ─▶ CRC ─▶ bytes
 *
 * BZ1. Whole and in memory: no more than `maxBytes` are made, and no more than one block (900 kB) is held beside them.
 * BZ2. Each block and the stream have the checksum that they announce, and nothing follows the stream.
 * BZ3. Every loop consumes input or fills a bounded block, so that the work is linear in both.
 *
 * It is our own, although seek-bzip passes most of the tests behind an output that is bounded: that package has stood still since 2020,
 * calls `Buffer()`, which Node deprecates, and takes a stream that is cut before its end, or goes on after it, for a whole one.
 * unbzip2-stream works in events alone, and bzip2-wasm starts asynchronously, sets globals, and takes what follows a stream.
 */
import { createBitReader } from './bit-reader.ts';
import { createHuffmanDecoder, type HuffmanDecoder } from './huffman.ts';
import { damaged, invalid, overLimit } from './refusal.ts';

const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;
const LEVEL_BYTES = 100_000;
/** Symbols between two selections of a table. */
const GROUP_SYMBOLS = 50;
const MAX_CODE_BITS = 20;
const RUN_A = 0;
const RUN_B = 1;

type Bits = ReturnType<typeof createBitReader>;

/** @throws DepotError `ARCHIVE_DAMAGED`; `ARCHIVE_LIMIT` for more than `maxBytes`; `ARCHIVE_INVALID` for another format */
export const bunzip2 = (input: Uint8Array, { maxBytes }: { readonly maxBytes: number }): Uint8Array => {
  const bits = createBitReader(input, () => broken('it ends early'));
  const level = readLevel(input, bits);
  const output = createOutput(maxBytes);
  let streamCrc = 0;
  for (;;) {
    const magic = [bits.take(24), bits.take(24)];
    if (magic[0] === END_MAGIC[0] && magic[1] === END_MAGIC[1]) break;
    if (magic[0] !== BLOCK_MAGIC[0] || magic[1] !== BLOCK_MAGIC[1]) throw broken('a block has no mark');
    const expected = takeWord(bits);
    const crc = readBlock(bits, level * LEVEL_BYTES, output);
    if (crc !== expected) throw broken('a block has another checksum than it announces');
    streamCrc = (((streamCrc << 1) | (streamCrc >>> 31)) ^ crc) >>> 0;
  }
  if (takeWord(bits) !== streamCrc) throw broken('it has another checksum than it announces');
  if (bits.leftBytes() > 0) throw broken('something follows its end');
  return output.whole();
};

const broken = (problem: string) => damaged(`the bzip2 stream is broken: ${problem}`);

const takeWord = (bits: Bits): number => ((bits.take(16) << 16) | bits.take(16)) >>> 0;

const readLevel = (input: Uint8Array, bits: Bits): number => {
  if (Buffer.from(input.subarray(0, 3)).toString('latin1') !== 'BZh')
    throw invalid('it is no bzip2 stream: it does not begin with BZh');
  bits.take(24);
  const level = bits.take(8) - 0x30;
  if (level < 1 || level > 9) throw broken('its block size is not one of 1 to 9');
  return level;
};

/** Appends the content of a block; returns its checksum. */
const readBlock = (bits: Bits, maxSymbols: number, output: Output): number => {
  if (bits.take(1) !== 0) throw broken('a block is randomised, which no writer of this century does');
  const origin = bits.take(24);
  const used = readUsedBytes(bits);
  const codes = readCodes(bits, used.length + 2);
  const { block, length, counts } = readSymbols(bits, used, codes, maxSymbols);
  if (origin >= length) throw broken('the origin of a block is outside of it');
  return writeBlock(block.subarray(0, length), origin, counts, output);
};

/** The bytes that occur in the block, in order. */
const readUsedBytes = (bits: Bits): Uint8Array => {
  const ranges = bits.take(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range += 1) {
    if ((ranges & (0x8000 >> range)) === 0) continue;
    const map = bits.take(16);
    for (let at = 0; at < 16; at += 1) if ((map & (0x8000 >> at)) !== 0) used.push(range * 16 + at);
  }
  if (used.length === 0) throw broken('a block uses no byte');
  return Uint8Array.from(used);
};

type Codes = { readonly tables: readonly HuffmanDecoder[]; readonly selectors: Uint8Array };

const readCodes = (bits: Bits, symbols: number): Codes => {
  const tableCount = bits.take(3);
  const selectorCount = bits.take(15);
  if (tableCount < 2 || tableCount > 6 || selectorCount === 0) throw broken('a block has no valid tables');
  const order = Array.from({ length: tableCount }, (_, index) => index);
  const selectors = new Uint8Array(selectorCount);
  for (let at = 0; at < selectorCount; at += 1) {
    let place = 0;
    while (bits.take(1) === 1) {
      place += 1;
      if (place >= tableCount) throw broken('a block selects a table that it does not have');
    }
    const [table = 0] = order.splice(place, 1);
    order.unshift(table);
    selectors[at] = table;
  }
  const tables = order.map(() =>
    createHuffmanDecoder(readLengths(bits, symbols), () => broken('a code is not in its table')),
  );
  return { tables, selectors };
};

const readLengths = (bits: Bits, symbols: number): Uint8Array => {
  const lengths = new Uint8Array(symbols);
  let length = bits.take(5);
  for (let symbol = 0; symbol < symbols; symbol += 1) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_BITS) throw broken('a code has no valid length');
      if (bits.take(1) === 0) break;
      length += bits.take(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return lengths;
};

type Symbols = { readonly block: Uint32Array; readonly length: number; readonly counts: Uint32Array };

/** The last column of the sorted rotations, and how often each byte is in it. */
const readSymbols = (bits: Bits, used: Uint8Array, codes: Codes, maxSymbols: number): Symbols => {
  const block = new Uint32Array(maxSymbols);
  const counts = new Uint32Array(256);
  const recent = Uint8Array.from(used);
  const end = used.length + 1;
  const nextSymbol = createSymbolReader(bits, codes);
  let length = 0;
  const append = (byte: number, times: number): void => {
    if (length + times > maxSymbols) throw broken('a block is longer than its level allows');
    block.fill(byte, length, length + times);
    counts[byte] = (counts[byte] ?? 0) + times;
    length += times;
  };
  let run = 0;
  let weight = 1;
  for (;;) {
    const symbol = nextSymbol();
    if (symbol === RUN_A || symbol === RUN_B) {
      run += weight * (symbol + 1);
      weight *= 2;
      if (run > maxSymbols) throw broken('a run is longer than its block');
      continue;
    }
    append(recent[0] ?? 0, run);
    run = 0;
    weight = 1;
    if (symbol === end) return { block, length, counts };
    const place = symbol - 1;
    const byte = recent[place] ?? 0;
    recent.copyWithin(1, 0, place);
    recent[0] = byte;
    append(byte, 1);
  }
};

const createSymbolReader = (bits: Bits, { tables, selectors }: Codes) => {
  let group = -1;
  let left = 0;
  let table: HuffmanDecoder | undefined;
  return (): number => {
    if (left === 0) {
      group += 1;
      left = GROUP_SYMBOLS;
      table = group < selectors.length ? tables[selectors[group] ?? 0] : undefined;
    }
    left -= 1;
    if (table === undefined) throw broken('a block has more symbols than selections');
    return table(bits);
  };
};

/**
 * Undoes the sorting: the high 24 bits of each place say which place comes next, the low 8 are its byte. Then undoes
 * the runs: after four equal bytes comes the number of further ones.
 */
const writeBlock = (block: Uint32Array, origin: number, counts: Uint32Array, output: Output): number => {
  const starts = new Uint32Array(256);
  for (let byte = 0, sum = 0; byte < 256; byte += 1) {
    starts[byte] = sum;
    sum += counts[byte] ?? 0;
  }
  for (let at = 0; at < block.length; at += 1) {
    const byte = (block[at] ?? 0) & 0xff;
    const sorted = starts[byte] ?? 0;
    starts[byte] = sorted + 1;
    block[sorted] = (block[sorted] ?? 0) | (at << 8);
  }
  const crc = createCrc();
  let place = (block[origin] ?? 0) >>> 8;
  let previous = -1;
  let equal = 0;
  for (let at = 0; at < block.length; at += 1) {
    const entry = block[place] ?? 0;
    place = entry >>> 8;
    const byte = entry & 0xff;
    const times = equal === 4 ? byte : 1;
    if (equal === 4) equal = 0;
    else {
      equal = byte === previous ? equal + 1 : 1;
      previous = byte;
    }
    output.append(previous, times);
    crc.add(previous, times);
  }
  return crc.value();
};

type Output = ReturnType<typeof createOutput>;

const FIRST_OUTPUT_BYTES = 64 * 1024;

const createOutput = (maxBytes: number) => {
  let bytes = new Uint8Array(Math.min(maxBytes, FIRST_OUTPUT_BYTES));
  let filled = 0;
  return {
    append(byte: number, times: number): void {
      const end = filled + times;
      if (end > maxBytes) throw overLimit('the size of a bzip2 stream in bytes', end, maxBytes);
      if (end > bytes.length) {
        const grown = new Uint8Array(Math.min(maxBytes, Math.max(end, bytes.length * 2)));
        grown.set(bytes.subarray(0, filled));
        bytes = grown;
      }
      bytes.fill(byte, filled, end);
      filled = end;
    },
    whole: (): Uint8Array => bytes.subarray(0, filled),
  };
};

/** CRC-32 with the bits the other way round than in ZIP. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

const createCrc = () => {
  let crc = 0xffffffff;
  return {
    add(byte: number, times: number): void {
      for (let at = 0; at < times; at += 1) crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ byte] ?? 0);
    },
    value: (): number => ~crc >>> 0,
  };
};
