/** A writer of bzip2 for tests: one small block, sorted naively, with codes of one length. It shares no code with the reader. */

export const bzip2 = (data: Uint8Array, { level = 9 }: { readonly level?: number } = {}): Buffer => {
  const out = bitWriter();
  for (const byte of Buffer.from(`BZh${level}`)) out.put(byte, 8);
  const crc = crcOf(data);
  if (data.length > 0) writeBlock(out, Buffer.from(withRuns(data)), crc);
  out.put(0x177245, 24);
  out.put(0x385090, 24);
  putWord(out, data.length > 0 ? crc : 0);
  return out.whole();
};

type BitWriter = ReturnType<typeof bitWriter>;

const bitWriter = () => {
  let bits = '';
  return {
    put: (value: number, count: number) => {
      bits += value.toString(2).padStart(count, '0');
    },
    whole: () =>
      Buffer.from((bits.match(/.{1,8}/g) ?? []).map(byte => Number.parseInt(byte.padEnd(8, '0'), 2))),
  };
};

const putWord = (out: BitWriter, value: number): void => {
  out.put(value >>> 16, 16);
  out.put(value & 0xffff, 16);
};

/** After four equal bytes comes the number of further ones. */
const withRuns = (data: Uint8Array): number[] => {
  const out: number[] = [];
  for (let at = 0; at < data.length; ) {
    const byte = data[at]!;
    let run = 1;
    while (run < 259 && data[at + run] === byte) run += 1;
    out.push(...Array.from({ length: Math.min(run, 4) }, () => byte), ...(run >= 4 ? [run - 4] : []));
    at += run;
  }
  return out;
};

const writeBlock = (out: BitWriter, block: Buffer, crc: number): void => {
  const twice = Buffer.concat([block, block]);
  const rotation = (start: number) => twice.subarray(start, start + block.length);
  const sorted = [...block.keys()].sort((a, b) => Buffer.compare(rotation(a), rotation(b)) || a - b);
  const last = sorted.map(start => block[(start + block.length - 1) % block.length]!);
  const used = [...new Set(block)].sort((a, b) => a - b);
  out.put(0x314159, 24);
  out.put(0x265359, 24);
  putWord(out, crc);
  out.put(0, 1);
  out.put(sorted.indexOf(0), 24);
  const inRange = (range: number) => used.filter(byte => byte >> 4 === range);
  for (let range = 0; range < 16; range += 1) out.put(inRange(range).length > 0 ? 1 : 0, 1);
  for (let range = 0; range < 16; range += 1)
    if (inRange(range).length > 0)
      for (let low = 0; low < 16; low += 1) out.put(used.includes(range * 16 + low) ? 1 : 0, 1);
  writeSymbols(out, symbolsOf(last, used), used.length + 2);
};

/** Move to front; runs of the first place in the digits 1 and 2. */
const symbolsOf = (last: readonly number[], used: readonly number[]): number[] => {
  const recent = [...used];
  const symbols: number[] = [];
  let zeros = 0;
  const endRun = () => {
    for (let left = zeros; left > 0; left = (left - 1) >> 1) symbols.push((left - 1) % 2);
    zeros = 0;
  };
  for (const byte of last) {
    const place = recent.indexOf(byte);
    if (place === 0) {
      zeros += 1;
      continue;
    }
    endRun();
    symbols.push(place + 1);
    recent.splice(place, 1);
    recent.unshift(byte);
  }
  endRun();
  return [...symbols, used.length + 1];
};

const writeSymbols = (out: BitWriter, symbols: readonly number[], alphabet: number): void => {
  const length = Math.max(1, Math.ceil(Math.log2(alphabet)));
  const groups = Math.ceil(symbols.length / 50);
  out.put(2, 3);
  out.put(groups, 15);
  // Each group selects the table that the one before did not.
  for (let group = 0; group < groups; group += 1) out.put(group === 0 ? 0 : 2, group === 0 ? 1 : 2);
  for (const _ of [1, 2]) {
    out.put(length, 5);
    for (let symbol = 0; symbol < alphabet; symbol += 1) out.put(0, 1);
  }
  for (const symbol of symbols) out.put(symbol, length);
};

const crcOf = (data: Uint8Array): number => {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return ~crc >>> 0;
};
