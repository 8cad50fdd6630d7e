import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createChunkDecoder } from './chunked-body.ts';

/** What a decoder makes of bytes that come in these pieces. */
const decoded = (pieces: readonly Buffer[]): { text: string; isOver: boolean } => {
  const decoder = createChunkDecoder('peer');
  const parts = pieces.map(piece => {
    const own = Buffer.from(piece);
    return own.subarray(0, decoder.decode(own));
  });
  return { text: Buffer.concat(parts).toString('latin1'), isOver: decoder.isOver() };
};

const piecesOf = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const at = [...new Set(cuts.map(cut => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length].map((end, n) => bytes.subarray(n === 0 ? 0 : at[n - 1], end));
};

const arbChunk = fc.record({
  data: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  isUpper: fc.boolean(),
  zeros: fc.nat(4),
  extension: fc.constantFrom('', ';a=b', ' ; "x"'),
});

test('whatever was put into chunks comes out, however it is cut into pieces (CHB1)', () => {
  fc.assert(
    fc.property(
      fc.array(arbChunk, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      fc.constantFrom('', 'A: b\r\n'),
      (chunks, cuts, trailer) => {
        const framed = Buffer.concat([
          ...chunks.flatMap(({ data, isUpper, zeros, extension }) => {
            const digits = data.length.toString(16);
            const size = `${'0'.repeat(zeros)}${isUpper ? digits.toUpperCase() : digits}${extension}\r\n`;
            return [Buffer.from(size), data, Buffer.from('\r\n')];
          }),
          Buffer.from(`0\r\n${trailer}\r\n`),
        ]);
        const text = Buffer.concat(chunks.map(({ data }) => data)).toString('latin1');
        expect(decoded(piecesOf(framed, cuts))).toEqual({ text, isOver: true });
        expect(decoded(piecesOf(framed.subarray(0, -1), cuts)).isOver).toBe(false); // CHB2
      },
    ),
  );
});

test.each([
  ['a size that is no number', 'x\r\n'],
  ['a negative size', '-1\r\n'],
  ['a prefixed size', '0x1\r\n'],
  ['a size beyond exact numbers', `${'f'.repeat(14)}\r\n`],
  ['a bare line feed', '1\na\r\n'],
  ['no line break after a chunk', '1\r\nab'],
  ['a bare line feed after a chunk', '1\r\na\n'],
  ['an endless line of a size', `1;${'x'.repeat(300)}`],
  ['an endless line that comes slowly', ...Array.from({ length: 300 }, () => ' ')],
  ['endless trailers', '0\r\n', ...Array.from({ length: 300 }, () => 'Name: of a trailer\r\n')],
  ['more after the end', '0\r\n\r\n0'],
])('%s is a bad answer (CHB3)', (_, ...pieces) => {
  expect(() => decoded(pieces.map(piece => Buffer.from(piece)))).toThrow(
    /^peer does not answer as a Repo Depot/,
  );
});
