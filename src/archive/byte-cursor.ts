/** A stream of chunks, read as if it were one run of bytes. */

export type ByteCursor = AsyncDisposable & {
  /** The next bytes, at least one and at most `maxBytes`; undefined at the end. Valid until the next call. */
  readonly take: (maxBytes: number) => Promise<Uint8Array | undefined>;
  /** Exactly this many bytes, as a copy; undefined when there are fewer. */
  readonly exactly: (bytes: number) => Promise<Uint8Array | undefined>;
};

export const createByteCursor = (stream: AsyncIterable<Uint8Array>): ByteCursor => {
  const iterator = stream[Symbol.asyncIterator]();
  let chunk: Uint8Array = new Uint8Array();
  const take: ByteCursor['take'] = async maxBytes => {
    while (chunk.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return undefined;
      chunk = next.value;
    }
    const taken = chunk.subarray(0, maxBytes);
    chunk = chunk.subarray(taken.length);
    return taken;
  };
  return {
    take,
    async exactly(bytes) {
      const whole = new Uint8Array(bytes);
      for (let filled = 0; filled < bytes; ) {
        const piece = await take(bytes - filled);
        if (piece === undefined) return undefined;
        whole.set(piece, filled);
        filled += piece.length;
      }
      return whole;
    },
    async [Symbol.asyncDispose]() {
      await iterator.return?.();
    },
  };
};
