/**
 * The parts of DER (X.690) that certificates of one fixed profile need: a writer, and a strict reader of definite lengths.
 *
 * DX1. The reader accepts only the shortest form of a length, and no value that reaches beyond its parent.
 */

export type DerValue = {
  /** The identifier octet: class, constructed bit and a tag number below 31. */
  readonly tag: number;
  readonly content: Uint8Array;
};

export const DER = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** `[n]`, with other values inside. */
export const contextConstructed = (number: number): number => 0xa0 | number;
/** `[n] IMPLICIT` of a plain value. */
export const contextPrimitive = (number: number): number => 0x80 | number;

export const derValue = (tag: number, ...contents: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.of(tag), lengthOctets(content.length), content]);
};

const lengthOctets = (length: number): Buffer => {
  if (length < 0x80) return Buffer.of(length);
  const hex = length.toString(16);
  const octets = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.of(0x80 | octets.length), octets]);
};

/** `1.2.840.10045.4.3.2` */
export const derOid = (dotted: string): Buffer => {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt);
  return derValue(DER.oid, Buffer.from([Number(first * 40n + second), ...rest.flatMap(base128)]));
};

const base128 = (arc: bigint): number[] => {
  const septets = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) septets.unshift(Number(0x80n | (rest & 0x7fn)));
  return septets;
};

/** Of an unsigned number in big-endian order. */
export const derInteger = (magnitude: Uint8Array): Buffer => {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1;
  const shortest = magnitude.subarray(start);
  const isNegativeLooking = ((shortest[0] ?? 0) & 0x80) !== 0;
  return derValue(DER.integer, isNegativeLooking ? Buffer.of(0) : Buffer.alloc(0), shortest);
};

/** Whole octets; the first one of the content counts unused bits. */
export const derBitString = (octets: Uint8Array): Buffer => derValue(DER.bitString, Buffer.of(0), octets);

export const derTrue = derValue(DER.boolean, Buffer.of(0xff));

/** UTCTime until 2049, then GeneralizedTime (RFC 5280, 4.1.2.5), in whole seconds. */
export const derTime = (timeMs: number): Buffer => {
  const text = new Date(timeMs).toISOString().replace(/[-:T]|\.\d+/g, '');
  const year = Number(text.slice(0, 4));
  return year < 2050
    ? derValue(DER.utcTime, Buffer.from(text.slice(2)))
    : derValue(DER.generalizedTime, Buffer.from(text));
};

/** The values of a constructed content, or of a whole file. Undefined if it is not DER. */
export const readDerValues = (bytes: Uint8Array): DerValue[] | undefined => {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const read = readOne(bytes, at);
    if (read === undefined) return undefined;
    values.push(read.value);
    at = read.end;
  }
  return values;
};

/** The length of a certificate fits in 4 octets. */
const MAX_LENGTH_OCTETS = 4;

const readOne = (bytes: Uint8Array, at: number): { value: DerValue; end: number } | undefined => {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > MAX_LENGTH_OCTETS || start + count > bytes.length) return undefined;
    length = 0;
    for (const octet of bytes.subarray(start, start + count)) length = length * 256 + octet;
    if (length < 0x80 || length < 256 ** (count - 1)) return undefined;
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) return undefined;
  return { value: { tag, content: bytes.subarray(start, end) }, end };
};
