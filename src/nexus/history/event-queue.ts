/**
 * The events that wait for the database: bounded, and whatever does not fit is counted.
 *
 * Q1. Never more than `capacity` events; the oldest go first.
 * Q2. What says that events were lost stands beside the queue, so that it is not lost itself, and keeps its id until
 *     it is written.
 */
import type { FleetEvent } from '../datastore/ports/history-port.ts';

export type EventQueue = {
  readonly size: () => number;
  readonly push: (event: FleetEvent) => void;
  readonly take: (count: number) => FleetEvent[];
  /** Before everything else: it was taken, and could not be written. */
  readonly putBack: (events: readonly FleetEvent[]) => void;
  readonly lose: (count: number) => void;
  /** What is to be said of lost events, made by `make` where it is not on its way yet. */
  readonly notice: (make: (lost: number) => FleetEvent) => FleetEvent | undefined;
  readonly noticeWritten: () => void;
  readonly lostTotal: () => number;
};

export const createEventQueue = (capacity: number): EventQueue => {
  const events: FleetEvent[] = [];
  let unsaid = 0;
  let lostTotal = 0;
  let notice: FleetEvent | undefined;

  const lose = (count: number): void => {
    unsaid += count;
    lostTotal += count;
  };

  return {
    size: () => events.length,
    push(event) {
      events.push(event);
      // In steps, so that a full queue does not move all of itself at each event.
      if (events.length > capacity) lose(events.splice(0, Math.ceil(capacity / 20)).length);
    },
    take: count => events.splice(0, count),
    putBack(taken) {
      events.unshift(...taken);
      if (events.length > capacity) lose(events.splice(0, events.length - capacity).length);
    },
    lose,
    notice(make) {
      if (notice === undefined && unsaid > 0) {
        notice = make(unsaid);
        unsaid = 0;
      }
      return notice;
    },
    noticeWritten() {
      notice = undefined;
    },
    lostTotal: () => lostTotal,
  };
};
