/** Every way in which an archive may lie, from the published attacks on readers of ZIP files and from the format. */
import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openArchive } from './archive.ts';
import {
  type HandMadeEnd,
  type HandMadeEntry,
  handMadeZip,
  memoryFile,
  packed,
  zip64Extra,
} from './hand-made-zip.fixture.ts';
import { inflateAtOnce, inflateOnThreadPool } from './inflate.ts';
import type { ArchiveLimits } from './limits.ts';

const SENTINEL = 0xffffffff;
const LOCAL_BYTES = 30;
const a: HandMadeEntry = { name: 'a', data: 'hello' };
const b: HandMadeEntry = { name: 'b', data: 'world' };
const plain = handMadeZip([a, b]);
const withDescriptor = (descriptor: Uint8Array): HandMadeEntry => ({ ...a, flags: 8, descriptor });
const bomb = Buffer.alloc(64 * 1024 * 1024);

const open = (zip: Uint8Array, limits: Partial<ArchiveLimits> = {}) =>
  openArchive(memoryFile(zip), { limits });
const refused = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) });

type Row = readonly [what: string, message: RegExp, entries: readonly HandMadeEntry[], end?: HandMadeEnd];

const invalidOnOpening: Record<string, readonly Row[]> = {
  'around the archive': [
    ['an end record in the comment', /should end at byte/, [a], { comment: handMadeZip([]) }],
    ['a whole archive in the comment', /should end at byte/, [a], { comment: plain }],
    [
      'an end record in the comment, and text after it',
      /does not end in the end record/,
      [a],
      { comment: Buffer.concat([handMadeZip([]), Buffer.from('x')]) },
    ],
    [
      'an end record in the comment that announces the rest of it',
      /should end at byte/,
      [a],
      { comment: Buffer.concat([handMadeZip([], { commentLength: 1 }), Buffer.from('x')]) },
    ],
    [
      'another record in the comment',
      /comment of the archive contains a record/,
      [a],
      { comment: packed([2, 0], [4, 0x07064b50], [2, 0]) },
    ],
    [
      'an end record that goes on in the comment',
      /truncated|should end|several disks/,
      [a],
      { comment: Buffer.from('K\x05\x06'), commentLength: 0x5000 },
    ],
    ['a comment that is announced and not there', /was truncated/, [a], { commentLength: 1 }],
    ['prepended data', /bytes that belong to no entry/, [{ ...a, before: Buffer.from('#!/bin/sh\n') }]],
    [
      'data before the directory',
      /bytes that belong to no entry/,
      [a],
      { beforeDirectory: Buffer.from('x') },
    ],
    ['data after the directory', /should end at byte/, [a], { beforeEnd: Buffer.from('x') }],
    ['data between entries', /bytes that belong to no entry/, [a, { ...b, before: Buffer.from('x') }]],
  ],
  'in the end records': [
    ['too high a count', /announces 3 entries, .* has 2/, [a, b], { count: 3 }],
    ['too low a count', /announces 1 entries, .* has 2/, [a, b], { count: 1 }],
    ['two counts', /several disks/, [a, b], { countHere: 1 }],
    ['a disk number', /several disks.* zip -s 0/, [a], { disk: 1 }],
    ['a disk number left to a ZIP64 record that is not there', /there is none/, [a], { disk: 0xffff }],
    ['a count left to a ZIP64 record that is not there', /there is none/, [a], { countHere: 0xffff }],
    ['a disk number, with ZIP64', /several disks/, [a], { disk: 1, zip64: {} }],
    ['two counts, with ZIP64', /disagree/, [a, b], { countHere: 1, zip64: {} }],
    ['a directory that begins elsewhere', /should end at byte/, [a], { offset: 1 }],
    ['a directory of another size', /should end at byte/, [a, b], { size: 47 }],
    ['a sentinel without ZIP64 records', /there is none/, [a], { offset: SENTINEL }],
    ['two counts, one in ZIP64', /disagree/, [a], { zip64: { count: 2 } }],
    ['two offsets, one in ZIP64', /disagree/, [a], { zip64: { offset: 0 } }],
    [
      'an impossible ZIP64 number',
      /more than the size of any file/,
      [a],
      { offset: SENTINEL, zip64: { offset: 2 ** 60 } },
    ],
    ['a locator that points elsewhere', /does not point/, [a], { zip64: { locatorOffset: 0 } }],
    ['a ZIP64 record with data of its own', /data of its own/, [a], { zip64: { recordSize: 45 } }],
    ['several disks in ZIP64', /several disks/, [a], { zip64: { disks: 2 } }],
  ],
  'in names': [
    ['a way out', /segment/, [{ ...a, name: '../a' }]],
    ['a way out in the middle', /segment/, [{ ...a, name: 'x/../../a' }]],
    ['a dot', /segment/, [{ ...a, name: './a' }]],
    ['an empty segment', /segment/, [{ ...a, name: 'x//a' }]],
    ['an absolute path', /absolute/, [{ ...a, name: '/etc/passwd' }]],
    ['a drive letter', /absolute/, [{ ...a, name: 'C:a' }]],
    ['a backslash', /backslash.* Windows/, [{ ...a, name: 'x\\a' }]],
    ['a NUL', /has the invisible character U\+0000/, [{ ...a, name: 'a\0b' }]],
    ['a line feed', /has the invisible character U\+000A/, [{ ...a, name: 'a\nb' }]],
    [
      'a terminal escape',
      /has the invisible character U\+009B/,
      [{ ...a, name: 'a\u009b2J', flags: 1 << 11 }],
    ],
    ['a bidirectional override', /U\+202E/, [{ ...a, name: 'a\u202egpj.bin', flags: 1 << 11 }]],
    ['a zero-width space', /U\+200B/, [{ ...a, name: 'a\u200bb', flags: 1 << 11 }]],
    ['a no-break space', /U\+00A0/, [{ ...a, name: 'a\u00a0b', flags: 1 << 11 }]],
    ['nothing', /is empty/, [{ ...a, name: '' }]],
    ['only a slash', /is empty/, [{ name: '/' }]],
    ['another normal form', /normal form/, [{ ...a, name: 'u\u0308', flags: 1 << 11 }]],
    ['broken UTF-8', /not UTF-8/, [{ ...a, name: Buffer.from([0x61, 0xff]), flags: 1 << 11 }]],
    ['an unmarked code page', /not marked as UTF-8/, [{ ...a, name: Buffer.from([0x61, 0x81]) }]],
    ['a name twice', /twice/, [a, a]],
    [
      'names that differ in case',
      /twice/,
      [
        { ...a, name: 'A.txt' },
        { ...b, name: 'a.TXT' },
      ],
    ],
    [
      'names that differ in case, beyond ASCII',
      /twice/,
      ['straße', 'STRASSE'].map(name => ({ name, flags: 1 << 11 })),
    ],
    ['a file and a folder of one name', /twice/, [a, { name: 'a/' }]],
    ['a folder twice', /twice/, [{ name: 'd/' }, { name: 'd/' }]],
    ['a file in a file', /which is a file/, [a, { ...b, name: 'a/b' }]],
    ['a file where a folder is implied', /twice/, [{ ...b, name: 'a/b' }, a]],
    ['a second name in an extra field', /second name/, [{ ...a, extra: packed([2, 0x7075], [2, 0]) }]],
    [
      'a second name that begins like the first',
      /second name/,
      [{ ...a, extra: Buffer.concat([packed([2, 0x7075], [2, 7]), Buffer.alloc(5), Buffer.from('ab')]) }],
    ],
    [
      'a second name in the local header',
      /second name/,
      [{ ...a, local: { extra: packed([2, 0x7075], [2, 0]) } }],
    ],
  ],
  'in the kind of an entry': [
    ['a symbolic link', /not a plain file/, [{ ...a, central: { attributes: 0o120777 * 0x10000 } }]],
    ['a device', /not a plain file/, [{ ...a, central: { attributes: 0o060644 * 0x10000 } }]],
    [
      'a link from another host',
      /not a plain file/,
      [{ ...a, central: { attributes: 0o120777 * 0x10000, madeBy: 20 } }],
    ],
    [
      'a folder called like a file',
      /not a plain file/,
      [{ ...a, central: { attributes: 0o040755 * 0x10000 } }],
    ],
    [
      'a folder for MS-DOS, called like a file',
      /not a plain file/,
      [{ ...a, central: { attributes: 0x10 } }],
    ],
    [
      'a file called like a folder',
      /not a plain file/,
      [{ name: 'd/', central: { attributes: 0o100644 * 0x10000 } }],
    ],
    ['a folder with data', /folder with data/, [{ name: 'd/', data: 'x', central: { attributes: 0x10 } }]],
    ['a volume label', /volume label/, [{ ...a, central: { attributes: 0x08 } }]],
    ['encryption', /without a password/, [{ ...a, flags: 1 }]],
    ['strong encryption', /encrypted/, [{ ...a, flags: 1 << 6 }]],
    ['masked headers', /encrypted/, [{ ...a, flags: 1 << 13 }]],
    ['patch data', /patched/, [{ ...a, flags: 1 << 5 }]],
    ['another method', /method 14 \(LZMA\)/, [{ ...a, method: 14, version: 63 }]],
    ['a newer version', /newer version/, [{ ...a, version: 63 }]],
    ['another disk', /another disk/, [{ ...a, central: { disk: 1 } }]],
    [
      'another disk, in ZIP64',
      /another disk/,
      [{ ...a, central: { disk: 0xffff, extra: packed([2, 1], [2, 4], [4, 1]) } }],
    ],
    [
      'a disk left to a ZIP64 field that is not there',
      /a disk to a ZIP64 field/,
      [{ ...a, central: { disk: 0xffff } }],
    ],
    [
      'a record in its comment',
      /comment of the entry "a" contains a record/,
      [{ ...a, central: { comment: packed([2, 7], [4, 0x06054b50]) } }],
    ],
    [
      'a folder with more than nothing needs',
      /folder with data/,
      [{ name: 'd/', method: 8, raw: Buffer.alloc(6) }],
    ],
    ['stored with two sizes', /two different sizes/, [{ ...a, central: { size: 6 } }]],
  ],
  'in local headers': [
    ['another name', /differs .* in name/, [{ ...a, local: { name: 'b' } }]],
    ['a longer name', /differs .* in name/, [{ ...a, local: { name: 'ab' } }]],
    ['another method', /differs .* method/, [{ ...a, local: { method: 8 } }]],
    ['other flags', /differs .* flags/, [{ ...a, local: { flags: 8 } }]],
    ['another CRC-32', /differs .* CRC-32/, [{ ...a, local: { crc: 1 } }]],
    ['another size', /differs .* size/, [{ ...a, local: { size: 4 } }]],
    ['another compressed size', /differs .* size/, [{ ...a, local: { compressedSize: 4 } }]],
    [
      'sizes of zero without a descriptor',
      /differs .* size/,
      [{ ...a, local: { size: 0, compressedSize: 0 } }],
    ],
    ['no header', /not where it should be/, [{ ...a, local: { signature: 0x04034b51 } }]],
    ['an extra field that ends early', /in the middle/, [{ ...a, local: { extra: packed([2, 7], [2, 1]) } }]],
    ['a stub of an extra field', /in the middle/, [{ ...a, extra: Buffer.from('abc') }]],
    [
      'two ZIP64 fields',
      /two ZIP64/,
      [{ ...a, central: { extra: Buffer.concat([zip64Extra(), zip64Extra()]) } }],
    ],
    ['a sentinel without ZIP64 field', /has none/, [{ ...a, central: { size: SENTINEL } }]],
    [
      'a ZIP64 field that says otherwise',
      /does not ask for/,
      [{ ...a, central: { extra: zip64Extra(6, 6) } }],
    ],
    [
      'a ZIP64 field that reads in two ways',
      /does not ask for/,
      [{ ...a, central: { compressedSize: SENTINEL, extra: zip64Extra(5, 5) } }],
    ],
    ['a ZIP64 field of odd length', /does not ask for/, [{ ...a, extra: packed([2, 1], [2, 4], [4, 5]) }]],
    [
      'another local size in ZIP64',
      /differs .* size/,
      [{ ...a, local: { size: SENTINEL, extra: zip64Extra(6) } }],
    ],
  ],
  'in the layout': [
    [
      'two entries that share a local header',
      /overlap/,
      [a, { ...b, omit: 'local', central: { name: 'b', offset: 0 } }],
    ],
    [
      'an entry quoted inside of another (Fifield)',
      /overlap|bytes that belong/,
      [
        {
          name: 'a',
          data: Buffer.alloc(LOCAL_BYTES + 6),
          central: { size: LOCAL_BYTES + 42, compressedSize: LOCAL_BYTES + 42 },
          local: { size: LOCAL_BYTES + 42, compressedSize: LOCAL_BYTES + 42 },
        },
        b,
      ],
    ],
    [
      'an entry that reaches into the directory',
      /into the central directory/,
      [{ ...a, size: 6, compressedSize: 6 }],
    ],
    ['a local header beyond the directory', /belong to no entry/, [{ ...a, central: { offset: 1000 } }]],
    [
      'a local header that the directory cuts',
      /belong to no entry|into the central/,
      [{ ...a, omit: 'local' }],
    ],
    ['an entry that the directory leaves out', /bytes that belong/, [a, { ...b, omit: 'central' }]],
    [
      'something else in the directory',
      /no header where one must begin/,
      [{ ...a, central: { signature: 1 } }],
    ],
    ['a descriptor that is missing', /no form of it/, [withDescriptor(Buffer.alloc(0))]],
    ['a descriptor of an odd length', /no form of it/, [withDescriptor(Buffer.alloc(13))]],
    ['a descriptor with another CRC-32', /differs/, [withDescriptor(packed([4, 1], [4, 5], [4, 5]))]],
    [
      'a descriptor with another size',
      /differs/,
      [withDescriptor(packed([4, crc32('hello')], [4, 5], [4, 6]))],
    ],
    ['a descriptor without its flag', /bytes that belong/, [{ ...a, descriptor: Buffer.alloc(16) }]],
  ],
};

