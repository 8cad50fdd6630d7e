/**
 * What sleds report after a request, as the history keeps it: copies that ended, artifacts that were deleted, files
 * that were quarantined.
 *
 *     copy accepted ─▶ under way ─┬─▶ listed as held: copy_done, with how long it took
 *                                 ├─▶ listed as failed: copy_failed
 *                                 └─▶ neither, in two lists in a row: copy_lost (an agent that was restarted)
 *
 * SE1. What a sled lists as an event of its own (a deletion, a failed copy, a quarantined file) has an id that follows
 *      from it: every Nexus notes it, again after each restart too, and the database has it once.
 * SE2. What this Nexus has noted it does not note again while the sled lists it.
 * SE3. At the first list of a sled only what is recent is noted: the rest was there for others to note.
 * SE4. Beyond the allowance of the sled a report is left for a later list, which has it again if it is recent (EVL1).
 */
import { createHash } from 'node:crypto';
import type { EventFact } from '../../../core/facts/event.ts';
import { EventId, type SledId } from '../../../core/ids.ts';
import { type Pair, pairKey } from '../../../core/plan/input.ts';
import type { SledReport } from '../../../core/sled-report.ts';
import { type Clock, isoTime } from '../../../lib/clock.ts';
import type { Note } from '../../history/history.ts';
import type { AdmitEvent } from '../../history/sled-allowance.ts';

/** As long as a Nexus may be away without missing what sleds still list. */
const RECENT_MS = 24 * 3_600_000;
/** Synchronised clocks differ by less; beyond it the event names the sled's own time. */
const CLOCK_DIFFERENCE_MS = 120_000;

type Copy = Pair & {
  readonly acceptedMs: number;
  readonly sourceSledId: SledId | undefined;
  /** Lists in which it was neither held nor under way. */
  missed: number;
};

type Reported = EventFact<'deletion' | 'copy_failed' | 'quarantine'>;

/** What one sled lists as having happened: its own time, what is noted of it, and what tells it from other reports. */
type Report = { readonly timeMs: number; readonly event: Reported; readonly identity: string };

export type SledEvents = {
  readonly copyAccepted: (copy: Omit<Copy, 'missed'>) => void;
  /** The reports of a round; a sled that did not answer has none. */
  readonly listed: (
    sleds: readonly { readonly id: SledId; readonly report: SledReport | undefined }[],
  ) => void;
};

type Deps = { readonly note: Note; readonly clock: Clock; readonly admit: AdmitEvent };

export const createSledEvents = ({ note, clock, admit }: Deps): SledEvents => {
  const copies = new Map<string, Copy>();
  /** By sled: the reports of its last list, and whether they are noted. */
  const noted = new Map<SledId, ReadonlyMap<string, boolean>>();

  const noteReports = (sledId: SledId, report: SledReport): void => {
    const before = noted.get(sledId);
    const now = new Map<string, boolean>();
    for (const { timeMs, event, identity } of reportsOf(sledId, report)) {
      const timeText = isoTime(timeMs);
      const key = [event.kind, event.sha256, timeText, identity].join(' ');
      const aheadMs = clock.nowMs() - timeMs;
      const isNews = before === undefined ? aheadMs <= RECENT_MS : before.get(key) !== true;
      // Also beyond the allowance: such a copy is not lost. A later copy of the same artifact is another one.
      if (isNews && event.kind === 'copy_failed' && before?.has(key) !== true)
        copies.delete(pairKey(sledId, event.sha256));
      const isNoted = !isNews || admit(sledId);
      now.set(key, isNoted);
      if (!isNews || !isNoted) continue;
      const id = eventIdOf(sledId, report.incarnationId, key);
      note({ ...event, id, ...(Math.abs(aheadMs) > CLOCK_DIFFERENCE_MS && { sledTime: timeText }) });
    }
    noted.set(sledId, now);
  };

  const noteCopies = (sledId: SledId, report: SledReport): void => {
    const underWay = new Set(report.copiesInFlight.map(({ sha256 }) => sha256));
    for (const [key, copy] of copies) {
      if (copy.sledId !== sledId || underWay.has(copy.sha256)) continue;
      const held = report.copies.get(copy.sha256) ?? 0;
      copy.missed += held > 0 ? 0 : 1;
      if (held === 0 && copy.missed < 2) continue;
      copies.delete(key);
      const { sha256, sourceSledId } = copy;
      const elapsedMs = clock.monotonicMs() - copy.acceptedMs;
      const facts = { sledId, sha256, sourceSledId, elapsedMs, generation: report.generation };
      const datasets = report.datasets ?? held;
      if (held === 0) note({ kind: 'copy_lost', ...facts });
      else note({ kind: 'copy_done', ...facts, datasetsHolding: Math.min(held, datasets), datasets });
    }
  };

  return {
    copyAccepted: copy => void copies.set(pairKey(copy.sledId, copy.sha256), { ...copy, missed: 0 }),
    listed(sleds) {
      for (const { id, report } of sleds) {
        if (report === undefined) continue;
        noteReports(id, report);
        noteCopies(id, report);
      }
      const present = new Set(sleds.map(({ id }) => id));
      for (const id of noted.keys()) if (!present.has(id)) noted.delete(id);
      for (const [key, { sledId }] of copies) if (!present.has(sledId)) copies.delete(key);
    },
  };
};

/** The identity is part of the ids of events (SE1), so that it is the same text in every version. */
const reportsOf = (sledId: SledId, report: SledReport): Report[] => [
  ...report.deletions.map(({ sha256, generation, reason, timeMs }) => ({
    timeMs,
    event: { kind: 'deletion' as const, sledId, sha256, generation, why: reason },
    identity: reason,
  })),
  ...report.copiesFailed.map(failure => ({
    timeMs: failure.timeMs,
    event: {
      kind: 'copy_failed' as const,
      sledId,
      sha256: failure.sha256,
      errorCode: failure.errorCode,
      source: failure.depotBaseUrl,
      error: failure.message,
    },
    identity: `from ${failure.depotBaseUrl}: ${failure.message}`,
  })),
  ...report.quarantined.map(file => ({
    timeMs: file.timeMs,
    event: {
      kind: 'quarantine' as const,
      sledId,
      sha256: file.sha256,
      datasetId: file.datasetId,
      why: file.reason,
    },
    identity: `dataset ${file.datasetId}: ${file.reason}`,
  })),
];

/**
 * A UUID of version 8, as `derivedUuid` of lib but for its variant digit: histories have ids of this form, and an event
 * that a sled reports again must not be recorded twice.
 */
const eventIdOf = (sledId: SledId, incarnation: string | undefined, key: string): EventId => {
  const digest = createHash('sha256')
    .update([sledId, incarnation ?? '', key].join('\n'))
    .digest('hex');
  const parts = [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `8${digest.slice(13, 16)}`,
    `8${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ];
  return EventId.parse(parts.join('-'));
};
