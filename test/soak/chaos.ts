/**
 * Kills processes at random and restarts them, one after the other or several at once, until it is stopped; then all of them
 * run again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Rng, shuffled } from '../../src/core/rng.ts';
import type { TestProcess } from '../fleet-process.fixture.ts';
import type { SoakDatabase } from './soak-database.ts';

export type Victim = { readonly name: string; readonly process: TestProcess };

export type Chaos = {
  readonly kills: ReadonlyMap<string, number>;
  /** Until the signal aborts. Rejects when a process does not start again, or ended although nobody killed it. */
  readonly run: (until: AbortSignal) => Promise<void>;
};

/** Between one disturbance and the next. */
const PEACE_MS = { least: 500, most: 4_000 };
/** How long a process stays away: from hardly at all to long enough to be taken for dead. */
const ABSENCE_MS = { least: 0, most: 6_000 };
/** One disturbance in so many is of the database. */
const DATABASE_EVERY = 7;

export const createChaos = (
  victims: readonly Victim[],
  database: SoakDatabase,
  rng: Rng,
  say: (text: string) => void,
): Chaos => {
  const kills = new Map<string, number>();
  const between = ({ least, most }: { least: number; most: number }) => least + rng.below(most - least);

  const disturbDatabase = async () => {
    kills.set('postgres', (kills.get('postgres') ?? 0) + 1);
    await database.crash();
    say('postgres shut down at once');
    await delay(between(ABSENCE_MS) / 2);
    await database.start();
    say('postgres is back');
  };

  const disturb = async ({ name, process }: Victim, absenceMs: number) => {
    if (!process.isRunning()) throw new Error(`${name} ended although nobody killed it`);
    kills.set(name, (kills.get(name) ?? 0) + 1);
    await process.kill();
    say(`${name} killed`);
    await delay(absenceMs);
    await process.start();
    say(`${name} is back`);
  };

  return {
    kills,
    async run(until) {
      while (!until.aborted) {
        await delay(between(PEACE_MS), undefined, { signal: until }).catch(() => undefined);
        if (until.aborted) return;
        if (rng.below(DATABASE_EVERY) === 0) {
          await disturbDatabase();
          continue;
        }
        const chosen = shuffled(victims, rng).slice(0, rng.below(4) === 0 ? 2 : 1);
        // Drawn before anything is waited for: the seed decides, not which process is quicker.
        const absences = chosen.map(() => between(ABSENCE_MS));
        await Promise.all(chosen.map((victim, at) => disturb(victim, absences[at]!)));
      }
    },
  };
};
