/**
 * Follows a page of docs/operations.md on a fleet of real processes: runs its commands as they stand, in order, and
 * after each one waits for what the page shows.
 *
 * FO1. `BRM42220031` and `NEXUS-ID` on the page are replaced by names of this fleet; nothing else of a command is changed.
 * FO2. A command that only reads is repeated until its output matches the page; one that changes something runs once.
 * FO3. The test supplies the steps on other machines. A step of the page without one fails the test, and so does one that is
 *      not on the page.
 */
import { expect } from 'vitest';
import { runTestCli } from '../../src/cli/run.fixture.ts';
import { exitCodes } from '../../src/cli/session/exit-code.ts';
import type { TestNexus } from '../fleet-members.fixture.ts';
import { until } from '../fleet-process.fixture.ts';
import type { TestFleet } from '../process-fleet.fixture.ts';
import { firstMissing, readPage, type Step } from './page.ts';

export type Following = {
  readonly fleet: TestFleet;
  /** Whom the operator asks. */
  readonly nexus: TestNexus;
  /** With the archives: where the operator works. */
  readonly directory: string;
  readonly names?: Readonly<Record<string, string>>;
  /** What is done elsewhere, by `host$ command`; one that resolves to a text looks, and shows that. */
  readonly elsewhere?: Readonly<Record<string, () => Promise<unknown>>>;
};

export const environmentOf = ({ nexus }: Pick<Following, 'nexus'>) => nexus.environment();

const LOOKS =
  /^tuf-depot (status|history|recover generation|(sled|nexus|repo|artifact) (list|show))\b(?!.* --apply)/;

export const follow = async (title: string, following: Following): Promise<void> => {
  const told = new Set<string>();
  for (const step of await readPage(title)) {
    if (step.host === '') await runOwn(step, following);
    else told.add(await runElsewhere(step, following));
  }
  expect([...told].sort(), 'what is done on other machines').toEqual(
    Object.keys(following.elsewhere ?? {}).sort(),
  );
};

const runOwn = async ({ command, shown }: Step, following: Following): Promise<void> => {
  const { directory, names = {} } = following;
  const [program, ...args] = given(command, names).split(/\s+/);
  expect(program, command).toBe('tuf-depot');
  const environment = environmentOf(following);
  const run = () => runTestCli(args, { environment, directory });
  const first = await run();
  if (LOOKS.test(command) && first.exitCode !== exitCodes.usage) {
    return until(async () => {
      const { out, err } = await run();
      return requireShown(command, given(shown, names), `${out}${err}`);
    }, command);
  }
  const isRefused = shown.some(line => line.startsWith('error:'));
  requireShown(command, given(shown, names), `${first.out}${first.err}`);
  expect(first.exitCode, command).toBe(isRefused ? exitCodes.failed : exitCodes.ok);
};

const runElsewhere = async (step: Step, { names = {}, elsewhere = {} }: Following): Promise<string> => {
  const key = `${step.host}$ ${step.command}`;
  const act = elsewhere[key];
  if (act === undefined) throw new Error(`the test does not know what to do for: ${key}`);
  const output = await act();
  if (typeof output === 'string')
    await until(async () => requireShown(key, given(step.shown, names), String(await act())), key);
  return key;
};

const requireShown = (command: string, shown: readonly string[], output: string): true => {
  const missing = firstMissing(shown, output);
  if (missing === undefined) return true;
  throw new Error(`${command}\nought to show: ${missing}\nand shows:\n${output}`);
};

const given = <T extends string | readonly string[]>(text: T, names: Readonly<Record<string, string>>): T =>
  (typeof text === 'string'
    ? Object.entries(names).reduce((all, [name, own]) => all.replaceAll(name, own), text as string)
    : text.map(line => given(line, names))) as T;
