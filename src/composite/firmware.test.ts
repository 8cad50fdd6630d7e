import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packed } from '../archive/hand-made-zip.fixture.ts';
import {
  caboose,
  chunk,
  elfOf,
  firmware,
  firmwareArchive,
  flashWith,
  packedFile,
  signedImage,
  spImage,
} from './firmware.fixture.ts';
import { readFirmware } from './firmware.ts';

const SP = { kind: 'sp' } as const;
const elfFile = (elf: Uint8Array) => firmwareArchive([packedFile('img/final.elf', elf)]);
const inFlash = (flash: Uint8Array) => elfFile(elfOf({ address: 0, content: flash }));
const sp = (board: string) => ({ outcome: 'read', tags: { kind: 'sp', sp_board: board } });

test('an image says its board, and which keys signed it, whatever packs it', () => {
  for (const method of ['stored', 'deflate', 'bzip2'] as const) {
    const image = firmware({ BORD: 'gimlet-d', NAME: 'gimlet-d', SIGN: 'cafe' }, { method });
    expect(readFirmware(image, SP)).toEqual(sp('gimlet-d'));
    expect(readFirmware(image, { kind: 'rot_bootloader' })).toEqual({
      outcome: 'read',
      tags: { kind: 'rot_bootloader', rot_board: 'gimlet-d', rot_rkth: 'cafe' },
    });
    expect(readFirmware(image, { kind: 'rot', slot: 'b' })).toEqual({
      outcome: 'read',
      tags: { kind: 'rot', rot_board: 'gimlet-d', rot_rkth: 'cafe', rot_slot: 'b' },
    });
  }
  const unsigned = signedImage('oxide-rot-1', undefined);
  expect(readFirmware(unsigned, { kind: 'rot', slot: 'a' })).toEqual({
    outcome: 'read',
    tags: { kind: 'rot', rot_board: 'oxide-rot-1', rot_slot: 'a' },
  });
});

test('an image of a service processor whose name is not its board is for a laboratory (FW2)', () => {
  expect(readFirmware(spImage('gimlet-d', { name: 'gimlet-d-lab' }), SP)).toEqual({
    outcome: 'laboratory',
    board: 'gimlet-d',
    name: 'gimlet-d-lab',
  });
  expect(readFirmware(firmware({ BORD: 'nameless' }), SP)).toEqual(sp('nameless'));
});

test('the image header is at one of four places, with one of two marks', () => {
  const chunks = chunk('BORD', 'b');
  for (const headerOffset of [0xbc, 0xc0, 0x130, 0x298])
    for (const magic of [0x15356637, 0x64ced6ca])
      expect(readFirmware(inFlash(flashWith(chunks, { headerOffset, magic })), SP)).toEqual(sp('b'));
});

test('the flash is its loaded sections in the order of their addresses, with erased gaps (EL1, EL2)', () => {
  const flash = caboose({ BORD: 'split' });
  const [low, high] = [flash.subarray(0, 500), flash.subarray(500)];
  const parts = [
    { address: 0x8000_0000 + 500, content: high },
    { address: 0x2000_0000, content: Buffer.from('not loaded'), flags: 6 },
    { address: 0x8000_0000, content: low },
    { address: 0x1000_0000, content: Buffer.alloc(0) },
    { address: 0x1000_0000, content: Buffer.from('bss'), type: 8 },
  ];
  expect(readFirmware(elfFile(elfOf(...parts)), SP)).toEqual(sp('split'));
});

test('of equal tags the first counts, and chunks end where the filler begins (CBO1, CBO2)', () => {
  const filler = Buffer.alloc(8, 0xff);
  const chunks = Buffer.concat([chunk('BORD', 'one'), chunk('BORD', 'two'), filler, chunk('SIGN', 'late')]);
  expect(readFirmware(inFlash(flashWith(chunks)), { kind: 'rot_bootloader' })).toEqual({
    outcome: 'read',
    tags: { kind: 'rot_bootloader', rot_board: 'one' },
  });
});

const elfOfBoard = elfOf({ address: 0, content: caboose({ BORD: 'b' }) });
const word = (bytes: Buffer, offset: number, value: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed.writeUInt32LE(value, offset);
  return changed;
};
const file = packedFile('img/final.elf', elfOfBoard);

