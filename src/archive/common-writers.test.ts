/** Archives as programs write them that this project does not control: each form is legal, and reads in one way only. */
import { deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openArchive } from './archive.ts';
import { type HandMadeEntry, handMadeZip, memoryFile, packed, zip64Extra } from './hand-made-zip.fixture.ts';

const SENTINEL_16 = 0xffff;
const SENTINEL_32 = 0xffffffff;
const HELLO_CRC = 0x3610a686;
const UTF8 = 1 << 11;

const hello: HandMadeEntry = { name: 'repo/a', data: 'hello' };

const extraField = (id: number, data: Uint8Array): Buffer =>
  Buffer.concat([packed([2, id], [2, data.length]), data]);

/** Sizes, offset and the number of the disk, of 28 bytes. */
const wholeZip64 = (size: number, offset: number): Buffer =>
  extraField(1, packed([8, size], [8, size], [8, offset], [4, 0]));

const unicodePath = (name: string): Buffer =>
  extraField(0x7075, Buffer.concat([packed([2, 0], [4, 0]).subarray(0, 5), Buffer.from(name)]));

const deflatedHello = deflateRawSync('hello').length;

const writers: readonly (readonly [what: string, zip: Buffer])[] = [
  [
    'a writer of ZIP64 that leaves every number of the end record to it, the disks too',
    handMadeZip([hello], {
      disk: SENTINEL_16,
      countHere: SENTINEL_16,
      count: SENTINEL_16,
      size: SENTINEL_32,
      offset: SENTINEL_32,
      zip64: {},
    }),
  ],
  [
    'DotNetZip and commons-compress, which leave the disk of an entry to ZIP64 too',
    handMadeZip([
      {
        ...hello,
        local: { size: SENTINEL_32, compressedSize: SENTINEL_32, extra: zip64Extra(5, 5) },
        central: {
          size: SENTINEL_32,
          compressedSize: SENTINEL_32,
          offset: SENTINEL_32,
          disk: SENTINEL_16,
          extra: wholeZip64(5, 0),
        },
      },
    ]),
  ],
  [
    'a writer that repeats the disk in ZIP64, although the header has it',
    handMadeZip([{ ...hello, central: { extra: wholeZip64(5, 0) } }]),
  ],
  [
    'a writer that leaves only the disk to ZIP64',
    handMadeZip([{ ...hello, central: { disk: SENTINEL_16, extra: packed([2, 1], [2, 4], [4, 0]) } }]),
  ],
  [
    'Java, which deflates the nothing in a folder, with a descriptor',
    handMadeZip([
      {
        name: 'repo/',
        deflate: true,
        flags: 8,
        local: { crc: 0, size: 0, compressedSize: 0 },
        descriptor: packed([4, 0x08074b50], [4, 0], [4, 2], [4, 0]),
      },
      hello,
    ]),
  ],
  [
    'a writer that deflates the nothing in a folder without compression',
    handMadeZip([{ name: 'repo/', method: 8, raw: Buffer.from([1, 0, 0, 0xff, 0xff]) }, hello]),
  ],
  [
    'jar, with an empty field that marks it',
    handMadeZip([{ ...hello, extra: extraField(0xcafe, Buffer.alloc(0)) }]),
  ],
  [
    'zipalign, which fills an extra field with zeros',
    handMadeZip(
      [1, 2, 3, 4, 7].map(zeros => ({
        ...hello,
        name: `repo/${zeros}`,
        local: { extra: Buffer.alloc(zeros) },
      })),
    ),
  ],
  [
    'macOS: a time, an owner, and a descriptor with its signature',
    handMadeZip([
      {
        ...hello,
        deflate: true,
        flags: 8,
        extra: extraField(0x5855, Buffer.alloc(8)),
        local: { crc: 0, size: 0, compressedSize: 0, extra: extraField(0x5855, Buffer.alloc(12)) },
        central: { madeBy: 0x0315, attributes: 0o100644 * 0x10000 + 0x4000 },
        descriptor: packed([4, 0x08074b50], [4, HELLO_CRC], [4, deflatedHello], [4, 5]),
      },
    ]),
  ],
  [
    'Python to a pipe, with large files: ZIP64 sizes of zero before the data',
    handMadeZip([
      {
        ...hello,
        flags: 8,
        local: { crc: 0, size: SENTINEL_32, compressedSize: SENTINEL_32, extra: zip64Extra(0, 0) },
        descriptor: packed([4, 0x08074b50], [4, HELLO_CRC], [8, 5], [8, 5]),
      },
    ]),
  ],
  [
    'a writer that tells the effort of its compressor in one header only',
    handMadeZip([{ ...hello, deflate: true, local: { flags: 0b110 } }]),
  ],
  [
    'a writer that repeats a UTF-8 name in an extra field',
    handMadeZip([{ name: 'repo/ä', data: 'hello', flags: UTF8, extra: unicodePath('repo/ä') }]),
  ],
  [
    'Info-ZIP and macOS, which do not mark UTF-8 names',
    handMadeZip([{ name: 'repo/targets/grüße-日本.txt', data: 'hello' }]),
  ],
  ['a comment of the archive', handMadeZip([hello], { comment: Buffer.from('v1.0.0 \u00e4 PK') })],
  ['the longest comment', handMadeZip([hello], { comment: Buffer.alloc(0xffff, 0x50) })],
  ['a comment of the archive, with ZIP64', handMadeZip([hello], { comment: Buffer.from('v1'), zip64: {} })],
  [
    'comments of entries, also the longest one',
    handMadeZip([
      { ...hello, central: { comment: Buffer.from('signed by the release team') } },
      { ...hello, name: 'repo/b', central: { comment: Buffer.alloc(0xffff, 0x4b) } },
      { ...hello, name: 'repo/c' },
    ]),
  ],
];

test.each(writers)('an archive of %s opens (ER1, CD1, LY1)', async (_, zip) => {
  const archive = await openArchive(memoryFile(zip));
  const contents = [];
  for (const entry of archive.entries.values())
    contents.push(Buffer.from(await archive.readWhole(entry, 100)).toString());
  expect(contents.length).toBeGreaterThan(0);
  expect(new Set(contents)).toEqual(new Set(['hello']));
});

test('an image that is mostly empty is read, whatever the ratio; a limit that is set still holds', async () => {
  const image = Buffer.alloc(64 * 1024 ** 2);
  const zip = handMadeZip([{ name: 'repo/targets/disk.img', data: image, deflate: true }]);
  const archive = await openArchive(memoryFile(zip));
  const entry = archive.entries.get('repo/targets/disk.img');
  expect(entry?.sizeBytes).toBe(image.length);
  await expect(openArchive(memoryFile(zip), { limits: { maxInflateRatio: 200 } })).rejects.toMatchObject({
    code: 'ARCHIVE_LIMIT',
    message: expect.stringContaining('limits.inflate_ratio'),
  });
});
