import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { gunzip } from './gunzip.ts';
import { type HandMadeFile, handMadeTar, inPieces } from './hand-made-tar.fixture.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits } from './limits.ts';
import { readTar } from './tar.ts';

const readFiles = async (
  tar: Uint8Array,
  limits: Partial<ArchiveLimits> = {},
): Promise<Record<string, string>> => {
  const files: Record<string, string> = {};
  for await (const { name, content } of readTar(inPieces(tar), { ...ARCHIVE_LIMITS, ...limits })) {
    const pieces: Uint8Array[] = [];
    for await (const piece of content) pieces.push(Uint8Array.from(piece));
    files[name] = Buffer.concat(pieces).toString();
  }
  return files;
};

test('files come with name and content, of POSIX and of GNU archives, in chunks of any length', async () => {
  const long = 'x'.repeat(5000);
  const tar = handMadeTar([
    { name: 'oxide.json', data: '{}' },
    { name: 'empty' },
    { name: 'long', data: long, magic: 'ustar  \0' },
    { name: 'name', prefix: 'some/folder', data: '1' },
    { name: 'old', type: '\0' },
  ]);
  const files = { 'oxide.json': '{}', empty: '', long, 'some/folder/name': '1', old: '' };
  expect(await readFiles(tar)).toEqual(files);
  expect(await readFiles(Buffer.concat([tar, Buffer.alloc(9216)]))).toEqual(files);
});

test('unread content is skipped', async () => {
  const tar = handMadeTar([
    { name: 'a', data: 'a'.repeat(2000) },
    { name: 'b', data: 'b'.repeat(2000) },
    { name: 'c', data: 'c' },
  ]);
  const names: string[] = [];
  for await (const { name, content } of readTar(inPieces(tar), ARCHIVE_LIMITS)) {
    names.push(name);
    if (name === 'b') for await (const _ of content) break;
  }
  expect(names).toEqual(['a', 'b', 'c']);
});

const one: HandMadeFile = { name: 'a', data: 'hello' };