describe('refused on opening', () => {
  for (const [where, rows] of Object.entries(invalidOnOpening)) {
    for (const [what, message, entries, end] of rows) {
      test(`${where}: ${what}`, async () => {
        await expect(open(handMadeZip(entries, end))).rejects.toMatchObject(
          refused('ARCHIVE_INVALID', message),
        );
      });
    }
  }

  test('a file that is no archive', async () => {
    await expect(open(new Uint8Array())).rejects.toMatchObject(refused('ARCHIVE_INVALID', /too short/));
    await expect(open(Buffer.alloc(100))).rejects.toMatchObject(
      refused('ARCHIVE_INVALID', /another kind of file/),
    );
  });

  test('trailing bytes', async () => {
    const trailed = Buffer.concat([plain, Buffer.from('\n')]);
    await expect(open(trailed)).rejects.toMatchObject(
      refused('ARCHIVE_INVALID', /does not end in the end record/),
    );
  });

  test('an archive that is cut anywhere, even at the borders of its records', async () => {
    for (let length = 0; length < plain.length; length += 1) {
      await expect(open(plain.subarray(0, length)), `cut at ${length}`).rejects.toMatchObject({
        code: 'ARCHIVE_INVALID',
      });
      await expect(open(plain.subarray(plain.length - length)), `only ${length}`).rejects.toMatchObject({
        code: 'ARCHIVE_INVALID',
      });
    }
  });
});

