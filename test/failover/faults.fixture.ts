/** Faults of a pair of PostgreSQL servers while clients send requests. */
import type { RunningClients } from './clients.fixture.ts';
import type { PairOptions, PostgresPair } from './postgres-pair.fixture.ts';

export type Fault = {
  /** After "when …" in the title of its test. */
  readonly what: string;
  readonly clientsThrough?: NonNullable<PairOptions['clientsThrough']>;
  readonly happens: (pair: PostgresPair, clients: RunningClients) => Promise<void>;
};

/** A shorter run takes the first faults of a table: `FAILOVER_FAULTS=2`. */
export const bounded = <Some extends Fault>(faults: readonly Some[]): readonly Some[] =>
  faults.slice(0, Number(process.env.FAILOVER_FAULTS ?? faults.length));
