/**
 * Prefix digests: the SHA-256 of the first unit of an artifact, of its first two, and so on, so that a receiver of the bytes in their
 * order knows at each of these marks whether everything before it is right.
 *
 *     bytes ─▶ one SHA-256 ─┬─ at each mark: a copy of its state, finished ─▶ collected, or compared
 *                           └─ at the end ─▶ the hash of the artifact
 *
 * PXD1. Nobody signs them: a wrong one delays a transfer and never admits a byte. Only the signed hash of the whole makes an artifact
 *      held (G5).
 * PXD2. Every byte is hashed once: a mark takes the state of the hash as it is, and begins no other.
 * PXD3. The whole is no mark: an artifact of at most one unit has none.
 * PXD4. What is verified is a prefix up to a mark, and never grows after the first digest that differs.
 */

/** The prefix digests of one artifact; the lengths of the prefixes are 1, 2, … times the unit. */
export type PrefixDigests = {
  readonly unitBytes: number;
  /** {@link SHA256_BYTES} each, one after the other. */
  readonly digests: Uint8Array;
};

/** With the size of the artifact that they are of. */
export type SizedPrefixes = { readonly sizeBytes: number; readonly prefixes: PrefixDigests };

/** A hash in progress, such as of node:crypto. The copy is finished, the hash goes on. */
export type RunningSha256 = {
  readonly update: (bytes: Uint8Array) => unknown;
  readonly copy: () => { readonly digest: () => Uint8Array };
};

export const SHA256_BYTES = 32;

/** Of the digests that Nexus records: 32 bytes for each MiB, and a unit arrives in some milliseconds. */
export const PREFIX_UNIT_BYTES = 1024 * 1024;

/** The number of prefix digests of an artifact (PXD3). */
export const markCount = (sizeBytes: number, unitBytes: number): number =>
  Math.max(0, Math.ceil(sizeBytes / unitBytes) - 1);

/** Whether these can be all prefix digests of an artifact of this size, which has some. Their values may be any (PXD1). */
export const fitSize = ({ unitBytes, digests }: PrefixDigests, sizeBytes: number): boolean =>
  Number.isSafeInteger(unitBytes) &&
  unitBytes > 0 &&
  digests.length > 0 &&
  digests.length === markCount(sizeBytes, unitBytes) * SHA256_BYTES;

/** The digest of the first so many bytes; undefined if no mark is there. */
export const digestAt = ({ unitBytes, digests }: PrefixDigests, offset: number): Uint8Array | undefined => {
  const end = (offset / unitBytes) * SHA256_BYTES;
  const isMark = offset > 0 && offset % unitBytes === 0 && end <= digests.length;
  return isMark ? digests.subarray(end - SHA256_BYTES, end) : undefined;
};

/** Takes over the hash: all bytes of the artifact go through `update`, and none to the hash itself. */
export type PrefixCollector = {
  readonly update: (bytes: Uint8Array) => void;
  /** Of all bytes so far; undefined for an artifact that has none. */
  readonly collected: () => PrefixDigests | undefined;
};

/** Collects the prefix digests of an artifact of a known size while it is hashed. */
export const collectPrefixes = (
  hash: RunningSha256,
  { sizeBytes, unitBytes }: { readonly sizeBytes: number; readonly unitBytes: number },
): PrefixCollector => {
  const marks = markCount(sizeBytes, unitBytes);
  const digests = new Uint8Array(marks * SHA256_BYTES);
  let found = 0;
  const update = atEachMark(hash, { unitBytes, marks }, digest => {
    digests.set(digest, found * SHA256_BYTES);
    found += 1;
  });
  return {
    update,
    collected: () =>
      found === 0 ? undefined : { unitBytes, digests: digests.subarray(0, found * SHA256_BYTES) },
  };
};

/** How far the bytes so far are verified. */
export type PrefixProgress = {
  /** The length of the longest prefix with the expected digest. */
  readonly verifiedBytes: number;
  /** The length of the first prefix with another digest: wrong bytes are between `verifiedBytes` and here. */
  readonly differsAt?: number;
};

/** Takes over the hash, like {@link PrefixCollector}. */
export type PrefixCheck = {
  readonly update: (bytes: Uint8Array) => PrefixProgress;
  readonly progress: () => PrefixProgress;
};

/** Compares the bytes of an artifact with its prefix digests while it is hashed. */
export const checkPrefixes = (hash: RunningSha256, expected: PrefixDigests): PrefixCheck => {
  const { unitBytes, digests } = expected;
  let now: PrefixProgress = { verifiedBytes: 0 };
  const see = atEachMark(hash, { unitBytes, marks: digests.length / SHA256_BYTES }, (digest, offset) => {
    if (now.differsAt !== undefined) return; // PXD4
    const isSame = isEqual(digest, digestAt(expected, offset));
    now = isSame ? { verifiedBytes: offset } : { ...now, differsAt: offset };
  });
  return {
    update(bytes) {
      see(bytes);
      return now;
    },
    progress: () => now,
  };
};

/** Hashes bytes, and calls back with the digest of each prefix that ends at a mark. */
const atEachMark = (
  hash: RunningSha256,
  { unitBytes, marks }: { readonly unitBytes: number; readonly marks: number },
  onMark: (digest: Uint8Array, offset: number) => void,
): ((bytes: Uint8Array) => void) => {
  const lastMark = marks * unitBytes;
  let offset = 0;
  return bytes => {
    let rest = bytes;
    while (offset < lastMark) {
      const missing = unitBytes - (offset % unitBytes);
      if (rest.length < missing) break;
      hash.update(rest.subarray(0, missing));
      rest = rest.subarray(missing);
      offset += missing;
      onMark(hash.copy().digest(), offset);
    }
    if (rest.length === 0) return;
    hash.update(rest);
    offset += rest.length;
  };
};

const isEqual = (a: Uint8Array, b: Uint8Array | undefined): boolean =>
  b !== undefined && a.length === b.length && a.every((byte, index) => byte === b[index]);
