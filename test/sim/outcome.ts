/**
 * One run as the command judges it: the violations that the simulator finds, and uncaught errors.
 *
 * OU1. An exception that leaves the run, and an unhandled rejection, are violations of `bug` by the seed that ran. A thread
 *      runs one seed at a time, so that such an error belongs to that seed.
 * OU2. The seed determines the outcome. Names of temporary files end in an id that is random in the product too; nothing
 *      depends on it, and the outcome leaves it out.
 */
import { type RunOptions, type RunResult, runSeed } from '../../sim/run.ts';
import { drawScript } from '../../sim/script/script.ts';
import type { Step } from '../../sim/script/step.ts';
import { drawSwarm } from '../../sim/script/swarm.ts';
import { createStreams } from '../../sim/time/streams.ts';
import type { Violation } from '../../sim/violation.ts';

/** @param run the run itself; only tests pass another one */
export const judgeSeed = async (options: RunOptions, run = runSeed): Promise<RunResult> => {
  const { write } = options;
  const told = write && ((line: string) => write(withoutTemporaryIds(line)));
  const result = await judge({ ...options, write: told }, run);
  const { violation } = result;
  if (violation === undefined) return result;
  return { ...result, violation: { ...violation, message: withoutTemporaryIds(violation.message) } };
};

const withoutTemporaryIds = (text: string): string =>
  text.replaceAll(/(\.tmp-[\w.-]+?)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '$1-…');

const judge = async (options: RunOptions, run: typeof runSeed): Promise<RunResult> => {
  let bug: Violation | undefined;
  const note = (error: unknown): void => {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    // The virtual time of the error is unknown here; the trace shows it by the lines around this one.
    options.write?.(`${'#'.padStart(15).padEnd(24)} nobody caught: ${message}`);
    bug ??= { guarantee: 'bug', message: `nobody caught: ${message}`, atMs: 0 };
  };
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
  try {
    const result = await run(options);
    // Node reports a rejection after the turn in which it occurred.
    await new Promise(resolve => setImmediate(resolve));
    return bug === undefined ? result : { ...result, violation: { ...bug, atMs: result.virtualMs } };
  } catch (error) {
    note(error);
    return {
      seed: options.seed,
      violation: bug,
      steps: stepsOf(options),
      reached: new Set(),
      virtualMs: 0,
      events: 0,
    };
  } finally {
    process.off('unhandledRejection', note);
    process.off('uncaughtException', note);
  }
};

/** The chosen steps of a seed. */
export const stepsOf = ({
  seed,
  size,
  only,
}: Pick<RunOptions, 'seed' | 'size' | 'only'>): readonly Step[] => {
  const streams = createStreams(seed);
  const steps = drawScript(drawSwarm(streams('swarm'), size), streams('script'));
  return only === undefined ? steps : steps.filter(({ number }) => only.has(number));
};
