/** Knowledge of the copies on one dataset that is not on its disk; lost with the process, and learned again. */
import type { ArtifactHash } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';

export type CopyMarks = {
  /** Found bad while it could not be quarantined: not used until it is written anew or deleted. */
  readonly condemned: Map<ArtifactHash, { readonly reason: string; readonly timeMs: number }>;
  /** Its name is not durable yet: a power cut may lose it, so it does not count. */
  readonly unsynced: Set<ArtifactHash>;
  /** When the bytes were last verified, on the monotonic clock, and in which session of the dataset. */
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
 * and the receiver hashes it too.
 */
const FRESH_MS = 3_600_000;

export const isFresh = ({ marks, session }: Marked, sha256: ArtifactHash, clock: Clock): boolean => {
  const hashed = marks.hashed.get(sha256);
  return hashed?.session === session() && clock.monotonicMs() - hashed.atMs < FRESH_MS;
};

export const markRight = ({ marks, session }: Marked, sha256: ArtifactHash, clock: Clock): void => {
  marks.hashed.set(sha256, { atMs: clock.monotonicMs(), session: session() });
};

/** The file was deleted or replaced. */
export const forgetMarks = ({ marks }: Marked, sha256: ArtifactHash): void => {
  marks.condemned.delete(sha256);
  marks.hashed.delete(sha256);
};
