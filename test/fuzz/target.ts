/**
 * What is fuzzed: a reader of untrusted bytes, seeds it accepts, and what has to hold of any bytes at all.
 *
 * F1. A reader answers with a value or refuses with an error of its own codes: no other error, no crash.
 * F2. It ends within {@link MAX_MS} and keeps less than {@link MAX_RETAINED_BYTES} beyond its input.
 * F3. It reads nothing outside of the file.
 * F4. It gives the same answer to the same bytes, whole or in pieces: an acceptance is one that every read agrees on.
 */

/** Thousands of times what a seed takes; the machine may be busy. */
export const MAX_MS = 10_000;
export const MAX_RETAINED_BYTES = 64 * 1024 * 1024;

/** An answer as text, equal for equal meanings; or `refused CODE`. Of several readers, separated by commas. */
export type Verdict = string;

export type FuzzTarget = {
  readonly name: string;
  /** Small inputs that are accepted; mutations start from them. */
  readonly seeds: () => Promise<readonly Uint8Array[]>;
  /** Words of the format that bytes are spliced with. */
  readonly words: readonly (string | Uint8Array)[];
  /** Throws what breaks F1, F3 or F4. `pieceBytes` is how the bytes are handed out, where that is the caller's. */
  readonly judge: (bytes: Uint8Array, options: { readonly pieceBytes: number }) => Promise<Verdict>;
};
