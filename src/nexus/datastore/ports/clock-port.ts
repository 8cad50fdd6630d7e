/** The clock that all Nexus instances share. */
import type { Wait } from './verb.ts';

export type ClockPort = {
  /** In milliseconds since the epoch. */
  readonly databaseTimeMs: (wait: Wait) => Promise<number>;
};
