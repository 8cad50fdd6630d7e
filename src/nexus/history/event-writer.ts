/** Events on their way from the queue to the database, a batch a transaction: HI3 to HI5 of history.ts. */
import { errorCodeOf, isOfDatabase } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { FleetEvent, HistoryPort } from '../datastore/ports/history-port.ts';
import type { EventQueue } from './event-queue.ts';

/** One statement (INSERT_BATCH_ROWS): a transaction of some milliseconds. */
export const HISTORY_BATCH_EVENTS = 500;

/** How many events it wrote. */
export type Flush = (options: { readonly signal: AbortSignal }) => Promise<number>;

export type EventWriter = { readonly flush: Flush; readonly recordedTotal: () => number };

type Deps = {
  readonly datastore: Pick<HistoryPort, 'fleetEventInsert'>;
  readonly queue: EventQueue;
  readonly log: Logger;
  readonly lossOf: (lost: number) => FleetEvent;
  /** Events were put back into the queue. */
  readonly onKept: () => void;
};

export const createEventWriter = ({ datastore, queue, log, lossOf, onKept }: Deps): EventWriter => {
  let recordedTotal = 0;

  const insert = async (events: readonly FleetEvent[], signal: AbortSignal): Promise<number> => {
    await datastore.fleetEventInsert(events, { signal });
    recordedTotal += events.length;
    return events.length;
  };

  const writeBatch = async (signal: AbortSignal): Promise<number> => {
    const batch = queue.take(HISTORY_BATCH_EVENTS);
    try {
      return await insert(batch, signal);
    } catch (error) {
      if (signal.aborted || isOfDatabase(error) || errorCodeOf(error) === 'SHUTTING_DOWN') {
        queue.putBack(batch);
        onKept();
        throw error;
      }
      queue.lose(batch.length);
      log.error({ err: error, events: batch.length }, 'events of the history refused, dropped');
      return 0;
    }
  };

  const writeAll = async (signal: AbortSignal): Promise<number> => {
    let written = 0;
    while (queue.size() > 0) written += await writeBatch(signal);
    const notice = queue.notice(lossOf);
    if (notice === undefined) return written;
    written += await insert([notice], signal);
    queue.noticeWritten();
    return written;
  };

  let last: Promise<unknown> = Promise.resolve();
  return {
    flush({ signal }) {
      // After the one under way, whatever becomes of it: what that one has taken is written too when this one ends.
      const mine = last.then(() => writeAll(signal));
      last = mine.catch(() => undefined);
      return mine;
    },
    recordedTotal: () => recordedTotal,
  };
};
