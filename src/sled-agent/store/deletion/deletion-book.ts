/**
 * What a sled remembers of its deletions (T4), in memory and in a file on every dataset; the rules are in
 * `core/deletion.ts`.
 *
 *     start ─▶ the newest file ─▶ record ◀─ deletion passes, configs, allowances of a person
 *                                   └─▶ deletions.json on every dataset ─▶ a pass when the next wait is over
 *
 * DK1. The clock of the waits continues from the file: it stands still while no agent runs, loses at most the time since the
 *      last write, and does not follow the wall clock.
 * DK2. What a config lists is taken back durably before that config is in a ledger, and once more when it is in force:
 *      a deletion pass may have run in between. A crash at any time leaves no wait that began before the artifact was listed.
 * DK3. A sled in doubt (P5) may miss a config that listed an artifact again, so its waits begin anew.
 * DK4. Bytes are counted durably before they are deleted. A full disk is the exception: deletions are what frees it.
 * DK5. Without any file, and with every file damaged, the waits begin anew and the most bytes held are those held now.
 * DK6. The clock stands still while nothing may be deleted: a hold does not use a wait up (WT5).
 * DK7. The newest file has the highest clock, and of several with this clock the most changes: a dataset that missed a write keeps an
 *      older file, also while the clock stands still.
 * DK8. What no dataset took is written at the next opportunity, also if nothing has changed and the clock stands still.
 */
import {
  allowed,
  counted,
  type DeletionRecord,
  type DeletionRules,
  gone,
  type JudgedDeletion,
  judged,
  NO_DELETIONS,
  type Observed,
  observed,
  takenBack,
} from '../../../core/deletion.ts';
import type { ArtifactHash } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Disk } from '../../../lib/disk.ts';
import type { Logger } from '../../../lib/log.ts';
import { createAlarm } from '../alarm.ts';
import type { Dataset, Inspection } from '../dataset/dataset.ts';
import { encodeDeletions, readAllowance, removeAllowance, writeDeletions } from '../files/deletions-file.ts';
import { createKeyedLock } from '../locks.ts';

/** While something waits: how often the clock is written, and allowances are looked for. */
const TICK_MS = 60_000;

export type DeletionBook = AsyncDisposable & {
  /** Reads the files of datasets that are about to be admitted. They count only while no dataset is readable, as at a start. */
  readonly learn: (joining: readonly { dataset: Dataset; inspection: Inspection }[]) => void;
  /** DK3 */
  readonly forget: () => void;
  /** DK6, whenever it may have changed. */
  readonly run: (mayDelete: boolean) => void;
  /** DK2 */
  readonly takeBack: (listed: { readonly has: (sha256: ArtifactHash) => boolean }) => Promise<void>;
  /** After a look at all files. */
  readonly observe: (seen: Observed) => Promise<void>;
  /** Each pending deletion now. */
  readonly judge: () => readonly JudgedDeletion[];
  /** Before they are deleted (DK4). */
  readonly count: (hashes: ReadonlySet<ArtifactHash>) => Promise<void>;
  readonly gone: (hashes: ReadonlySet<ArtifactHash>) => void;
  /** All that is pending, by a statement of a person about the point of this sled. */
  readonly allowPending: () => Promise<void>;
  /** Takes over what a person has allowed on this machine. */
  readonly takeAllowances: () => Promise<void>;
};

export type DeletionBookDependencies = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly rules: DeletionRules;
  readonly clock: Clock;
  readonly log: Logger;
  /** A wait is over, or a person may have allowed something. */
  readonly onDue: (reason: string) => void;
};

/** The mutable state. */
type Book = DeletionBookDependencies & {
  /** Whether anything needs to be remembered. */
  readonly isActive: boolean;
  record: DeletionRecord;
  /** What the clock of the waits showed when it began to run; `monotonicMs` is undefined while it stands still (DK6). */
  started: { readonly clockMs: number; readonly monotonicMs: number | undefined };
  /** Of the last file written (DK7). */
  changes: number;
  /** The last file written, without its time, and the clock of the waits then. */
  written: { readonly text: string; readonly clockMs: number };
};

export const createDeletionBook = (deps: DeletionBookDependencies): DeletionBook => {
  const { rules, clock, log, onDue } = deps;
  const book: Book = {
    ...deps,
    isActive: rules.waitMs > 0 || rules.limitPercent < 100,
    started: { clockMs: 0, monotonicMs: undefined },
    ...{ record: NO_DELETIONS, changes: 0, written: NOTHING },
  };
  const writes = createKeyedLock();
  const save = async (): Promise<void> => {
    alarm.set();
    if (book.isActive) await writes('deletions', () => write(book));
  };
  const alarm = createAlarm(
    clock,
    () => nextMs(book),
    () =>
      save().then(
        () => onDue('a deletion has waited'),
        error => log.error({ err: error }, 'the waits of deletions were not stored'),
      ),
  );
  return {
    judge: () => judge(book),
    learn(joining) {
      learnWaits(book, joining);
      alarm.set();
    },
    forget() {
      if (book.record.pending.size > 0) book.record = { ...book.record, pending: new Map() };
    },
    run(mayDelete) {
      if (mayDelete === isRunning(book)) return;
      book.started = {
        clockMs: clockMs(book),
        monotonicMs: mayDelete ? clock.monotonicMs() : undefined,
      };
      alarm.set();
    },
    async takeBack(listed) {
      const { pending } = book.record;
      book.record = takenBack(book.record, listed);
      const artifacts = pending.size - book.record.pending.size;
      if (artifacts === 0) return;
      log.info({ artifacts }, 'deletions that waited were taken back');
      await save();
    },
    async observe(seen) {
      const before = judge(book);
      book.record = observed(book.record, clockMs(book), seen);
      logLimit(log, before, judge(book));
      await save();
    },
    async count(hashes) {
      if (hashes.size === 0) return;
      book.record = counted(book.record, clockMs(book), rules, hashes);
      await save();
    },
    gone(hashes) {
      book.record = gone(book.record, hashes);
    },
    allowPending: () => allowPending(book, save),
    takeAllowances: () => takeAllowances(book, save),
    async [Symbol.asyncDispose]() {
      alarm[Symbol.dispose]();
      if (book.record === NO_DELETIONS) return;
      book.written = NOTHING;
      await save();
    },
  };
};

