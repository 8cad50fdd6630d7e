/** Limits of an archive. Each is far above a real release and far below a harmful cost. */
export type ArchiveLimits = {
  /** A release has hundreds of targets; parsing and sorting this many stays within one turn of the event loop. */
  readonly maxEntries: number;
  readonly maxNameBytes: number;
  /** Of one entry: writers align data by padding an extra field, at most to a page. */
  readonly maxExtraFieldBytes: number;
  readonly maxDirectoryBytes: number;
  /** Uncompressed size of one entry: `limits.artifact_bytes`. */
  readonly maxEntryBytes: number;
  /** Uncompressed size of all entries together: twice `limits.repository_bytes`, since no release inflates to more. */
  readonly maxTotalBytes: number;
  /**
   * Uncompressed to compressed, for entries above {@link ratioFreeBytes}. An image of a disk that is mostly empty has
   * the highest ratio there is, so by default only the sizes, known before anything is read, limit what inflating costs.
   */
  readonly maxInflateRatio: number;
  /** Smaller entries may have any ratio: a page of zeros is no bomb. */
  readonly ratioFreeBytes: number;
};

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** More than deflate can reach, which is 1032: a match of 258 bytes in two bits. */
export const ANY_INFLATE_RATIO = 1100;

export const ARCHIVE_LIMITS: ArchiveLimits = {
  maxEntries: 32_768,
  maxNameBytes: 1_024,
  maxExtraFieldBytes: 8_192,
  maxDirectoryBytes: 16 * MIB,
  maxEntryBytes: 2 * GIB,
  maxTotalBytes: 8 * GIB,
  maxInflateRatio: ANY_INFLATE_RATIO,
  ratioFreeBytes: 16 * MIB,
};

/** The settings that stand for limits of entries. */
export type EntryBytes = { readonly artifactBytes: number; readonly repositoryBytes: number };

export const entryLimits = ({ artifactBytes, repositoryBytes }: EntryBytes) => ({
  maxEntryBytes: artifactBytes,
  maxTotalBytes: 2 * repositoryBytes,
});

export const DEFAULT_ENTRY_BYTES: EntryBytes = {
  artifactBytes: ARCHIVE_LIMITS.maxEntryBytes,
  repositoryBytes: ARCHIVE_LIMITS.maxTotalBytes / 2,
};

/** For an archive that was verified under its limits: a limit that changed since must not block it. */
export const ALREADY_ACCEPTED = {
  maxEntries: Number.POSITIVE_INFINITY,
  maxDirectoryBytes: Number.POSITIVE_INFINITY,
  maxEntryBytes: Number.POSITIVE_INFINITY,
  maxTotalBytes: Number.POSITIVE_INFINITY,
  maxInflateRatio: Number.POSITIVE_INFINITY,
} as const satisfies Partial<ArchiveLimits>;
