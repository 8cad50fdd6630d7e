/**
 * Every step of something that a real process does, found by counting once; then once for each step the same
 * again, and the process is killed before it.
 *
 *     count: arm without a kill ─▶ act ─▶ names of the steps
 *     for each point: arm ─▶ act until it is killed ─▶ what is on the disks? ─▶ start again ─▶ is it right?
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { type TestProcess, until } from '../fleet-process.fixture.ts';
import type { KillPlan } from './kill-at.ts';

/** `CRASH_POINTS=all` takes every step; without it those of {@link choosePoints}. */
const everyPoint = process.env.CRASH_POINTS === 'all';

export type KillSwitch = {
  /** For Node, before the program. */
  readonly nodeArguments: readonly string[];
  /** Begins to count in a running process. */
  readonly arm: (process: TestProcess, what: { match: RegExp; at: number | null }) => Promise<void>;
  /** The same for a process that is about to start. */
  readonly armStart: (what: { match: RegExp; at: number | null }) => Promise<void>;
  /** The next start is an ordinary one. */
  readonly disarm: () => Promise<void>;
  /** Since it was armed. */
  readonly steps: () => Promise<string[]>;
};

/** @param directory for its files; what counts are steps in `roots`, and on the network */
export const createKillSwitch = (
  directory: string,
  name: string,
  roots: () => readonly string[],
): KillSwitch => {
  const planFile = join(directory, `${name}-plan.json`);
  const trace = join(directory, `${name}-trace`);
  const url = pathToFileURL(join(import.meta.dirname, 'kill-at.ts'));
  url.searchParams.set('plan', planFile);
  const write = async ({ match, at }: { match: RegExp; at: number | null }) => {
    const plan: KillPlan = { roots: roots(), match: match.source, at, trace };
    await rm(trace, { force: true });
    await writeFile(planFile, JSON.stringify(plan));
  };
  const traced = () => readFile(trace, 'utf8').then(text => text.split('\n').slice(0, -1));
  return {
    nodeArguments: ['--import', url.href],
    async arm(target, what) {
      await write(what);
      process.kill(target.pid(), 'SIGUSR2');
      await until(async () => (await traced()).length >= 0, 'the process counts its steps');
    },
    armStart: write,
    disarm: () => rm(planFile, { force: true }),
    steps: traced,
  };
};

/**
 * Which steps to be killed before, from 1. By default at most `most` of them, spread evenly: the first, the last and
 * those between; and always all of them where there are no more than that, or with `CRASH_POINTS=all`.
 */
export const choosePoints = (steps: number, most: number): number[] => {
  if (steps === 0) throw new Error('no step was counted: nothing could be killed');
  if (everyPoint || steps <= most) return Array.from({ length: steps }, (_, n) => n + 1);
  return Array.from({ length: most }, (_, n) => 1 + Math.round((n * (steps - 1)) / (most - 1)));
};

/** Kills after the last step, since {@link report} was called last. */
let lateKills = 0;

/**
 * Prints which steps were hit, for the reader of a run's output.
 *
 * @throws when every kill came too late: then none was at its step
 */
export const report = (what: string, steps: readonly string[], points: readonly number[]): void => {
  const late = lateKills;
  lateKills = 0;
  if (late >= points.length) throw new Error(`crash points of ${what}: all ${late} kills came too late`);
  process.stdout.write(`crash points of ${what}: killed before ${points.length} of ${steps.length} steps\n`);
  if (everyPoint) for (const [at, name] of steps.entries()) process.stdout.write(`  ${at + 1} ${name}\n`);
};

/** How long a step may be late after an act that came to its end: with other work about, steps are not always as many. */
const LATE_MS = 2_000;

/** Arms, acts, and waits for the kill, which may come before the act; whether the act was answered. */
export const actUntilKilled = async (
  target: TestProcess,
  arm: () => Promise<void>,
  act: () => Promise<void>,
): Promise<boolean> => {
  const pid = target.pid();
  const ended = target.ended();
  await arm();
  const answered = await act().then(
    () => true,
    () => false,
  );
  const late =
    answered && (await Promise.race([ended, delay(LATE_MS, undefined, { ref: false })])) === undefined;
  if (late) {
    process.kill(pid, 'SIGKILL');
    lateKills += 1;
  }
  expect(await ended, 'it died of the kill and of nothing else').toEqual({ code: null, signal: 'SIGKILL' });
  return answered;
};
