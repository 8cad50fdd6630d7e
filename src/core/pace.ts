/**
 * How fast a release arrives on the sleds, and when it will be there: from what each round found.
 *
 *     rounds ─▶ (time, bytes held) ─▶ the newest half of the time since the filling began ─▶ bytes a second, time left
 *
 * PCE1. Times are monotonic: a clock that jumps changes no rate.
 * PCE2. The rate is that of the newest half: the first copies leave one archive, the later ones many sleds. It is at least ten seconds,
 *      since what is counted are whole artifacts.
 * PCE3. Nothing is said while nothing arrives: a fleet that stands still has no time of completion.
 * PCE4. Bounded: older rounds are thinned out.
 */

type Seen = { readonly monotonicMs: number; readonly bytesHeld: number };

/** Oldest first; it begins with the last round before bytes were missing, or with the first round. */
export type Pace = readonly Seen[];

export type Completion = { readonly bytesPerS: number; readonly remainingMs: number };

const LEAST_WINDOW_MS = 10_000;
const MOST_SEEN = 64;

/** A release that is whole, or that lost bytes, begins anew. */
export const paceAfter = (pace: Pace, seen: Seen, bytesWanted: number): Pace => {
  const last = pace.at(-1);
  if (last === undefined || seen.bytesHeld < last.bytesHeld || seen.bytesHeld >= bytesWanted) return [seen];
  const longer = [...pace, seen];
  return longer.length <= MOST_SEEN
    ? longer
    : longer.filter((_, n) => n % 2 === 0 || n === longer.length - 1);
};

/** Undefined while it cannot be told, and once nothing is missing. */
export const completionOf = (pace: Pace, bytesWanted: number): Completion | undefined => {
  const [first, last] = [pace[0], pace.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const windowMs = Math.max(LEAST_WINDOW_MS, (last.monotonicMs - first.monotonicMs) / 2);
  const base = pace.findLast(({ monotonicMs }) => monotonicMs <= last.monotonicMs - windowMs) ?? first;
  const bytes = last.bytesHeld - base.bytesHeld;
  const missing = bytesWanted - last.bytesHeld;
  if (bytes <= 0 || missing <= 0) return undefined;
  const bytesPerMs = bytes / (last.monotonicMs - base.monotonicMs);
  return { bytesPerS: bytesPerMs * 1_000, remainingMs: missing / bytesPerMs };
};
