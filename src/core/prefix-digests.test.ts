import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  checkPrefixes,
  collectPrefixes,
  digestAt,
  fitSize,
  markCount,
  type PrefixDigests,
  SHA256_BYTES,
} from './prefix-digests.ts';

const UNIT = 8;

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

const prefixesOf = (bytes: Uint8Array, unitBytes = UNIT): PrefixDigests => ({
  unitBytes,
  digests: Buffer.concat(
    Array.from({ length: markCount(bytes.length, unitBytes) }, (_, index) =>
      sha256(bytes.subarray(0, (index + 1) * unitBytes)),
    ),
  ),
});

const arbBytes = fc.uint8Array({ maxLength: 6 * UNIT });
const arbBytesWithMarks = fc.uint8Array({ minLength: UNIT + 1, maxLength: 6 * UNIT });
/** Where the bytes are cut into chunks, some of which are empty. */
const arbCuts = fc.array(fc.nat(6 * UNIT), { maxLength: 8 });

const chunksOf = (bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
  const ends = [...cuts.map(cut => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
};

test('an artifact has a mark after each unit but the last, and the whole is none (PXD3)', () => {
  const cases = [0, 1, UNIT - 1, UNIT, UNIT + 1, 2 * UNIT, 2 * UNIT + 1, 5 * UNIT];
  expect(cases.map(sizeBytes => markCount(sizeBytes, UNIT))).toEqual([0, 0, 0, 0, 1, 1, 2, 4]);
});

test('what is collected is the digest of each prefix, however the bytes come, and the hash stays that of the whole (PXD2)', () => {
  fc.assert(
    fc.property(arbBytes, arbCuts, (bytes, cuts) => {
      const hash = createHash('sha256');
      const collector = collectPrefixes(hash, { sizeBytes: bytes.length, unitBytes: UNIT });
      for (const chunk of chunksOf(bytes, cuts)) collector.update(chunk);
      const expected = prefixesOf(bytes);
      const collected = collector.collected();
      if (bytes.length <= UNIT) expect(collected).toBeUndefined();
      else {
        expect(Buffer.from(collected!.digests).equals(expected.digests)).toBe(true);
        expect(fitSize(collected!, bytes.length)).toBe(true);
      }
      expect(hash.digest('hex')).toBe(sha256(bytes).toString('hex'));
    }),
  );
});

test('bytes beyond the size that was given add no prefix digest', () => {
  const hash = createHash('sha256');
  const bytes = randomBytes(5 * UNIT);
  const collector = collectPrefixes(hash, { sizeBytes: 2 * UNIT + 1, unitBytes: UNIT });
  collector.update(bytes);
  expect(collector.collected()!.digests).toHaveLength(2 * SHA256_BYTES);
  expect(hash.digest().equals(sha256(bytes))).toBe(true);
});

test('fewer bytes than the size that was given have the prefix digests that were reached', () => {
  const bytes = randomBytes(2 * UNIT);
  const collector = collectPrefixes(createHash('sha256'), { sizeBytes: 5 * UNIT, unitBytes: UNIT });
  expect(collector.collected()).toBeUndefined();
  collector.update(bytes);
  expect(collector.collected()!.digests).toHaveLength(2 * SHA256_BYTES);
});

test('right bytes are verified up to the last mark that they reached, and hashed to the end', () => {
  fc.assert(
    fc.property(arbBytesWithMarks, arbCuts, (bytes, cuts) => {
      const hash = createHash('sha256');
      const check = checkPrefixes(hash, prefixesOf(bytes));
      let seen = 0;
      for (const chunk of chunksOf(bytes, cuts)) {
        seen += chunk.length;
        const marks = Math.min(Math.floor(seen / UNIT), markCount(bytes.length, UNIT));
        expect(check.update(chunk)).toEqual({ verifiedBytes: marks * UNIT });
      }
      expect(hash.digest('hex')).toBe(sha256(bytes).toString('hex'));
    }),
  );
});

test('a wrong byte is found at the next mark, and nothing after it is verified (PXD4)', () => {
  fc.assert(
    fc.property(arbBytesWithMarks, arbCuts, fc.nat(), (bytes, cuts, place) => {
      const lastMark = markCount(bytes.length, UNIT) * UNIT;
      const at = place % lastMark;
      const wrong = bytes.with(at, bytes[at]! ^ 1);
      const check = checkPrefixes(createHash('sha256'), prefixesOf(bytes));
      for (const chunk of chunksOf(wrong, cuts)) check.update(chunk);
      const verifiedBytes = Math.floor(at / UNIT) * UNIT;
      expect(check.progress()).toEqual({ verifiedBytes, differsAt: verifiedBytes + UNIT });
    }),
  );
});

test('one wrong digest of right bytes ends what is verified, although the next one is right (PXD1, PXD4)', () => {
  const bytes = randomBytes(4 * UNIT);
  const { digests } = prefixesOf(bytes);
  digests[SHA256_BYTES]! ^= 1;
  const check = checkPrefixes(createHash('sha256'), { unitBytes: UNIT, digests });
  expect(check.update(bytes)).toEqual({ verifiedBytes: UNIT, differsAt: 2 * UNIT });
});

test('a digest is found at its mark, and nowhere else', () => {
  const bytes = randomBytes(2 * UNIT + 3);
  const prefixes = prefixesOf(bytes);
  expect(digestAt(prefixes, UNIT)).toEqual(sha256(bytes.subarray(0, UNIT)));
  expect(digestAt(prefixes, 2 * UNIT)).toEqual(sha256(bytes.subarray(0, 2 * UNIT)));
  for (const offset of [-UNIT, 0, 1, UNIT + 1, 3 * UNIT, Number.NaN])
    expect(digestAt(prefixes, offset)).toBeUndefined();
});

test('only digests that are all of an artifact of this size fit it', () => {
  const digests = new Uint8Array(2 * SHA256_BYTES);
  const fits = (sizeBytes: number, unitBytes = UNIT, given = digests) =>
    fitSize({ unitBytes, digests: given }, sizeBytes);
  expect([2 * UNIT + 1, 3 * UNIT].map(size => fits(size))).toEqual([true, true]);
  expect([0, UNIT, 2 * UNIT, 3 * UNIT + 1].map(size => fits(size))).toEqual([false, false, false, false]);
  for (const unitBytes of [0, -UNIT, UNIT + 0.5, Number.NaN, Number.POSITIVE_INFINITY])
    expect(fits(3 * UNIT, unitBytes), `a unit of ${unitBytes}`).toBe(false);
  expect(fits(3 * UNIT, UNIT, new Uint8Array(2 * SHA256_BYTES - 1))).toBe(false);
  expect(fits(1, UNIT, new Uint8Array(0)), 'an artifact without any').toBe(false);
});
