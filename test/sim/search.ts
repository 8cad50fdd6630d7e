/** Runs seeds one after another in this process, with one shelf of releases. */
import { createReleaseShelf, type ReleaseShelf } from '../../sim/fleet/releases.ts';
import type { FleetSize } from '../../sim/script/swarm.ts';
import type { Sometimes } from '../../sim/trace.ts';
import type { Violation } from '../../sim/violation.ts';
import { judgeSeed } from './outcome.ts';

/** The result of a run without its trace and its steps; it can be sent to another thread. */
export type SeedResult = {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly reached: readonly Sometimes[];
  readonly virtualMs: number;
  readonly events: number;
};

export type SearchOptions = {
  /** May be endless: the reader of the results ends it. */
  readonly seeds: Iterable<number>;
  readonly size: FleetSize;
  /** A new one if absent. */
  readonly shelf?: ReleaseShelf;
};

/**
 * Runs seeds and yields the result of each, with or without a violation.
 *
 * Faults create many errors. With `Error.stackTraceLimit` set to 0 a search takes half of the time.
 */
export async function* searchSeeds(options: SearchOptions): AsyncGenerator<SeedResult, void, undefined> {
  const { seeds, size, shelf = createReleaseShelf() } = options;
  for (const seed of seeds) {
    const { violation, reached, virtualMs, events } = await judgeSeed({ seed, size, shelf });
    yield { seed, violation, reached: [...reached], virtualMs, events };
  }
}

/** `count` seeds from `first` on. */
export function* seedsFrom(
  first: number,
  count = Number.POSITIVE_INFINITY,
): Generator<number, void, undefined> {
  for (let at = 0; at < count; at += 1) yield first + at;
}
