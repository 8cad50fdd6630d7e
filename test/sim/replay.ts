/**
 * Replays one run, and prints a line for each event, then the verdict.
 *
 * RY1. The output does not depend on time or machine: a seed and its steps give the same bytes.
 */
import { createReleaseShelf } from '../../sim/fleet/releases.ts';
import type { RunOptions, RunResult } from '../../sim/run.ts';
import { clockTime } from '../../sim/trace.ts';
import { GUARANTEES, type Violation } from '../../sim/violation.ts';
import { DEFAULT_SIZE } from './arguments.ts';
import { judgeSeed } from './outcome.ts';
import type { Output } from './output.ts';

export type Replayed = Pick<RunOptions, 'seed' | 'size' | 'only'>;

/** People read the errors of a replay. */
const STACK_LINES = 20;

export const replay = async (which: Replayed, write?: (line: string) => void): Promise<RunResult> => {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_LINES;
  try {
    return await judgeSeed({ ...which, shelf: createReleaseShelf(), write });
  } finally {
    Error.stackTraceLimit = before;
  }
};

/** One line of the trace: a text with line breaks stays one event. */
export const sayTraceLine = (output: Output, line: string): void => {
  const oneLine = line.trimEnd().replaceAll('\n', ' \\n ');
  const [, at, actor, words] = /^(\S*)\s+(\S+)\s+(.*)$/.exec(oneLine) ?? [];
  output.say(oneLine, { kind: 'event', at, actor, words });
};

export const sayVerdict = (output: Output, which: Replayed, result: RunResult): void => {
  const { violation, virtualMs, events, steps } = result;
  const reached = [...result.reached];
  const name = violation === undefined ? null : GUARANTEES[violation.guarantee];
  const size = `${clockTime(virtualMs)} of virtual time, ${events} events, ${steps.length} steps`;
  const text =
    violation === undefined
      ? [`seed ${which.seed} holds: ${size}`, `  reached: ${reached.join(', ') || 'nothing'}`]
      : [
          `seed ${which.seed} violates ${violationText(violation)}`,
          `  after ${size}`,
          `  again: ${replayCommand(which)}`,
        ];
  output.say(text.join('\n'), {
    kind: 'verdict',
    seed: which.seed,
    verdict: violation === undefined ? 'holds' : 'violated',
    violation: violation === undefined ? null : { ...violation, name },
    virtual_ms: virtualMs,
    events,
    steps: steps.map(({ number }) => number),
    reached,
  });
};

export const violationText = ({ guarantee, message, atMs }: Violation): string =>
  `${guarantee} (${GUARANTEES[guarantee]}) at ${clockTime(atMs)}: ${message}`;

export const replayCommand = ({ seed, size, only }: Replayed): string =>
  [
    `npm run sim -- --seed ${seed}`,
    size === DEFAULT_SIZE ? '' : ` --size ${size}`,
    only === undefined ? '' : ` --steps ${[...only].join(',') || "''"}`,
  ].join('');
