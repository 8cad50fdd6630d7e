/** Tar archives made by hand for tests: every field of a header can be wrong. */
import { gzipSync } from 'node:zlib';

export type HandMadeFile = {
  readonly name: string;
  readonly data?: string | Uint8Array;
  readonly type?: string;
  readonly magic?: string;
  readonly prefix?: string;
  /** The length in the header, if it is not that of the data. */
  readonly size?: string;
  /** Added to the right checksum. */
  readonly checksumOff?: number;
  readonly padding?: number;
};

const BLOCK_BYTES = 512;

export const handMadeTar = (
  files: readonly HandMadeFile[],
  { end = Buffer.alloc(2 * BLOCK_BYTES) }: { readonly end?: Uint8Array } = {},
): Buffer => Buffer.concat([...files.flatMap(blocksOf), end]);

export const handMadeTarGz = (files: readonly HandMadeFile[]): Buffer => gzipSync(handMadeTar(files));

const blocksOf = (file: HandMadeFile): Uint8Array[] => {
  const data = Buffer.from(file.data ?? '');
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(file.name, 0, 100);
  header.write('0000644\0', 100);
  header.write(file.size ?? data.length.toString(8).padStart(11, '0'), 124);
  header.write('00000000000\0', 136);
  header.write(' '.repeat(8), 148);
  header.write(file.type ?? '0', 156);
  header.write(file.magic ?? 'ustar\0' + '00', 257);
  header.write(file.prefix ?? '', 345);
  const sum = header.reduce((total, byte) => total + byte, 0) + (file.checksumOff ?? 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((BLOCK_BYTES - (data.length % BLOCK_BYTES)) % BLOCK_BYTES, file.padding ?? 0);
  return [header, data, padding];
};

/** In chunks whose length is no multiple of a block. */
export async function* inPieces(bytes: Uint8Array, pieceBytes = 333): AsyncGenerator<Uint8Array, void, void> {
  for (let start = 0; start < bytes.length; start += pieceBytes)
    yield bytes.subarray(start, start + pieceBytes);
}
