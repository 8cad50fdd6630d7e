/**
 * When a sled may delete an artifact that its config does not list (T4): every one waits, and many bytes wait longer.
 *
 *     files, config ─▶ observed() ─▶ record ─▶ judged() ─▶ due now | waiting | limited
 *                      takenBack() ◀─ a config lists it again
 *
 * WT1. An artifact waits from the time at which it was first found deletable. A config that lists it again takes it back,
 *      and its wait is over; a later one begins at zero.
 * WT2. The limit: what was deleted within a day, and what waits, is together at most a share of the most bytes that the
 *      sled held within that day. Exactly the share is allowed. Beyond it nothing is deleted before the long wait is over,
 *      not even up to the share: half a release is of no use, and each sled would delete the same half.
 * WT3. What a person has allowed, and what has waited for the long wait, is due, and does not count towards the limit. So
 *      every artifact is deleted in the end (G3).
 * WT4. Half of the wait is enough where a wanted artifact needs the space; the limit holds there too.
 * WT5. Time is that of a clock which runs while the sled agent runs and may delete: stored, continued by a restart, and not set by
 *      anyone. It stands still while deletions are held, so that a config which ends the hold can still be followed by one that
 *      takes back what waits.
 *
 * The bytes of an artifact are those of its longest file, once for all datasets.
 */
import type { ArtifactHash } from './ids.ts';

export type DeletionRules = {
  /** 0: deletions do not wait. */
  readonly waitMs: number;
  /** 100: no limit. */
  readonly limitPercent: number;
  /** The long wait, beyond the limit. */
  readonly limitWaitMs: number;
};

type PendingDeletion = {
  readonly sinceMs: number;
  readonly sizeBytes: number;
  /** By a person (WT3). */
  readonly isAllowed: boolean;
  /** It was due, and its bytes are among the deleted ones: a crash before the unlink must not count them twice. */
  readonly isCounted: boolean;
};

/** An hour of the clock: the most bytes held in it, and the bytes deleted under the limit. */
type DeletionHour = {
  readonly hour: number;
  readonly peakBytes: number;
  readonly deletedBytes: number;
};

/** What a sled has to remember of its deletions. */
export type DeletionRecord = {
  readonly pending: ReadonlyMap<ArtifactHash, PendingDeletion>;
  /** The oldest first; those of the last day alone. */
  readonly hours: readonly DeletionHour[];
};

export const NO_DELETIONS: DeletionRecord = { pending: new Map(), hours: [] };

const HOUR_MS = 3_600_000;
/** Whole hours, so that what is counted is never forgotten in less than a day. */
const DAY_HOURS = 24;
/** The oldest of all hours that count, and the present one. */
export const MAX_DELETION_HOURS = DAY_HOURS + 1;

const hourOf = (clockMs: number): number => Math.floor(clockMs / HOUR_MS);

export type Observed = {
  /** Of all artifacts, wanted or not. */
  readonly heldBytes: number;
  /** With their lengths: nothing but time keeps them. */
  readonly deletable: ReadonlyMap<ArtifactHash, number>;
  /** Those whose files exist but may not be deleted now: their waits begin when they may. */
  readonly kept: ReadonlySet<ArtifactHash>;
  /** Whether every dataset was read: otherwise an artifact that was not found may be on another one. */
  readonly isComplete: boolean;
};

/** What is known after a look at all files. */
export const observed = (record: DeletionRecord, clockMs: number, seen: Observed): DeletionRecord => {
  const pending = new Map<ArtifactHash, PendingDeletion>();
  for (const [sha256, before] of record.pending)
    if (seen.deletable.has(sha256) || !(seen.isComplete || seen.kept.has(sha256)))
      pending.set(sha256, before);
  for (const [sha256, sizeBytes] of seen.deletable) {
    const before = pending.get(sha256) ?? { sinceMs: clockMs, isAllowed: false, isCounted: false };
    pending.set(sha256, { ...before, sizeBytes });
  }
  return { pending, hours: withHour(record.hours, clockMs, { peakBytes: seen.heldBytes, deletedBytes: 0 }) };
};

/** WT1 */
export const takenBack = (
  record: DeletionRecord,
  listed: { readonly has: (sha256: ArtifactHash) => boolean },
): DeletionRecord => without(record, sha256 => listed.has(sha256));

/** The files are gone. */
export const gone = (record: DeletionRecord, hashes: ReadonlySet<ArtifactHash>): DeletionRecord =>
  without(record, sha256 => hashes.has(sha256));

/** One wait of an artifact: a later wait of the same artifact is another one. */
export type Wait = { readonly sha256: ArtifactHash; readonly sinceMs: number };

