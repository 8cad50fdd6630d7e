/**
 * Virtual time: a queue of events, one after the other.
 *
 *     event ─▶ everything that follows from it without waiting (promises) ─▶ the next event, at its time
 *
 * TS1. Nothing happens between events: time stands still until every promise that can settle has settled.
 * TS2. Events of one moment run in the order in which they were made, so a seed gives one order of everything.
 */

export type Cancel = () => void;

export type Scheduler = {
  /** Milliseconds since the run began. */
  readonly nowMs: () => number;
  readonly after: (ms: number, run: () => void) => Cancel;
  /** Runs events until the time, or until `isOver` says so after one of them. */
  readonly runUntil: (endMs: number, isOver?: () => boolean) => Promise<void>;
  /** How many events have run. */
  readonly events: () => number;
};

/** The shortest wait: a shorter one would vanish in the rounding of its sum with the time. */
const LEAST_WAIT_MS = 0.001;

type Event = { readonly atMs: number; readonly order: number; run: (() => void) | undefined };

export const createScheduler = (): Scheduler => {
  const queue = createHeap();
  let nowMs = 0;
  let order = 0;
  let events = 0;
  return {
    nowMs: () => nowMs,
    events: () => events,
    after(ms, run) {
      order += 1;
      const event: Event = { atMs: nowMs + (ms > 0 ? Math.max(LEAST_WAIT_MS, ms) : 0), order, run };
      queue.push(event);
      return () => {
        event.run = undefined;
      };
    },
    async runUntil(endMs, isOver) {
      for (;;) {
        await (events % EVENTS_PER_TURN === 0 ? turn() : settled());
        if (isOver?.() === true) return;
        const next = nextEvent(queue);
        if (next === undefined || next.atMs > endMs) break;
        queue.pop();
        nowMs = next.atMs;
        events += 1;
        next.run!();
      }
      nowMs = Math.max(nowMs, endMs);
    },
  };
};

/** The first that was not cancelled. */
const nextEvent = (queue: Heap): Event | undefined => {
  while (queue.peek() !== undefined && queue.peek()!.run === undefined) queue.pop();
  return queue.peek();
};

/** TS1: Node runs the next tick when no promise job is left. */
const settled = (): Promise<void> => new Promise(resolve => process.nextTick(resolve));

/** Sometimes yields to the event loop, so that messages and signals of this process are handled. It waits for no real time. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
const EVENTS_PER_TURN = 500;

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

type Heap = ReturnType<typeof createHeap>;

/** A binary heap, earliest first. */
const createHeap = () => {
  const items: Event[] = [];
  const swap = (a: number, b: number) => {
    [items[a], items[b]] = [items[b]!, items[a]!];
  };
  return {
    peek: (): Event | undefined => items[0],
    push(event: Event) {
      items.push(event);
      for (let at = items.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1;
        if (!isBefore(items[at]!, items[parent]!)) return;
        swap(at, parent);
        at = parent;
      }
    },
    pop() {
      const last = items.pop();
      if (last === undefined || items.length === 0) return;
      items[0] = last;
      for (let at = 0; ; ) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2])
          if (child < items.length && isBefore(items[child]!, items[least]!)) least = child;
        if (least === at) return;
        swap(at, least);
        at = least;
      }
    },
  };
};
