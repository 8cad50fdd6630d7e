/**
 * Runs what `.ci/run` has no time for, for hours: one suite after the other, all of them although one fails.
 *
 *     npm run nightly -- [--only NAME] [--minutes M]
 *
 * `--only`, once or more, chooses steps; `--minutes` is for the search of the simulator. Ends with a line for each step
 * and with 1 where one failed, or where none passed; with 2 when the arguments are wrong.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chooseSteps, hasPassed, lineOf, runSteps, type Step } from './sequence.ts';
import { nightlySteps, SEARCH_MINUTES } from './steps.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const execute = async ({ script, args, env }: Step): Promise<string | undefined> => {
  const child = spawn('npm', ['run', '--silent', script, '--', ...args], {
    cwd: resolve(import.meta.dirname, '../..'),
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  const [code, signal] = await once(child, 'exit');
  if (code === 0) return undefined;
  return signal === null ? `ended with ${code}` : `ended by ${signal}`;
};

const readSteps = (): readonly Step[] => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      minutes: { type: 'string', default: String(SEARCH_MINUTES) },
    },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes takes a number above 0, not '${values.minutes}'`);
  return chooseSteps(nightlySteps(minutes), values.only);
};

const night = async (steps: readonly Step[]): Promise<number> => {
  const outcomes = await runSteps(steps, { execute, print, nowMs: () => performance.now() });
  print(`\n${outcomes.map(lineOf).join('\n')}`);
  return hasPassed(outcomes) ? 0 : 1;
};

try {
  process.exitCode = await night(readSteps());
} catch (error) {
  process.stderr.write(`nightly: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
