/**
 * The history: requests of a Nexus to sleds, their outcomes, and changes, on their way to the database.
 *
 *     note() ─▶ queue (bounded) ─▶ flush(): one batch, one transaction ─▶ fleet_event
 *                  │                          by the task fleet_history, before a read, and at a clean stop
 *                  └─ full: the oldest are dropped and counted; the count is an event
 *
 * HI1. {@link History.note} never waits and never throws: no action depends on its record.
 * HI2. Memory is bounded, however long the database is unavailable: `capacity` events, each of bounded length.
 * HI3. The history itself records how many events were dropped, once it can be written again.
 * HI4. A batch whose commit is uncertain is written again under the same ids, and is stored once (P4).
 * HI5. A batch that the database refuses is dropped and counted; later batches are written.
 */
import type { EventFact } from '../../core/facts/event.ts';
import { EventId, type NexusId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { FleetEvent, HistoryPort } from '../datastore/ports/history-port.ts';
import { createEventQueue } from './event-queue.ts';
import { createEventWriter, type Flush } from './event-writer.ts';
import { toStored } from './stored-event.ts';

/** The whole history of three releases at 32 sleds, twice 2,048 events each, and as much again; at most 20 MB. */
const HISTORY_QUEUE_CAPACITY = 20_000;
/** How far the time of an event may be ahead of the clock. */
const MAX_AHEAD_MS = 1_000;
/** What a stop waits for the database at most. */
const STOP_TIMEOUT_MS = 5_000;

/** What is noted; `id` where the same event may be noted again, by this Nexus or another. */
export type NewEvent = EventFact & {
  readonly id?: EventId | undefined;
  /** Of when it happened; now, where absent. */
  readonly timeMs?: number | undefined;
};

export type Note = (event: NewEvent) => void;

export type History = {
  readonly note: Note;
  /** Writes all that was noted before; how many events. Rejects when the database does not take them now. */
  readonly flush: Flush;
  readonly queued: () => number;
  /** Of this process. */
  readonly totals: () => { readonly recorded: number; readonly lost: number };
  /** Called when there is something to write that nobody has been told of, or that could not be written. */
  readonly onPending: (wake: () => void) => void;
  /** Writes what is queued, if the database takes it in time. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export type HistoryDeps = {
  readonly datastore: Pick<HistoryPort, 'fleetEventInsert'>;
  readonly nexusId: NexusId;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly capacity?: number;
};

export const createHistory = (deps: HistoryDeps): History => {
  const queue = createEventQueue(deps.capacity ?? HISTORY_QUEUE_CAPACITY);
  const nextMs = createEventTimes(deps.clock);
  let wake = (): void => undefined;
  const writer = createEventWriter({
    ...deps,
    queue,
    lossOf: lost => toEvent(deps, lossOf(lost)),
    onKept: () => wake(),
  });
  return {
    note(event) {
      const wasEmpty = queue.size() === 0;
      queue.push(toEvent(deps, { timeMs: nextMs(), ...event }));
      if (wasEmpty) wake();
    },
    flush: writer.flush,
    queued: queue.size,
    totals: () => ({ recorded: writer.recordedTotal(), lost: queue.lostTotal() }),
    onPending(given) {
      wake = given;
      if (queue.size() > 0) wake();
    },
    async [Symbol.asyncDispose]() {
      wake = () => undefined;
      const left = deps.clock.timeout(STOP_TIMEOUT_MS);
      await writer
        .flush({ signal: left })
        .catch((err: unknown) =>
          deps.log.warn({ err, events: queue.size() }, 'the end of the history is not recorded'),
        );
    },
  };
};

/** Events of one millisecond keep their order, as far as that does not make time up. */
const createEventTimes = (clock: Clock): (() => number) => {
  let lastMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = clock.nowMs();
    const isTogether = nowMs <= lastMs && lastMs - nowMs < MAX_AHEAD_MS;
    lastMs = isTogether ? lastMs + 1 : nowMs;
    return lastMs;
  };
};

const toEvent = ({ newId, clock, nexusId }: HistoryDeps, { id, timeMs, ...event }: NewEvent): FleetEvent => ({
  id: id ?? EventId.parse(newId()),
  timeMs: timeMs ?? clock.nowMs(),
  nexusId,
  ...toStored(event as EventFact),
});

const lossOf = (lost: number): NewEvent => ({ kind: 'history_lost', events: lost });