/** WT3: the decision of a person, on these waits alone. */
export const allowed = (record: DeletionRecord, waits: readonly Wait[]): DeletionRecord => {
  const meant = waits.filter(({ sha256, sinceMs }) => record.pending.get(sha256)?.sinceMs === sinceMs);
  const hashes = new Set(meant.map(({ sha256 }) => sha256));
  return { ...record, pending: changed(record.pending, hashes, entry => ({ ...entry, isAllowed: true })) };
};

/** They are about to be deleted. */
export const counted = (
  record: DeletionRecord,
  clockMs: number,
  rules: DeletionRules,
  hashes: ReadonlySet<ArtifactHash>,
): DeletionRecord => {
  const under = [...record.pending].filter(
    ([sha256, entry]) => hashes.has(sha256) && isUnderLimit(entry, clockMs, rules),
  );
  const deletedBytes = sumOf(under.map(([, entry]) => entry));
  return {
    pending: changed(record.pending, new Set(under.map(([sha256]) => sha256)), entry => ({
      ...entry,
      isCounted: true,
    })),
    hours: withHour(record.hours, clockMs, { peakBytes: 0, deletedBytes }),
  };
};

export type JudgedDeletion = Wait & {
  readonly sizeBytes: number;
  /** 0 for what is due. */
  readonly remainingMs: number;
  /** Where a wanted artifact needs its space (WT4). */
  readonly isEvictable: boolean;
  readonly isLimited: boolean;
};

/** Every pending deletion, the one that waited longest first. */
export const judged = (
  record: DeletionRecord,
  clockMs: number,
  rules: DeletionRules,
): readonly JudgedDeletion[] => {
  const isBeyond = isBeyondLimit(record, clockMs, rules);
  return [...record.pending]
    .sort(([one, a], [other, b]) => a.sinceMs - b.sinceMs || (one < other ? -1 : 1))
    .map(([sha256, entry]) => {
      const waitedMs = clockMs - entry.sinceMs;
      const isLimited = isBeyond && isUnderLimit(entry, clockMs, rules);
      const waitMs = entry.isAllowed || entry.isCounted ? 0 : isLimited ? rules.limitWaitMs : rules.waitMs;
      return {
        sha256,
        sinceMs: entry.sinceMs,
        sizeBytes: entry.sizeBytes,
        remainingMs: Math.max(0, waitMs - waitedMs),
        isEvictable: !isLimited && waitedMs >= waitMs / 2,
        isLimited,
      };
    });
};

/** WT2 */
const isBeyondLimit = (
  { pending, hours }: DeletionRecord,
  clockMs: number,
  rules: DeletionRules,
): boolean => {
  if (rules.limitPercent >= 100) return false;
  const day = hours.filter(({ hour }) => isWithinDay(hour, clockMs));
  const peakBytes = Math.max(0, ...day.map(hour => hour.peakBytes));
  const deletedBytes = day.reduce((sum, hour) => sum + hour.deletedBytes, 0);
  const waitingBytes = sumOf([...pending.values()].filter(entry => isUnderLimit(entry, clockMs, rules)));
  return (deletedBytes + waitingBytes) * 100 > peakBytes * rules.limitPercent;
};

/** WT3: the others are due, whatever the limit says, or are counted already. */
const isUnderLimit = (entry: PendingDeletion, clockMs: number, { limitWaitMs }: DeletionRules): boolean =>
  !entry.isAllowed && !entry.isCounted && clockMs - entry.sinceMs < limitWaitMs;

const isWithinDay = (hour: number, clockMs: number): boolean => hour >= hourOf(clockMs) - DAY_HOURS;

const withHour = (
  hours: readonly DeletionHour[],
  clockMs: number,
  { peakBytes, deletedBytes }: Omit<DeletionHour, 'hour'>,
): readonly DeletionHour[] => {
  const hour = hourOf(clockMs);
  const before = hours.find(each => each.hour === hour) ?? { hour, peakBytes: 0, deletedBytes: 0 };
  const now = {
    hour,
    peakBytes: Math.max(before.peakBytes, peakBytes),
    deletedBytes: before.deletedBytes + deletedBytes,
  };
  return [...hours.filter(each => each.hour !== hour && isWithinDay(each.hour, clockMs)), now];
};

const without = (record: DeletionRecord, isGone: (sha256: ArtifactHash) => boolean): DeletionRecord => {
  const pending = new Map([...record.pending].filter(([sha256]) => !isGone(sha256)));
  return pending.size === record.pending.size ? record : { ...record, pending };
};

const changed = (
  pending: DeletionRecord['pending'],
  hashes: ReadonlySet<ArtifactHash>,
  change: (entry: PendingDeletion) => PendingDeletion,
): DeletionRecord['pending'] =>
  new Map([...pending].map(([sha256, entry]) => [sha256, hashes.has(sha256) ? change(entry) : entry]));

const sumOf = (entries: readonly PendingDeletion[]): number =>
  entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
