/**
 * The report of a seed that failed: one line at once, and later the run with as few steps as still fail.
 *
 *     a failure ─▶ its line ─▶ (new among the failures?) ─▶ minimised in a thread ─▶ replayed here, cut, with its command
 *
 * FA1. Failures that only differ in numbers and names are one; a few different ones are minimised, one at a time, while
 *      the search goes on.
 */
import type { FleetSize } from '../../sim/script/swarm.ts';
import type { Violation } from '../../sim/violation.ts';
import { stepsOf } from './outcome.ts';
import type { Output } from './output.ts';
import { HANG_MS, type PooledResult, startThread } from './pool.ts';
import { replay, replayCommand, sayTraceLine, sayVerdict, violationText } from './replay.ts';
import { kindText } from './tally.ts';
import type { Answer, Task } from './worker.ts';

const MOST_MINIMISED = 5;
const MINIMISE_MS = 60_000;
/** For the attempt in progress when the time is up. */
const GRACE_MS = 10_000;
const MOST_LINES = 200;
/** Of lines that differ only in numbers and ids, so many are shown. */
const FIRST_OF_A_SHAPE = 2;
const END_LINES = 20;
/** The width of the time at the beginning of a line of the trace. */
const TIME_COLUMNS = '00:00:00.000  '.length;

export type Failures = {
  readonly add: (result: PooledResult) => void;
  /** Resolves when every report was printed. */
  readonly reported: () => Promise<void>;
};

export const createFailures = (output: Output, size: FleetSize): Failures => {
  const seen = new Set<string>();
  let reported: Promise<void> = Promise.resolve();
  return {
    add({ seed, violation, isHang }) {
      if (violation === undefined && !isHang) return;
      const again = replayCommand({ seed, size, only: undefined });
      if (violation === undefined) {
        const text = `seed ${seed}: ${kindText('hang')}, not within ${HANG_MS / 1000} s\n  again: ${again}`;
        output.say(text, { kind: 'failure', seed, guarantee: 'hang', again });
        return;
      }
      output.say(`seed ${seed}: ${violationText(violation)}\n  again: ${again}`, {
        kind: 'failure',
        seed,
        ...violation,
        again,
      });
      const kind = kindOf(violation);
      if (seen.has(kind) || seen.size >= MOST_MINIMISED) return;
      seen.add(kind);
      reported = reported.then(() => explain(output, seed, size, violation));
    },
    reported: () => reported,
  };
};

/** Without the numbers and ids in which two failures of one cause differ. */
export const kindOf = ({ guarantee, message }: Violation): string =>
  `${guarantee} ${message.replaceAll(/[0-9a-f]{8,}|\d+/g, '#')}`;

const explain = async (
  output: Output,
  seed: number,
  size: FleetSize,
  { guarantee }: Violation,
): Promise<void> => {
  const all = stepsOf({ seed, size }).map(({ number }) => number);
  const left = await minimiseInThread(
    { kind: 'minimise', seed, size, guarantee, withinMs: MINIMISE_MS },
    all,
  );
  const which = { seed, size, only: new Set(left) };
  const lines: string[] = [];
  const result = await replay(which, line => void lines.push(line));
  output.say(`== seed ${seed}, with ${left.length} of ${all.length} steps`, {
    kind: 'minimised',
    seed,
    guarantee,
    steps: left,
    steps_before: all.length,
  });
  for (const line of cutTrace(lines, MOST_LINES)) sayTraceLine(output, line);
  sayVerdict(output, which, result);
};

const minimiseInThread = async (task: Task, all: readonly number[]): Promise<readonly number[]> => {
  const worker = await startThread();
  const { promise, resolve } = Promise.withResolvers<void>();
  let smallest = all;
  worker
    .on('message', (answer: Answer) => {
      if (answer.kind === 'smaller') smallest = answer.steps;
      else if (answer.kind === 'minimised') resolve();
    })
    // An attempt that kills its thread is another kind of failure, so it does not count as smaller.
    .on('error', () => resolve())
    .on('exit', () => resolve());
  const timer = setTimeout(resolve, MINIMISE_MS + GRACE_MS);
  worker.postMessage(task);
  await promise;
  clearTimeout(timer);
  await worker.terminate();
  return smallest;
};

/**
 * The essential lines of a trace: the steps, the first lines of each shape, and the end. A fleet that waits logs the same
 * lines every minute.
 */
export const cutTrace = (lines: readonly string[], most: number): readonly string[] => {
  const seen = new Map<string, number>();
  const isNew = lines.map(line => {
    const shape = line.slice(TIME_COLUMNS).replaceAll(/[0-9a-f-]{8,}|\d+/g, '#');
    seen.set(shape, (seen.get(shape) ?? 0) + 1);
    return seen.get(shape)! <= FIRST_OF_A_SHAPE;
  });
  const fresh = lines.flatMap((_, at) => (isNew[at] ? [at] : [])).slice(-most);
  const kept = new Set(fresh);
  lines.forEach((line, at) => {
    if (at >= lines.length - END_LINES || line.startsWith('#', TIME_COLUMNS)) kept.add(at);
  });
  const left = lines.length - kept.size;
  const cut = lines.filter((_, at) => kept.has(at));
  return left === 0 ? lines : [...cut, `${'…'.padEnd(TIME_COLUMNS)}#         ${left} lines left out above`];
};
