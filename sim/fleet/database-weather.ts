/** Delays and faults of the database as each Nexus meets them; may change during a run. */
import type { Rng } from '../../src/core/rng.ts';
import type { DecideAttempt } from '../datastore/attempt.ts';
import { chance, spread } from '../time/streams.ts';
import type { Trace } from '../trace.ts';

export type DatabaseWeather = {
  isAway: boolean;
  conflictProbability: number;
  lostProbability: number;
  uncertainProbability: number;
  leastMs: number;
  mostMs: number;
};

export const FAIR_DATABASE: Readonly<DatabaseWeather> = {
  isAway: false,
  conflictProbability: 0,
  lostProbability: 0,
  uncertainProbability: 0,
  leastMs: 0.1,
  mostMs: 2,
};

export const databaseFate =
  (weather: DatabaseWeather, rng: Rng, trace: Trace): DecideAttempt =>
  ({ mode }) => {
    // Mostly only the request takes time, so that other transactions can run before it.
    const delays = {
      delayBeforeMs: spread(rng, weather.leastMs, weather.mostMs),
      delayAfterMs: chance(rng, 0.2) ? spread(rng, weather.leastMs, weather.mostMs) : 0,
    };
    if (weather.isAway) return { result: 'unreachable', ...delays };
    if (chance(rng, weather.conflictProbability)) return { result: 'conflict', ...delays };
    if (chance(rng, weather.lostProbability)) return { result: 'lost', ...delays };
    if (mode === 'READ WRITE' && chance(rng, weather.uncertainProbability)) {
      trace.reached('a commit was uncertain');
      return { result: rng.below(2) === 0 ? 'uncertain_committed' : 'uncertain_lost', ...delays };
    }
    return { result: 'done', ...delays };
  };
