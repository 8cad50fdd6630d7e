/**
 * A database in memory, with the decisions and the retry loop of the real one: for simulators and for tests that
 * need no server. The ports of the datastore specify each verb; state.ts has the rules of the state.
 *
 *     const database = createMemoryDatabase({ nowMs: clock.nowMs });
 *     const datastore = database.openDatastore({ clock, rng, log });     // one for each Nexus
 *     const yesterday = database.snapshot();  …  database.restore(yesterday);
 */
import type { Rng } from '../../src/core/rng.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Logger } from '../../src/lib/log.ts';
import type { Datastore } from '../../src/nexus/datastore/datastore.ts';
import { withStorableTexts } from '../../src/nexus/datastore/storable-text.ts';
import { createTransactions } from '../../src/nexus/datastore/transactions.ts';
import { type DecideAttempt, memoryEngine, type StateCell } from './attempt.ts';
import { memoryDatastore } from './memory-datastore.ts';
import { emptyState, type MemoryState } from './state.ts';

type MemoryDatastoreOptions = {
  /** Of the Nexus that opens it: how long it waits between attempts. */
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** The fate of each attempt of this Nexus; without it every attempt is `done` at once. */
  readonly attempts?: DecideAttempt;
};

export type MemoryDatabase = {
  readonly openDatastore: (options: MemoryDatastoreOptions) => Datastore;
  /** The committed state; never changes. */
  readonly snapshot: () => MemoryState;
  /** As from a backup: later commits are lost. */
  readonly restore: (state: MemoryState) => void;
};

/** @param options.nowMs the database's own clock, independent of the clocks of its users (P8) */
export const createMemoryDatabase = ({ nowMs }: { readonly nowMs: () => number }): MemoryDatabase => {
  const cell: StateCell = { state: emptyState(nowMs()), nowMs };
  return {
    openDatastore: ({ clock, rng, log, attempts }) =>
      withStorableTexts(
        memoryDatastore(
          createTransactions({ engine: memoryEngine({ cell, clock, decide: attempts }), log, clock, rng }),
        ),
      ),
    snapshot: () => cell.state,
    restore(state) {
      cell.state = state;
    },
  };
};
