/**
 * Replays one run of the simulator, or searches seeds for one that violates a guarantee.
 *
 *     npm run sim -- --seed S [--steps 3,7,12] [--size any|small] [--quiet] [--json]
 *     npm run sim -- --seeds N [--minutes M] [--first S | --commit] [--size any|small] [--json]
 *
 * Exits with 1 when a guarantee was violated, with 2 when the arguments are wrong. Ctrl-C ends a search early, with a summary.
 */
import { availableParallelism } from 'node:os';
import { BadArgument, readArguments, type SimCommand, USAGE } from './arguments.ts';
import { createFailures } from './failures.ts';
import { readTree, seedOfTree } from './first-seed.ts';
import { createOutput, type Output } from './output.ts';
import { runPool } from './pool.ts';
import { replay, sayTraceLine, sayVerdict } from './replay.ts';
import { seedsFrom } from './search.ts';
import { createTally } from './tally.ts';

const MOST_THREADS = 2;
const PROGRESS_MS = 10_000;

type Search = Extract<SimCommand, { kind: 'search' }>;
type Replay = Extract<SimCommand, { kind: 'replay' }>;

/** @returns whether it holds */
const replayOne = async (command: Replay, output: Output): Promise<boolean> => {
  const { seed, size, only, isQuiet } = command;
  output.say(`seed ${seed}`, { kind: 'seed', seed, size, steps: only === undefined ? null : [...only] });
  const result = await replay(command, isQuiet ? undefined : line => sayTraceLine(output, line));
  sayVerdict(output, command, result);
  return result.violation === undefined;
};

/** @returns whether every seed holds */
const search = async (command: Search, output: Output): Promise<boolean> => {
  const { size, isOfCommit, seeds, minutes } = command;
  const tree = isOfCommit ? readTree(import.meta.dirname) : '';
  const first = isOfCommit ? seedOfTree(tree) : (command.first ?? Date.now() % 2 ** 31);
  const threads = Math.min(MOST_THREADS, availableParallelism());
  output.say(
    `first seed ${first}${tree === '' ? '' : `, of tree ${tree.slice(0, 12)}`}, size ${size}, ${threads} threads`,
    { kind: 'seed', first, tree, size, threads },
  );
  const started = performance.now();
  const tookMs = () => performance.now() - started;
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt);
  const timer = Number.isFinite(minutes) ? setTimeout(interrupt, minutes * 60_000) : undefined;
  const tally = createTally();
  const failures = createFailures(output, size);
  const progress = setInterval(() => tally.sayProgress(output, tookMs()), PROGRESS_MS);
  await runPool({
    threads,
    seeds: seedsFrom(first, seeds),
    size,
    signal: stop.signal,
    onResult(result) {
      tally.add(result);
      failures.add(result);
    },
  });
  const searchedMs = tookMs();
  clearInterval(progress);
  clearTimeout(timer);
  process.off('SIGINT', interrupt);
  await failures.reported();
  tally.saySummary(output, first, searchedMs);
  // A change is merged only after the same number of seeds on every machine, however slow it is.
  const isCutShort = isOfCommit && tally.seeds() < seeds && Number.isFinite(seeds);
  if (isCutShort) output.say('too few seeds in the time: not searched to the end', { kind: 'cut_short' });
  return tally.failures() === 0 && !isCutShort;
};

// A reader that wants only the first lines, such as head(1), closes the pipe.
process.stdout.on('error', () => {});
try {
  const command = readArguments(process.argv.slice(2));
  const output = createOutput(command.isJson, line => void process.stdout.write(`${line}\n`));
  const holds = command.kind === 'replay' ? await replayOne(command, output) : await search(command, output);
  process.exitCode = holds ? 0 : 1;
} catch (error) {
  if (!(error instanceof BadArgument)) throw error;
  process.stderr.write(`sim: ${error.message}\n\n${USAGE}\n`);
  process.exitCode = 2;
}
