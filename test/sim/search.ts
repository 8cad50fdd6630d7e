/** Seeds one after another in this process, over one shelf of releases. */
import { createReleaseShelf, type ReleaseShelf } from '../../sim/fleet/releases.ts';
import type { FleetSize } from '../../sim/script/swarm.ts';
import type { Sometimes } from '../../sim/trace.ts';
import type { Violation } from '../../sim/violation.ts';
import { judgeSeed } from './outcome.ts';

/** What is left of a run that nobody watched; it can be sent to another thread. */
export type SeedResult = {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly reached: readonly Sometimes[];
  readonly virtualMs: number;
  readonly events: number;
};

export type SearchOptions = {
  /** May have no end: whoever reads the results ends it. */
  readonly seeds: Iterable<number>;
  readonly size: FleetSize;
  /** Made here where absent. */
  readonly shelf?: ReleaseShelf;
};

/**
 * Runs seeds and yields what came of each, a violation or not.
 *
 * Errors are made often, as faults are: set `Error.stackTraceLimit` to 0 where nobody reads stacks, and a search takes
 * half of the time.
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
