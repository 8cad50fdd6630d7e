/** Changes of an archive that a property test applies: bytes, numbers at the edges, cuts, and repeated pieces. */
import fc from 'fast-check';

export type Mutation = (zip: Buffer) => Buffer;

const at = (zip: Buffer, fraction: number): number => Math.floor(fraction * zip.length);
const fraction = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

export const arbMutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fraction, fc.nat(255)).map(
    ([where, value]): Mutation =>
      zip => {
        const copy = Buffer.from(zip);
        copy[at(zip, where)] = value;
        return copy;
      },
  ),
  // Numbers at the edges, where a length or an offset may be.
  fc.tuple(fraction, fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff)).map(
    ([where, value]): Mutation =>
      zip => {
        const copy = Buffer.from(zip);
        if (zip.length >= 4) copy.writeUInt32LE(value, Math.min(at(zip, where), zip.length - 4));
        return copy;
      },
  ),
  fc.tuple(fraction, fraction).map(
    ([from, to]): Mutation =>
      zip =>
        Buffer.concat([
          zip.subarray(0, at(zip, Math.min(from, to))),
          zip.subarray(at(zip, Math.max(from, to))),
        ]),
  ),
  fc.tuple(fraction, fraction, fraction).map(
    ([from, to, where]): Mutation =>
      zip => {
        const piece = zip.subarray(at(zip, Math.min(from, to)), at(zip, Math.max(from, to)));
        return Buffer.concat([zip.subarray(0, at(zip, where)), piece, zip.subarray(at(zip, where))]);
      },
  ),
);

const RECORD = Buffer.from('PK');
/** Beyond the fixed part of each record. */
const RECORD_BYTES = 48;

/** Of a byte in a header or an end record, which a change anywhere in a large archive would hardly ever meet. */
export const arbRecordMutation: fc.Arbitrary<Mutation> = fc
  .tuple(fraction, fc.nat(RECORD_BYTES), fc.nat(255))
  .map(
    ([which, offset, value]): Mutation =>
      zip => {
        const starts: number[] = [];
        for (let start = zip.indexOf(RECORD); start >= 0; start = zip.indexOf(RECORD, start + 1))
          starts.push(start);
        const position = (starts[Math.floor(which * starts.length)] ?? 0) + offset;
        const copy = Buffer.from(zip);
        if (position < copy.length) copy[position] = value;
        return copy;
      },
  );