const NOTHING = { text: '', clockMs: 0 };

/** DK1 */
const clockMs = ({ started, clock }: Book): number =>
  started.clockMs + (started.monotonicMs === undefined ? 0 : clock.monotonicMs() - started.monotonicMs);

const isRunning = ({ started }: Book): boolean => started.monotonicMs !== undefined;

const judge = (book: Book): readonly JudgedDeletion[] => judged(book.record, clockMs(book), book.rules);

const nextMs = (book: Book): number | undefined => {
  if (!book.isActive || book.record.pending.size === 0) return undefined;
  if (!isRunning(book)) return TICK_MS;
  const waits = judge(book).flatMap(({ remainingMs }) => (remainingMs > 0 ? [remainingMs] : []));
  return Math.min(TICK_MS, ...waits);
};

const learnWaits = (book: Book, joining: Parameters<DeletionBook['learn']>[0]): void => {
  const { datasets, clock, log } = book;
  if (datasets.some(each => each.isReadable())) return;
  const files = joining.map(({ inspection }) => inspection.deletions);
  const whole = files.flatMap(read => (read.kind === 'whole' ? [read.body] : []));
  const [newest] = whole.sort((a, b) => b.clockMs - a.clockMs || b.changes - a.changes); // DK7
  if (newest !== undefined) {
    book.record = newest.record;
    book.changes = newest.changes;
    book.started = {
      clockMs: newest.clockMs,
      monotonicMs: isRunning(book) ? clock.monotonicMs() : undefined,
    };
  } else if (files.some(({ kind }) => kind === 'damaged'))
    log.error({}, 'the waits of deletions were lost, and begin anew'); // DK5
};

const write = async (book: Book): Promise<void> => {
  const { disk, datasets, record, log } = book;
  const now = { text: encodeDeletions({ clockMs: 0, changes: 0, record }), clockMs: clockMs(book) };
  if (now.text === book.written.text && now.clockMs - book.written.clockMs < TICK_MS) return;
  if (now.text !== book.written.text) book.changes += 1;
  const text = encodeDeletions({ clockMs: now.clockMs, changes: book.changes, record });
  const areStored = await Promise.all(
    datasets.map(async dataset => {
      if (!dataset.isWritable()) return false;
      try {
        await dataset.requirePresent(); // DS3
        await writeDeletions(disk, dataset.path, text);
        return true;
      } catch (error) {
        log.warn({ err: error, dataset: dataset.path }, 'the waits of deletions were not stored');
        dataset.reportFailure(error, 'write its deletions');
        return false;
      }
    }),
  );
  book.written = areStored.includes(true) ? now : NOTHING; // DK8
};

const allowPending = async (book: Book, save: () => Promise<void>): Promise<void> => {
  const waits = [...book.record.pending].flatMap(([sha256, { sinceMs, isAllowed, isCounted }]) =>
    isAllowed || isCounted ? [] : [{ sha256, sinceMs }],
  );
  if (!book.isActive || waits.length === 0) return;
  book.log.warn({ artifacts: waits.length }, 'deletions were allowed by a statement of an admin key');
  book.record = allowed(book.record, waits);
  await save();
};

const takeAllowances = async (book: Book, save: () => Promise<void>): Promise<void> => {
  const { disk, datasets, isActive, log } = book;
  for (const dataset of datasets) {
    if (!isActive || !dataset.isWritable()) continue;
    try {
      const read = await readAllowance(disk, dataset.path);
      if (read.kind === 'none') continue;
      if (read.kind === 'whole') {
        log.warn({ artifacts: read.body.length }, 'deletions were allowed on this machine');
        book.record = allowed(book.record, read.body);
        await save();
      } else
        log.error({ dataset: dataset.path, reason: read.reason }, 'the file of allowed deletions is damaged');
      await dataset.requirePresent();
      await removeAllowance(disk, dataset.path);
    } catch (error) {
      dataset.reportFailure(error, 'take over allowed deletions');
    }
  }
};

const logLimit = (log: Logger, before: readonly JudgedDeletion[], after: readonly JudgedDeletion[]): void => {
  const limited = after.filter(({ isLimited }) => isLimited);
  if (limited.length === 0 || before.some(({ isLimited }) => isLimited)) return;
  const bytes = limited.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  log.warn(
    { artifacts: limited.length, size_bytes: bytes },
    'deletions are limited: they would take too much of what this sled held within a day',
  );
};
