/** Bits of bytes in memory, the highest of each byte first. */

export type BitReader = {
  /** At most 24. Throws `ended()` when there are fewer. */
  readonly take: (count: number) => number;
  /** Bytes of which no bit was taken. */
  readonly leftBytes: () => number;
};

export const createBitReader = (bytes: Uint8Array, ended: () => Error): BitReader => {
  let position = 0;
  let pending = 0;
  let pendingBits = 0;
  return {
    take(count) {
      while (pendingBits < count) {
        const byte = bytes[position];
        if (byte === undefined) throw ended();
        position += 1;
        pending = ((pending & 0xffffff) << 8) | byte;
        pendingBits += 8;
      }
      pendingBits -= count;
      return (pending >>> pendingBits) & ((1 << count) - 1);
    },
    leftBytes: () => bytes.length - position,
  };
};
