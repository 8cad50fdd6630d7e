/**
 * The prefix digests of the artifacts that are transferred now: read from the database once, and kept in memory for a while.
 *
 *     hashes ─┬─ kept ───────────────────────────────────┬─▶ digests
 *             └─ not kept ─▶ one read for all of them ───┘
 *
 * PFM1. Bounded by bytes: beyond the limit, those that were used least recently are dropped, and read again when they are needed.
 * PFM2. No transfer fails for want of them: while the database does not answer, artifacts have none, and are transferred whole.
 * PFM3. What was read counts for a time only: an upload may bring some, or replace wrong ones.
 */
import type { ArtifactHash } from '../../core/ids.ts';
import type { PrefixDigests } from '../../core/prefix-digests.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';

/** Those of 200 GiB of artifacts. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Of an entry without its digests, about. */
const ENTRY_BYTES = 256;
const FOUND_MS = 3_600_000;
/** Also after a read that failed: otherwise each transfer would wait for a database that does not answer. */
const NOT_FOUND_MS = 60_000;

export type PrefixMemory = {
  /** Those of these artifacts that have some. The hashes of one plan: they are read at once. Never rejects (PFM2). */
  readonly of: (hashes: ReadonlySet<ArtifactHash>) => Promise<ReadonlyMap<ArtifactHash, PrefixDigests>>;
};

type PrefixMemoryDeps = {
  readonly datastore: Pick<ReleasePort, 'prefixDigests'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Logger;
  /** Of the process: a read is shared by all who wait for it. */
  readonly signal: AbortSignal;
  /** For tests. */
  readonly maxBytes?: number;
};

type Kept = { readonly prefixes: PrefixDigests | undefined; readonly untilMs: number };
type Read = Promise<ReadonlyMap<ArtifactHash, PrefixDigests>>;

export const createPrefixMemory = ({
  datastore,
  clock,
  log,
  signal,
  maxBytes = MAX_BYTES,
}: PrefixMemoryDeps): PrefixMemory => {
  const kept = createKept(maxBytes);
  const reading = new Map<ArtifactHash, Read>();

  const find = async (hashes: ReadonlySet<ArtifactHash>): Read => {
    try {
      return await datastore.prefixDigests(hashes, { signal });
    } catch (err) {
      if (!signal.aborted) log.warn({ err, artifacts: hashes.size }, 'prefix digests not read');
      return new Map();
    }
  };
  const read = async (hashes: ReadonlySet<ArtifactHash>): Read => {
    const found = await find(hashes);
    for (const sha256 of hashes) {
      const prefixes = found.get(sha256);
      const forMs = prefixes === undefined ? NOT_FOUND_MS : FOUND_MS;
      kept.add(sha256, { prefixes, untilMs: clock.monotonicMs() + forMs });
      reading.delete(sha256);
    }
    return found;
  };

  return {
    async of(hashes) {
      const answer = new Map<ArtifactHash, PrefixDigests>();
      const missing = new Set<ArtifactHash>();
      const awaited: (readonly [ArtifactHash, Read])[] = [];
      for (const sha256 of hashes) {
        const known = kept.use(sha256, clock.monotonicMs());
        const running = reading.get(sha256);
        if (known?.prefixes !== undefined) answer.set(sha256, known.prefixes);
        else if (running !== undefined) awaited.push([sha256, running]);
        else if (known === undefined) missing.add(sha256);
      }
      if (missing.size > 0) {
        const found = read(missing);
        for (const sha256 of missing) {
          reading.set(sha256, found);
          awaited.push([sha256, found]);
        }
      }
      for (const [sha256, found] of awaited) {
        const prefixes = (await found).get(sha256);
        if (prefixes !== undefined) answer.set(sha256, prefixes);
      }
      return answer;
    },
  };
};

/** PFM1. */
const createKept = (maxBytes: number) => {
  /** The least recently used first. */
  const entries = new Map<ArtifactHash, Kept>();
  let bytes = 0;
  const drop = (sha256: ArtifactHash): void => {
    const entry = entries.get(sha256);
    if (entry === undefined) return;
    entries.delete(sha256);
    bytes -= bytesOf(entry);
  };
  return {
    add(sha256: ArtifactHash, { prefixes, untilMs }: Kept): void {
      drop(sha256);
      // Of its own memory: the answer of a database may be a view of a larger one.
      const own = prefixes && { ...prefixes, digests: Uint8Array.from(prefixes.digests) };
      const entry = { prefixes: own, untilMs };
      entries.set(sha256, entry);
      bytes += bytesOf(entry);
      for (const oldest of entries.keys()) {
        if (bytes <= maxBytes) break;
        drop(oldest);
      }
    },
    use(sha256: ArtifactHash, nowMs: number): Kept | undefined {
      const entry = entries.get(sha256);
      if (entry === undefined) return undefined;
      if (entry.untilMs <= nowMs) {
        drop(sha256);
        return undefined;
      }
      entries.delete(sha256);
      entries.set(sha256, entry);
      return entry;
    },
  };
};

const bytesOf = ({ prefixes }: Kept): number => ENTRY_BYTES + (prefixes?.digests.length ?? 0);
