/** The bytes of one firmware image, taken while they pass. */
import { HUBRIS_LIMITS } from './hubris-archive.ts';

export type Image = {
  readonly see: (chunk: Uint8Array) => void;
  /** Of an image beyond the limit only the beginning, one byte more than the reader takes. */
  readonly bytes: () => Uint8Array;
};

export const createImage = (sizeBytes: number): Image => {
  const bytes = new Uint8Array(Math.min(sizeBytes, HUBRIS_LIMITS.archiveBytes + 1));
  let filled = 0;
  return {
    see(chunk) {
      const taken = chunk.subarray(0, bytes.length - filled);
      bytes.set(taken, filled);
      filled += taken.length;
    },
    bytes: () => bytes.subarray(0, filled),
  };
};
