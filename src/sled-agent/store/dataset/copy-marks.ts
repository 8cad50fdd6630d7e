/** What is known of the copies on one dataset beside what is on its disk; lost with the process, and found out again. */
import type { ArtifactHash } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';

export type CopyMarks = {
  /** Found bad while it could not be quarantined: not used, until it is written anew or goes. */
  readonly condemned: Map<ArtifactHash, { readonly reason: string; readonly timeMs: number }>;
  /** Named, and the name is not durable yet: a power cut may take it, so nobody may count it. */
  readonly unsynced: Set<ArtifactHash>;
  /** When the bytes were last seen to be right, on the monotonic clock, and in which session of the dataset. */
  readonly hashed: Map<ArtifactHash, { readonly atMs: number; readonly session: number }>;
};

export const createMarks = (): CopyMarks => ({
  condemned: new Map(),
  unsynced: new Set(),
  hashed: new Map(),
});

/** Of a dataset. */
type Marked = { readonly marks: CopyMarks; readonly session: () => number };

/**
 * A file that is sent is hashed once an hour and not each time: hashing takes as long as sending over a fast network,
 * and whoever receives it hashes it too.
 */
const FRESH_MS = 3_600_000;

export const isFresh = ({ marks, session }: Marked, sha256: ArtifactHash, clock: Clock): boolean => {
  const hashed = marks.hashed.get(sha256);
  return hashed?.session === session() && clock.monotonicMs() - hashed.atMs < FRESH_MS;
};

export const markRight = ({ marks, session }: Marked, sha256: ArtifactHash, clock: Clock): void => {
  marks.hashed.set(sha256, { atMs: clock.monotonicMs(), session: session() });
};

/** The file went, or another took its name. */
export const forgetMarks = ({ marks }: Marked, sha256: ArtifactHash): void => {
  marks.condemned.delete(sha256);
  marks.hashed.delete(sha256);
};
