/** A file that is still being written, as one that is read by position: a read waits for its bytes. */
import type { RandomAccessFile } from './random-access.ts';

export type GrowingFile = {
  /** Its size is not known; `read` fills less than `target` only at the end of the whole file. */
  readonly file: RandomAccessFile;
  /** So many bytes are there now. */
  readonly grewTo: (sizeBytes: number) => void;
  /** No more come. */
  readonly ended: () => void;
};

export const createGrowingFile = (inner: Pick<RandomAccessFile, 'read'>): GrowingFile => {
  let presentBytes = 0;
  let isWhole = false;
  let change = Promise.withResolvers<void>();
  const wake = (): void => {
    change.resolve();
    change = Promise.withResolvers();
  };
  return {
    file: {
      sizeBytes: Number.MAX_SAFE_INTEGER,
      async read(target, position) {
        while (!isWhole && presentBytes < position + target.length) await change.promise;
        const length = Math.min(target.length, Math.max(0, presentBytes - position));
        return length === 0 ? 0 : inner.read(target.subarray(0, length), position);
      },
    },
    grewTo(sizeBytes) {
      presentBytes = sizeBytes;
      wake();
    },
    ended() {
      isWhole = true;
      wake();
    },
  };
};