test.each<[string, Uint8Array, RegExp]>([
  ['is no archive', Buffer.from('sp'), /does not end as a ZIP file/],
  ['is empty', Buffer.alloc(0), /does not end as a ZIP file/],
  ['has no comment', firmwareArchive([file], ''), /comment/],
  ['has another comment', firmwareArchive([file], 'hubris build archive'), /comment/],
  ['lacks the image', firmwareArchive([packedFile('img/final.bin', elfOfBoard)]), /has no img\/final.elf/],
  ['has the image twice', firmwareArchive([file, file]), /twice/],
  ['is encrypted', firmwareArchive([{ ...file, flags: 1 }]), /encrypted/],
  ['is packed in an unknown way', firmwareArchive([{ ...file, method: 93 }]), /method 93/],
  ['is no deflate stream', firmwareArchive([{ ...file, method: 8 }]), /cannot be inflated/],
  ['is no bzip2 stream', firmwareArchive([{ ...file, method: 12 }]), /BZh/],
  ['has another checksum', firmwareArchive([{ ...file, crc: 1 }]), /CRC-32/],
  ['announces another size', firmwareArchive([{ ...file, size: 3 }]), /instead of 3/],
  ['announces a huge size', firmwareArchive([{ ...file, size: 0xfffffff0 }]), /limit is 16777216/],
  [
    'points outside',
    firmwareArchive([{ ...file, central: { offset: 0x7fffffff } }]),
    /not inside of the archive/,
  ],
  ['points at no header', firmwareArchive([{ ...file, central: { offset: 3 } }]), /no header of its own/],
  ['is longer than its archive', firmwareArchive([{ ...file, compressedSize: 100_000 }]), /not inside/],
  ['is no ELF file', elfFile(Buffer.alloc(100)), /no 32-bit little-endian ELF/],
  ['is a short ELF file', elfFile(Buffer.from('\u007fELF')), /too short/],
  ['has a section table outside', elfFile(word(elfOfBoard, 32, 0xfffffff0)), /section table/],
  ['has a section outside', elfFile(word(elfOfBoard, 52 + 1024 + 20, 0xfffffff0)), /not inside of its file/],
  [
    'has sections far apart',
    elfFile(
      elfOf({ address: 0, content: Buffer.alloc(8) }, { address: 0xfffffff0, content: Buffer.alloc(8) }),
    ),
    /size of a firmware image/,
  ],
  [
    'has sections that overlap',
    elfFile(elfOf({ address: 0, content: Buffer.alloc(8) }, { address: 4, content: Buffer.alloc(8) })),
    /overlap/,
  ],
  ['has no sections', elfFile(elfOf()), /no image header/],
  ['has no image header', inFlash(flashWith(Buffer.alloc(0), { magic: 1 })), /no image header/],
  ['is longer than its flash', inFlash(flashWith(Buffer.alloc(0), { length: 4096 })), /longer than it is/],
  ['has no caboose', inFlash(flashWith(Buffer.alloc(0), { mark: 1 })), /no caboose/],
  ['has a caboose before it', inFlash(flashWith(Buffer.alloc(0), { cabooseBytes: 0xffffff })), /no caboose/],
  ['has a caboose of nothing', inFlash(flashWith(Buffer.alloc(0), { cabooseBytes: 4 })), /no caboose/],
  ['names no board', firmware({ NAME: 'x' }), /no board/],
  ['has a damaged board', inFlash(flashWith(chunk('BORD', 'b', { checksumOff: 1 }))), /checksum/],
  ['has a board of control characters', firmware({ BORD: 'a\nb' }), /printable/],
  ['has a board that is too long', firmware({ BORD: 'x'.repeat(129) }), /printable/],
  ['has a board that is no text', inFlash(flashWith(chunk('BORD', Buffer.from([0xff])))), /UTF-8/],
])('an image that %s has no tags, and the reason is told (FW1)', (_, bytes, reason) => {
  expect(readFirmware(bytes, SP)).toEqual({ outcome: 'unreadable', reason: expect.stringMatching(reason) });
});

test('whatever differs in an archive, it is read or has a reason: nothing else happens (HA1, EL2)', () => {
  const image = Buffer.from(spImage('gimlet-d'));
  const arbEdits = fc.array(
    fc.tuple(fc.nat(image.length - 4), fc.constantFrom(0, 1, 0x7f, 0xff, 0xffffffff, 0x10000)),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(arbEdits, edits => {
      const changed = Buffer.from(image);
      for (const [offset, value] of edits) packed([4, value]).copy(changed, offset);
      expect(['read', 'laboratory', 'unreadable']).toContain(readFirmware(changed, SP).outcome);
    }),
    { numRuns: 500 },
  );
});
