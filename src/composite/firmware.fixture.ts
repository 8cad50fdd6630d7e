/** Firmware archives as builders make them, made by hand: a caboose in a flash image in an ELF file in a ZIP file. */
import { deflateRawSync } from 'node:zlib';
import { bzip2 } from '../archive/bzip2.fixture.ts';
import { type HandMadeEntry, handMadeZip, packed } from '../archive/hand-made-zip.fixture.ts';

export type CabooseValues = Readonly<Partial<Record<'BORD' | 'NAME' | 'VERS' | 'SIGN' | 'GITC', string>>>;

const crc32c = (bytes: Uint8Array): number => {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
};

export const chunk = (tag: string, text: string | Uint8Array, { checksumOff = 0 } = {}): Buffer => {
  const body = Buffer.from(text);
  const tagWord = Buffer.from(tag).readUInt32LE();
  const header = Number(0xffffffffn - ((BigInt(tagWord) * 0x6b329f69n + BigInt(body.length)) & 0xffffffffn));
  const padding = Buffer.alloc((4 - (body.length % 4)) % 4);
  return Buffer.concat([
    packed([4, tagWord], [4, body.length], [4, header]),
    body,
    padding,
    packed([4, (crc32c(body) + checksumOff) >>> 0]),
  ]);
};

const CABOOSE_BYTES = 256;

/** The content of a flash with these chunks in its caboose. */
export const flashWith = (
  chunks: Uint8Array,
  {
    headerOffset = 0x298,
    magic = 0x64ced6ca,
    length = 1024,
    mark = 0xcab0005e,
    cabooseBytes = CABOOSE_BYTES,
  } = {},
): Buffer => {
  const flash = Buffer.alloc(1024);
  flash.writeUInt32LE(magic, headerOffset);
  flash.writeUInt32LE(length, headerOffset + 4);
  flash.writeUInt32LE(mark, 1024 - CABOOSE_BYTES);
  Buffer.from(chunks).copy(flash, 1024 - CABOOSE_BYTES + 4);
  flash.writeUInt32LE(cabooseBytes, 1020);
  return flash;
};

export const caboose = (values: CabooseValues): Buffer =>
  flashWith(Buffer.concat(Object.entries(values).map(([tag, value]) => chunk(tag, value))));

export type ElfSection = {
  readonly address: number;
  readonly content: Uint8Array;
  readonly flags?: number;
  readonly type?: number;
};

export const elfOf = (...sections: readonly ElfSection[]): Buffer => {
  const contents = Buffer.concat(sections.map(({ content }) => content));
  let offset = 52;
  const headers = sections.map(({ address, content, flags = 3, type = 1 }) => {
    const header = packed([4, 0], [4, type], [4, flags], [4, address], [4, offset], [4, content.length]);
    offset += content.length;
    return Buffer.concat([header, Buffer.alloc(16)]);
  });
  const head = Buffer.alloc(52);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]).copy(head);
  head.writeUInt32LE(52 + contents.length, 32);
  head.writeUInt16LE(40, 46);
  head.writeUInt16LE(sections.length, 48);
  return Buffer.concat([head, contents, ...headers]);
};

/** `bytes` as the file of an archive, packed by one of the three methods. */
export const packedFile = (
  name: string,
  bytes: Uint8Array,
  method: 'stored' | 'deflate' | 'bzip2' = 'stored',
): HandMadeEntry => {
  if (method === 'stored') return { name, data: bytes };
  return method === 'deflate'
    ? { name, data: bytes, raw: deflateRawSync(bytes), method: 8 }
    : { name, data: bytes, raw: bzip2(bytes), method: 12 };
};

export const firmwareArchive = (
  entries: readonly HandMadeEntry[],
  comment = 'hubris build archive v9',
): Buffer => handMadeZip(entries, { comment: Buffer.from(comment) });

/** An image that says this of itself; `content` makes it differ from others that say the same. */
export const firmware = (
  values: CabooseValues,
  {
    method = 'deflate',
    content = '',
  }: { readonly method?: 'stored' | 'deflate' | 'bzip2'; readonly content?: string } = {},
): Buffer =>
  firmwareArchive([
    { name: 'app.toml', data: `name = ${content}` },
    packedFile('img/final.elf', elfOf({ address: 0x0800_0000, content: caboose(values) }), method),
  ]);

export const spImage = (board: string, { name = board, content = '' } = {}): Buffer =>
  firmware({ GITC: 'abc', BORD: board, NAME: name, VERS: '1.0.0' }, { method: 'bzip2', content });

export const signedImage = (board: string, sign: string | undefined, content = ''): Buffer =>
  firmware(
    { BORD: board, NAME: board, VERS: '1.0.0', ...(sign !== undefined && { SIGN: sign }) },
    { content },
  );
