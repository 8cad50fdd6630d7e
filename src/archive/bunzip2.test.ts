import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DepotError } from '../lib/errors.ts';
import { bunzip2 } from './bunzip2.ts';
import { bzip2 } from './bzip2.fixture.ts';

const limits = { maxBytes: 1_000_000 };

const refusalOf = (bytes: Uint8Array, options = limits): DepotError => {
  try {
    bunzip2(bytes, options);
  } catch (error) {
    if (error instanceof DepotError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

/** Few different bytes, so that runs occur. */
const arbContent = fc.array(
  fc.tuple(fc.constantFrom(0, 1, 65, 255), fc.constantFrom(1, 2, 4, 5, 100, 259, 600)),
  { maxLength: 8 },
);
const contentOf = (runs: readonly (readonly [number, number])[]): Buffer =>
  Buffer.concat(runs.map(([byte, times]) => Buffer.alloc(times, byte)));

test('what was compressed is read as it was, with runs of any length (BZ2)', () => {
  fc.assert(
    fc.property(arbContent, fc.uint8Array({ maxLength: 300 }), (runs, bytes) => {
      const content = Buffer.concat([contentOf(runs), bytes]);
      expect(Buffer.from(bunzip2(bzip2(content), limits)).equals(content)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('output of the usual program is read, with several tables and blocks', () => {
  // `seq 1 100 | bzip2 -1`, and `printf "" | bzip2`.
  const numbers = Array.from({ length: 100 }, (_, index) => `${index + 1}\n`).join('');
  const compressed = Buffer.from(SEQUENCE, 'base64');
  expect(Buffer.from(bunzip2(compressed, limits)).toString()).toBe(numbers);
  expect(bunzip2(Buffer.from('QlpoORdyRThQkAAAAAA=', 'base64'), limits)).toHaveLength(0);
});

const SEQUENCE =
  'QlpoMTFBWSZTWS8MWzsAADhIAAAQf+AwALgIBppoIBppoGkA36qjH0xrfO+t94yA6NAcDYNg4GgOjIDxgAtAAu7u7u7XPgC6qGQHpUGgOyoGwclQHA3KgHRqVAHjMqAFsVUwAJU/F3JFOFCQLwxbOw==';

test('no more bytes are made than are allowed (BZ1)', () => {
  const bomb = bzip2(Buffer.alloc(259 * 50));
  expect(bunzip2(bomb, { maxBytes: 259 * 50 })).toHaveLength(259 * 50);
  expect(refusalOf(bomb, { maxBytes: 259 * 50 - 1 })).toMatchObject({ code: 'ARCHIVE_LIMIT' });
});

test('a stream that is cut, or of which any bit differs, is refused or means the same (BZ2, BZ3)', () => {
  const content = Buffer.from('the quick brown fox jumps over the lazy dog, the quick dog');
  const compressed = bzip2(content);
  for (let end = 0; end < compressed.length; end += 1)
    expect(refusalOf(compressed.subarray(0, end)).code).toMatch(/^ARCHIVE_(INVALID|DAMAGED)$/);
  for (let bit = 0; bit < compressed.length * 8; bit += 1) {
    const mutated = Buffer.from(compressed);
    mutated[bit >> 3]! ^= 0x80 >> (bit & 7);
    let output: Uint8Array;
    try {
      output = bunzip2(mutated, limits);
    } catch (error) {
      expect(error).toBeInstanceOf(DepotError);
      continue;
    }
    expect(Buffer.from(output).equals(content)).toBe(true);
  }
});

test.each([
  ['another format', Buffer.from('PK\u0003\u0004'), 'ARCHIVE_INVALID', /BZh/],
  [
    'something after its end',
    Buffer.concat([bzip2(Buffer.from('a')), Buffer.from('x')]),
    'ARCHIVE_DAMAGED',
    /follows/,
  ],
  ['a level that does not exist', Buffer.from('BZh0rubbish'), 'ARCHIVE_DAMAGED', /block size/],
  ['rubbish for a block', Buffer.from('BZh9rubbish rubbish'), 'ARCHIVE_DAMAGED', /no mark/],
])('%s is refused', (_, bytes, code, message) => {
  expect(refusalOf(bytes)).toMatchObject({ code, message: expect.stringMatching(message) });
});