describe('refused for its cost, with the numbers', () => {
  test.each<
    [what: string, limits: Partial<ArchiveLimits>, zip: Buffer, detail: { actual: number; limit: number }]
  >([
    ['entries', { maxEntries: 1 }, plain, { actual: 2, limit: 1 }],
    ['directory', { maxDirectoryBytes: 93 }, plain, { actual: 94, limit: 93 }],
    ['name', {}, handMadeZip([{ name: 'x'.repeat(1025) }]), { actual: 1025, limit: 1024 }],
    [
      'extra field',
      {},
      handMadeZip([{ ...a, central: { extra: Buffer.alloc(8193) } }]),
      { actual: 8193, limit: 8192 },
    ],
    [
      'local extra field',
      {},
      handMadeZip([{ ...a, local: { extra: Buffer.alloc(8193) } }]),
      { actual: 8193, limit: 8192 },
    ],
    ['entry', { maxEntryBytes: 4 }, plain, { actual: 5, limit: 4 }],
    ['all entries', { maxTotalBytes: 9 }, plain, { actual: 10, limit: 9 }],
    [
      'an honest bomb, where the ratio is limited',
      { maxInflateRatio: 200 },
      handMadeZip([{ name: 'bomb', data: bomb, deflate: true }]),
      { actual: bomb.length, limit: 16 * 1024 ** 2 },
    ],
  ])('%s', async (_, limits, zip, detail) => {
    await expect(open(zip, limits)).rejects.toMatchObject({ code: 'ARCHIVE_LIMIT', detail });
  });
});

