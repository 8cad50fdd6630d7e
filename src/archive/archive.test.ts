import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type Archive, openArchive } from './archive.ts';
import { type HandMadeEntry, handMadeZip, memoryFile, packed, zip64Extra } from './hand-made-zip.fixture.ts';
import { inflateAtOnce } from './inflate.ts';
import type { RandomAccessFile } from './random-access.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const contents = async (archive: Archive): Promise<Record<string, string>> => {
  const read: Record<string, string> = {};
  for (const entry of archive.entries.values()) read[entry.name] = text(await archive.readWhole(entry, 1e9));
  return read;
};

const collect = async (chunks: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const copies: Buffer[] = [];
  for await (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
};

/** Compresses to about a half, and spans several chunks of the read-ahead. */
const large = Buffer.alloc(
  3_500_000,
  Uint8Array.from({ length: 7919 }, (_, i) => (i * i) % 251),
);

const SENTINEL = 0xffffffff;
const hello = { crc: crc32('hello'), size: 5 };

/** As Info-ZIP writes them: times (longer in the local header) and owners. */
const extraField = (id: number, lengthBytes: number) =>
  Buffer.concat([packed([2, id], [2, lengthBytes]), Buffer.alloc(lengthBytes)]);
const owners = extraField(0x7875, 11);

describe('archives of other writers open', () => {
  const descriptorEntry = (name: string, descriptor: Uint8Array): HandMadeEntry => ({
    name,
    data: 'hello',
    deflate: true,
    flags: 8,
    local: { crc: 0, size: 0, compressedSize: 0 },
    descriptor,
  });
  const compressedSize = deflateRawSync('hello').length;

  const sorted = handMadeZip([
    { name: 'a', data: '1' },
    { name: 'b', data: '2' },
  ]);
  const [directory, headerLength] = [2 * 32, 47];
  const reordered = Buffer.concat([
    sorted.subarray(0, directory),
    sorted.subarray(directory + headerLength, directory + 2 * headerLength),
    sorted.subarray(directory, directory + headerLength),
    sorted.subarray(directory + 2 * headerLength),
  ]);

  test.each<[writer: string, zip: Buffer, expected: Record<string, string>]>([
    ['an empty one', handMadeZip([]), {}],
    [
      'Info-ZIP: folders, times and owners in extra fields',
      handMadeZip([
        { name: 'repo/', central: { attributes: 0o40755 * 0x10000 + 0x10 } },
        {
          name: 'repo/a.txt',
          data: 'hello',
          version: 10,
          extra: Buffer.concat([extraField(0x5455, 9), owners]),
          central: { extra: Buffer.concat([extraField(0x5455, 5), owners]) },
        },
        { name: 'repo/b.txt', data: 'hello hello hello hello', deflate: true },
      ]),
      { 'repo/a.txt': 'hello', 'repo/b.txt': 'hello hello hello hello' },
    ],
    [
      "python's zipfile: no file type, ZIP64 records that no field asks for",
      handMadeZip([{ name: 'a', data: 'hello', central: { attributes: 0o600 * 0x10000, madeBy: 0x0314 } }], {
        zip64: {},
      }),
      { a: 'hello' },
    ],
    [
      "Rust's zip with large files: ZIP64 sizes in the local header, and in the central one without need",
      handMadeZip([
        {
          name: 'repo/targets/a',
          data: 'hello',
          version: 45,
          local: { size: SENTINEL, compressedSize: SENTINEL, extra: zip64Extra(5, 5) },
          central: { extra: zip64Extra(5, 5) },
        },
        { name: 'repo/targets/b', data: '' },
      ]),
      { 'repo/targets/a': 'hello', 'repo/targets/b': '' },
    ],
    [
      'ZIP64 for everything',
      handMadeZip(
        [
          {
            name: 'a',
            data: 'hello',
            local: { size: SENTINEL, compressedSize: SENTINEL, extra: zip64Extra(5, 5) },
            central: {
              size: SENTINEL,
              compressedSize: SENTINEL,
              offset: SENTINEL,
              extra: zip64Extra(5, 5, 0),
            },
          },
        ],
        { count: 0xffff, size: SENTINEL, offset: SENTINEL, zip64: {} },
      ),
      { a: 'hello' },
    ],
    [
      'ZIP64 for the offset alone',
      handMadeZip([{ name: 'a', data: 'hello', central: { offset: SENTINEL, extra: zip64Extra(0) } }]),
      { a: 'hello' },
    ],
    [
      'data descriptors in all four forms',
      handMadeZip([
        descriptorEntry('a', packed([4, hello.crc], [4, compressedSize], [4, 5])),
        descriptorEntry('b', packed([4, 0x08074b50], [4, hello.crc], [4, compressedSize], [4, 5])),
        descriptorEntry('c', packed([4, hello.crc], [8, compressedSize], [8, 5])),
        descriptorEntry('d', packed([4, 0x08074b50], [4, hello.crc], [8, compressedSize], [8, 5])),
      ]),
      { a: 'hello', b: 'hello', c: 'hello', d: 'hello' },
    ],
    ['a UTF-8 name', handMadeZip([{ name: 'grüße/日本', data: 'x', flags: 1 << 11 }]), { 'grüße/日本': 'x' }],
    ['a directory that lists the entries in another order', reordered, { b: '2', a: '1' }],
  ])('%s', async (_, zip, expected) => {
    expect(await contents(await openArchive(memoryFile(zip)))).toEqual(expected);
  });
});

describe('content', () => {
  const zip = handMadeZip([
    { name: 'stored', data: large },
    { name: 'deflated', data: large, deflate: true },
    { name: 'empty', data: '' },
    { name: 'empty deflated', data: '', deflate: true },
  ]);

  test('is read whole, across the chunks of the read-ahead', async () => {
    const archive = await openArchive(memoryFile(zip));
    expect(archive.sizeBytes).toBe(zip.length);
    for (const name of ['stored', 'deflated']) {
      expect((await collect(archive.read(archive.entries.get(name)!))).equals(large)).toBe(true);
    }
    for (const name of ['empty', 'empty deflated']) {
      expect(await collect(archive.read(archive.entries.get(name)!))).toHaveLength(0);
    }
  });

  test('of a stored entry lies in the file at dataOffset, so that it can be served from there', async () => {
    const { dataOffset, sizeBytes, method } = (await openArchive(memoryFile(zip))).entries.get('stored')!;
    expect(method).toBe('stored');
    expect(zip.subarray(dataOffset, dataOffset + sizeBytes).equals(large)).toBe(true);
  });

  test.each(['stored', 'deflated'])('is read in ranges: %s', async name => {
    const archive = await openArchive(memoryFile(zip));
    const entry = archive.entries.get(name)!;
    for (const [offset, length] of [
      [0, 1],
      [1_048_575, 2],
      [3_499_999, 1],
      [0, large.length],
      [17, 0],
      [large.length, 0],
    ] as const) {
      const range = await collect(archive.readRange(entry, offset, length));
      expect(range.equals(large.subarray(offset, offset + length))).toBe(true);
    }
    expect(() => archive.readRange(entry, 1, large.length)).toThrow(RangeError);
  });

  test('is not compared with its CRC-32 for a caller that compares a hash, and still with its size (CT2)', async () => {
    const wrong = handMadeZip([
      { name: 'stored', data: 'hello', crc: 1 },
      { name: 'deflated', data: 'hello', deflate: true, crc: 1 },
      { name: 'longer', data: 'hello', deflate: true, size: 4 },
    ]);
    const archive = await openArchive(memoryFile(wrong));
    const entry = (name: string) => archive.entries.get(name)!;
    for (const name of ['stored', 'deflated']) {
      expect(`${await collect(archive.read(entry(name), { checksum: false }))}`).toBe('hello');
      expect(`${await collect(archive.readRange(entry(name), 0, 5))}`).toBe('hello');
      await expect(collect(archive.read(entry(name)))).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' });
    }
    await expect(collect(archive.read(entry('longer'), { checksum: false }))).rejects.toMatchObject({
      code: 'ARCHIVE_DAMAGED',
    });
  });

  test('is refused whole when it exceeds the caller’s buffer', async () => {
    const archive = await openArchive(memoryFile(zip));
    await expect(archive.readWhole(archive.entries.get('stored')!, large.length - 1)).rejects.toMatchObject({
      code: 'ARCHIVE_LIMIT',
      detail: { actual: large.length, limit: large.length - 1 },
    });
  });

  test('can be inflated without leaving the thread, with the same checks', async () => {
    const archive = await openArchive(memoryFile(zip), { inflate: inflateAtOnce });
    expect((await collect(archive.read(archive.entries.get('deflated')!))).equals(large)).toBe(true);
    expect(await collect(archive.read(archive.entries.get('empty deflated')!))).toHaveLength(0);
  });

  test.each(['stored', 'deflated'])(
    'ends with the reason of the signal, and no read is under way then: %s',
    async name => {
      let reading = 0;
      const memory = memoryFile(zip);
      const file: RandomAccessFile = {
        ...memory,
        async read(target, position) {
          reading += 1;
          await new Promise(resolve => setTimeout(resolve, 1));
          reading -= 1;
          return memory.read(target, position);
        },
      };
      const archive = await openArchive(file);
      const abort = new AbortController();
      const reason = new Error('enough');
      const reads = archive.read(archive.entries.get(name)!, { signal: abort.signal });
      await expect(
        (async () => {
          for await (const _ of reads) abort.abort(reason);
        })(),
      ).rejects.toBe(reason);
      expect(reading).toBe(0);
    },
  );

  test('can be left in the middle', async () => {
    const archive = await openArchive(memoryFile(zip));
    for (const name of ['stored', 'deflated']) {
      for await (const chunk of archive.read(archive.entries.get(name)!)) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
  });

  test('passes on a read error, and detects a file that became shorter', async () => {
    const broken = new Error('EIO');
    let fault: Error | 'short' | undefined;
    const memory = memoryFile(zip);
    const file: RandomAccessFile = {
      ...memory,
      async read(target, position) {
        if (fault instanceof Error) throw fault;
        const length = await memory.read(target, position);
        return fault === 'short' ? length - 1 : length;
      },
    };
    const archive = await openArchive(file);
    for (const name of ['stored', 'deflated']) {
      fault = broken;
      await expect(collect(archive.read(archive.entries.get(name)!))).rejects.toBe(broken);
      fault = 'short';
      await expect(collect(archive.read(archive.entries.get(name)!))).rejects.toMatchObject({
        code: 'ARCHIVE_DAMAGED',
      });
    }
  });
});
