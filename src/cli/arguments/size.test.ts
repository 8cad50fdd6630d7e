import { expect, test } from 'vitest';
import { parseSize } from './size.ts';

test.each([
  ['1', 1],
  ['2147483648', 2 ** 31],
  ['4GiB', 2 ** 32],
  ['4 GiB', 2 ** 32],
  ['500MiB', 500 * 2 ** 20],
  ['8191TiB', 8191 * 2 ** 40],
])('%s is a size', (text, sizeBytes) => {
  expect(parseSize(text, '--artifact-bytes')).toBe(sizeBytes);
});

test.each(['', '0', '-1', '4GB', '4gib', '1.5GiB', '0x10', '8192TiB', '999999999999999TiB', 'GiB', '4 GiB '])(
  '"%s" is refused, and the fix has an example',
  text => {
    expect(() => parseSize(text, '--artifact-bytes')).toThrow(`--artifact-bytes ${text} is not a size`);
  },
);

test('an option that is not there has no size', () => {
  expect(parseSize(undefined, '--artifact-bytes')).toBeUndefined();
});