describe.each([
  ['on the thread pool', inflateOnThreadPool],
  ['at once', inflateAtOnce],
])('refused while it is read, inflating %s', (_, inflate) => {
  const deflated = deflateRawSync('hello');
  test.each<[what: string, message: RegExp, entry: HandMadeEntry]>([
    ['a wrong CRC-32, stored', /CRC-32 is 3610a686 instead of 00000001/, { ...a, crc: 1 }],
    ['a wrong CRC-32, deflated', /CRC-32/, { ...a, deflate: true, crc: 1 }],
    ['one flipped bit', /CRC-32/, { ...a, raw: Buffer.from('hellO') }],
    [
      'a bomb that lies about its size',
      /more than the announced 5 bytes/,
      { ...a, method: 8, raw: deflateRawSync(bomb) },
    ],
    ['one byte more than promised', /more than the announced 4/, { ...a, deflate: true, size: 4 }],
    ['one byte less than promised', /has 5 bytes instead of 6/, { ...a, deflate: true, size: 6 }],
    [
      'nothing where something was promised',
      /has 0 bytes instead of 5/,
      { ...a, method: 8, raw: deflateRawSync('') },
    ],
    [
      'something where nothing was promised',
      /more than the announced 0/,
      { ...a, deflate: true, size: 0, crc: 0 },
    ],
    ['a stream that is no deflate', /broken/, { ...a, method: 8, raw: Buffer.alloc(100, 0xff) }],
    ['a stream that is cut', /broken/, { ...a, method: 8, raw: deflated.subarray(0, -2) }],
    ['no stream at all', /broken|has 0 bytes/, { ...a, method: 8, raw: Buffer.alloc(0) }],
    [
      'data after the stream',
      /ends after 7 of its 8 bytes/,
      { ...a, method: 8, raw: Buffer.concat([deflated, Buffer.alloc(1)]) },
    ],
    [
      'megabytes after the stream',
      /ends after 7 of its/,
      { ...a, method: 8, raw: Buffer.concat([deflated, Buffer.alloc(5_000_000)]) },
    ],
  ])('%s', async (_, message, entry) => {
    const archive = await openArchive(memoryFile(handMadeZip([entry])), { inflate });
    const { read, entries } = archive;
    let received = 0;
    const reading = (async () => {
      for await (const chunk of read(entries.get('a')!)) received += chunk.length;
    })();
    const error = await reading.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: 'ARCHIVE_DAMAGED',
      message: 'cannot read the entry "a"',
      detail: { entry: 'a' },
    });
    expect((error as Error).cause).toMatchObject({
      code: 'ARCHIVE_DAMAGED',
      message: expect.stringMatching(message),
    });
    expect(received, 'never more than promised').toBeLessThanOrEqual(entries.get('a')!.sizeBytes);
  });
});

test.each<[what: string, message: RegExp, raw: Uint8Array]>([
  ['content', /more than the announced 0/, deflateRawSync('x')],
  ['bytes that are no deflate stream', /broken/, Buffer.from([0xff, 0xff])],
  ['bytes after the stream', /ends after 2 of its 4 bytes/, Buffer.from([3, 0, 0, 0])],
])('refused on opening, in a folder: %s', async (_, message, raw) => {
  const opening = open(handMadeZip([{ name: 'd/', method: 8, raw }]));
  await expect(opening).rejects.toMatchObject({
    code: 'ARCHIVE_DAMAGED',
    cause: { message: expect.stringMatching(message) },
  });
});
