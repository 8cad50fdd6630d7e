/** A file that is read by position; the archive reader knows nothing else about where bytes come from. */
export type RandomAccessFile = {
  readonly sizeBytes: number;
  /**
   * Fills as much of `target` as there is from `position`; returns the number of bytes, less than
   * `target.length` only at the end of the file.
   */
  readonly read: (target: Uint8Array, position: number) => Promise<number>;
};