test.each<[string, Uint8Array, string, RegExp]>([
  ['a symbolic link', handMadeTar([{ ...one, type: '2' }]), 'ARCHIVE_INVALID', /no regular file/],
  ['a hard link', handMadeTar([{ ...one, type: '1' }]), 'ARCHIVE_INVALID', /no regular file/],
  ['a folder', handMadeTar([{ name: 'd/', type: '5' }]), 'ARCHIVE_INVALID', /no regular file/],
  ['a device', handMadeTar([{ name: 'd', type: '3' }]), 'ARCHIVE_INVALID', /no regular file/],
  ['a pax header', handMadeTar([{ ...one, type: 'x' }]), 'ARCHIVE_INVALID', /no regular file/],
  ['a GNU long name', handMadeTar([{ ...one, type: 'L' }]), 'ARCHIVE_INVALID', /no regular file/],
  ['a sparse file', handMadeTar([{ ...one, type: 'S' }]), 'ARCHIVE_INVALID', /no regular file/],
  ['a name that climbs', handMadeTar([{ ...one, name: '../a' }]), 'ARCHIVE_INVALID', /'\.\.' segment/],
  ['an absolute name', handMadeTar([{ ...one, name: '/etc/a' }]), 'ARCHIVE_INVALID', /absolute/],
  ['a prefix that climbs', handMadeTar([{ ...one, prefix: '..' }]), 'ARCHIVE_INVALID', /segment/],
  ['one name twice', handMadeTar([one, one]), 'ARCHIVE_INVALID', /twice/],
  ['two names of one folded form', handMadeTar([one, { name: 'A' }]), 'ARCHIVE_INVALID', /twice/],
  ['a file as a folder', handMadeTar([one, { name: 'a/b' }]), 'ARCHIVE_INVALID', /inside of/],
  ['a wrong checksum', handMadeTar([{ ...one, checksumOff: 1 }]), 'ARCHIVE_DAMAGED', /checksum/],
  [
    'a size that is no octal number',
    handMadeTar([{ ...one, size: '00000000009' }]),
    'ARCHIVE_INVALID',
    /octal/,
  ],
  [
    'a size in base 256',
    handMadeTar([{ ...one, size: '\x80\0\0\0\0\0\0\0\0\0\x05' }]),
    'ARCHIVE_INVALID',
    /octal/,
  ],
  [
    'an unknown magic',
    handMadeTar([{ ...one, magic: 'xstar\0' }]),
    'ARCHIVE_INVALID',
    /neither POSIX nor GNU/,
  ],
  ['padding with content', handMadeTar([{ ...one, padding: 7 }]), 'ARCHIVE_INVALID', /belong to no entry/],
  ['no end mark', handMadeTar([one], { end: Buffer.alloc(0) }), 'ARCHIVE_DAMAGED', /without its end mark/],
  ['half an end mark', handMadeTar([one], { end: Buffer.alloc(512) }), 'ARCHIVE_DAMAGED', /end mark/],
  ['a cut in the content', handMadeTar([one]).subarray(0, 514), 'ARCHIVE_DAMAGED', /inside of "a"/],
  [
    'a size beyond the end',
    handMadeTar([{ ...one, size: '00000031000' }]),
    'ARCHIVE_DAMAGED',
    /inside of "a"/,
  ],
  ['a cut in the header', handMadeTar([one]).subarray(0, 100), 'ARCHIVE_DAMAGED', /header/],
  [
    'content after one block of zeros',
    Buffer.concat([handMadeTar([one], { end: Buffer.alloc(512) }), handMadeTar([{ name: 'b' }])]),
    'ARCHIVE_INVALID',
    /continues after/,
  ],
  [
    'content after the end',
    Buffer.concat([handMadeTar([one]), Buffer.from('x')]),
    'ARCHIVE_INVALID',
    /after its end/,
  ],
  [
    'zeros without end',
    Buffer.concat([handMadeTar([one]), Buffer.alloc(70_000)]),
    'ARCHIVE_LIMIT',
    /zeros after the end/,
  ],
])('%s is refused (TAR1, TAR2, TAR3)', async (_, tar, code, message) => {
  await expect(readFiles(tar)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

test('an entry that exceeds a limit is refused before its content is read (TAR3)', async () => {
  const huge = handMadeTar([{ name: 'a', size: '77777777777' }]);
  await expect(readFiles(huge)).rejects.toMatchObject({ code: 'ARCHIVE_LIMIT' });
  const many = handMadeTar(Array.from({ length: 5 }, (_, index) => ({ name: `f${index}` })));
  await expect(readFiles(many, { maxEntries: 4 })).rejects.toMatchObject({ code: 'ARCHIVE_LIMIT' });
});

const unzip = async (bytes: Uint8Array, limits: Partial<ArchiveLimits> = {}): Promise<string> => {
  const options = { compressedBytes: bytes.length, limits: { ...ARCHIVE_LIMITS, ...limits } };
  const pieces: Uint8Array[] = [];
  for await (const piece of gunzip(inPieces(bytes, 3), options)) pieces.push(Uint8Array.from(piece));
  return Buffer.concat(pieces).toString();
};

const zipped = gzipSync('hello hello hello');
const changed = (at: number, value: number): Buffer => {
  const copy = Buffer.from(zipped);
  copy[at < 0 ? copy.length + at : at] = value;
  return copy;
};
const named = Buffer.concat([changed(3, 8).subarray(0, 10), Buffer.from('a.tar\0'), zipped.subarray(10)]);

test('a gzip file is read whole, with and without a name in its header', async () => {
  expect(await unzip(zipped)).toBe('hello hello hello');
  expect(await unzip(named)).toBe('hello hello hello');
  expect(await unzip(gzipSync(''))).toBe('');
});

test.each<[string, Uint8Array, string]>([
  ['another format', Buffer.from('PK\x03\x04 and so on, and so forth'), 'ARCHIVE_INVALID'],
  ['another method', changed(2, 7), 'ARCHIVE_INVALID'],
  ['flags that it does not know', changed(3, 4), 'ARCHIVE_INVALID'],
  [
    'a name without end',
    Buffer.concat([changed(3, 8).subarray(0, 10), Buffer.alloc(2000, 1)]),
    'ARCHIVE_LIMIT',
  ],
  ['a cut', zipped.subarray(0, -4), 'ARCHIVE_DAMAGED'],
  ['nothing but a header', zipped.subarray(0, 12), 'ARCHIVE_DAMAGED'],
  ['nothing', Buffer.alloc(0), 'ARCHIVE_DAMAGED'],
  ['another CRC-32', changed(-8, zipped.at(-8)! ^ 1), 'ARCHIVE_DAMAGED'],
  ['another length', changed(-1, 1), 'ARCHIVE_DAMAGED'],
  ['a broken stream', changed(12, 0xff), 'ARCHIVE_DAMAGED'],
  ['a second member', Buffer.concat([zipped, zipped]), 'ARCHIVE_DAMAGED'],
  ['something after its end', Buffer.concat([zipped, Buffer.from('x')]), 'ARCHIVE_DAMAGED'],
])('a gzip file with %s is refused (GZ1, GZ3)', async (_, bytes, code) => {
  await expect(unzip(bytes)).rejects.toMatchObject({ code });
});

test('a stream that is longer than announced is refused (GZ1)', async () => {
  const stream = inPieces(Buffer.concat([zipped, Buffer.from('x')]));
  const reading = async () => {
    for await (const _ of gunzip(stream, { compressedBytes: zipped.length, limits: ARCHIVE_LIMITS }));
  };
  await expect(reading()).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' });
});

test('a bomb is stopped at the ratio, however small it is (GZ2)', async () => {
  const bomb = gzipSync(Buffer.alloc(40 * 1024 * 1024));
  await expect(unzip(bomb, { maxInflateRatio: 200 })).rejects.toMatchObject({ code: 'ARCHIVE_LIMIT' });
  await expect(unzip(zipped, { maxTotalBytes: 16 })).rejects.toMatchObject({ code: 'ARCHIVE_LIMIT' });
});
