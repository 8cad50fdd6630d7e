import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { openArchive } from './archive.ts';
import { memoryFile } from './hand-made-zip.fixture.ts';
import type { RandomAccessFile } from './random-access.ts';
import { type ArchiveWriter, createArchiveWriter } from './writer.ts';

const large = Buffer.alloc(
  3_000_000,
  Uint8Array.from({ length: 7919 }, (_, i) => (i * i) % 251),
);

const written = async (fill: (writer: ArchiveWriter) => Promise<void>): Promise<Buffer> => {
  const parts: Buffer[] = [];
  const writer = createArchiveWriter({
    async write(bytes) {
      parts.push(Buffer.from(bytes));
    },
  });
  await fill(writer);
  const sizeBytes = await writer.finish();
  const zip = Buffer.concat(parts);
  expect(zip).toHaveLength(sizeBytes);
  return zip;
};

const everyKind = async (writer: ArchiveWriter) => {
  const content = [large.subarray(0, 1), large.subarray(1)];
  const sizeBytes = large.length;
  await writer.addBytes('repo/metadata/1.root.json', Buffer.from('{}'));
  await writer.add({ method: 'stored', name: 'repo/targets/grün', sizeBytes, crc32: crc32(large), content });
  await writer.add({ method: 'deflate', name: 'repo/targets/deflated', sizeBytes, content });
  await writer.add({ method: 'deflate', name: 'repo/targets/empty', sizeBytes: 0, content: [] });
};

test('what is written is read back', async () => {
  const archive = await openArchive(memoryFile(await written(everyKind)));
  const read = async (name: string) => Buffer.from(await archive.readWhole(archive.entries.get(name)!, 1e9));
  expect([...archive.entries.keys()]).toEqual([
    'repo/metadata/1.root.json',
    'repo/targets/grün',
    'repo/targets/deflated',
    'repo/targets/empty',
  ]);
  expect((await read('repo/metadata/1.root.json')).toString()).toBe('{}');
  expect((await read('repo/targets/grün')).equals(large)).toBe(true);
  expect((await read('repo/targets/deflated')).equals(large)).toBe(true);
  expect(await read('repo/targets/empty')).toHaveLength(0);
});

test('an archive without entries is one', async () => {
  expect((await openArchive(memoryFile(await written(async () => {})))).entries.size).toBe(0);
});

test('the same entries give the same bytes, whatever the clock says (ZW1)', async () => {
  const digests = [await written(everyKind), await written(everyKind)].map(zip =>
    createHash('sha256').update(zip).digest('hex'),
  );
  expect(digests[0]).toBe(digests[1]);
});

test('content that differs from its announced length is an error (ZW2)', async () => {
  const add = (sizeBytes: number, checksum: number) =>
    written(writer =>
      writer.add({
        method: 'stored',
        name: 'a',
        sizeBytes,
        crc32: checksum,
        content: [Buffer.from('hello')],
      }),
    );
  await expect(add(4, crc32('hello'))).rejects.toThrow(/"a" has 5 or more bytes, 4 were announced/);
  await expect(add(6, crc32('hello'))).rejects.toThrow(/"a" has 5 bytes, 6 were announced/);
  await expect(add(5, 1)).rejects.toThrow(/another CRC-32/);
  const deflate = { method: 'deflate', name: 'a', sizeBytes: 6, content: [Buffer.from('hello')] } as const;
  await expect(written(writer => writer.add(deflate))).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' });
});

test('the writer refuses the names that the reader refuses (ZW2)', async () => {
  for (const names of [['../a'], ['a', 'A'], ['a', 'a/b'], ['']]) {
    const adding = written(async writer => {
      for (const name of names) await writer.addBytes(name, new Uint8Array());
    });
    await expect(adding).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  }
});

test('a sink that fails ends the writing with its error', async () => {
  const full = new Error('ENOSPC');
  const writer = createArchiveWriter({ write: () => Promise.reject(full) });
  const deflate = { method: 'deflate', name: 'a', sizeBytes: large.length, content: [large] } as const;
  await expect(writer.addBytes('b', large)).rejects.toBe(full);
  await expect(writer.add(deflate)).rejects.toBe(full);
});

/** Keeps only what is not the zero chunk: an archive of many gigabytes in little memory. */
const sparseFile = (zeros: Uint8Array) => {
  const islands: { start: number; bytes: Buffer }[] = [];
  let sizeBytes = 0;
  const sink = {
    async write(bytes: Uint8Array) {
      if (bytes !== zeros) islands.push({ start: sizeBytes, bytes: Buffer.from(bytes) });
      sizeBytes += bytes.length;
    },
  };
  const file = (): RandomAccessFile => ({
    sizeBytes,
    async read(target, position) {
      target.fill(0);
      const end = position + target.length;
      for (const { start, bytes } of islands) {
        if (start >= end || start + bytes.length <= position) continue;
        const from = Math.max(start, position);
        target.set(bytes.subarray(from - start, end - start), from - position);
      }
      return target.length;
    },
  });
  return { sink, file };
};

test('entries and offsets beyond 4 GiB are written and read by ZIP64', async () => {
  const zeros = new Uint8Array(32 * 1024 ** 2);
  const chunks = 129;
  const sizeBytes = zeros.length * chunks;
  let checksum = 0;
  for (let i = 0; i < chunks; i += 1) checksum = crc32(zeros, checksum);
  const { sink, file } = sparseFile(zeros);
  const writer = createArchiveWriter(sink);
  const content = Array.from({ length: chunks }, () => zeros);
  await writer.add({ method: 'stored', name: 'large', sizeBytes, crc32: checksum, content });
  await writer.addBytes('after', Buffer.from('hello'));
  await writer.finish();

  const archive = await openArchive(file(), { limits: { maxEntryBytes: 2 * sizeBytes } });
  const after = archive.entries.get('after')!;
  expect(after.dataOffset).toBeGreaterThan(2 ** 32);
  expect(Buffer.from(await archive.readWhole(after, 5)).toString()).toBe('hello');
  expect(archive.entries.get('large')).toMatchObject({ sizeBytes, compressedBytes: sizeBytes });
});
