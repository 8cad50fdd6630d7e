/** The output of the demo: numbered steps, facts below them, and the duration of each. */
import { formatDuration } from '../output/quantities.ts';
import type { Style } from '../output/style.ts';
import type { Session } from '../session/session.ts';

/** Of the lines below a step. */
export const INDENT = '   ';

export type Narrator = {
  readonly style: Style;
  /** Runs one step under its title; its duration is kept under `key`. */
  readonly step: <T>(key: string, title: string, work: () => Promise<T>) => Promise<T>;
  /** A line below the step. */
  readonly say: (line: string) => void;
  /** Milliseconds by step. */
  readonly timings: () => Readonly<Record<string, number>>;
};

/** With `json` standard output has only the JSON at the end, and the steps go to standard error. */
export const createNarrator = (
  { terminal, clock }: Pick<Session, 'terminal' | 'clock'>,
  { json, steps }: { json: boolean; steps: number },
): Narrator => {
  const style = json ? terminal.noteStyle : terminal.outStyle;
  const write = json ? terminal.note : terminal.print;
  const timings: Record<string, number> = {};
  let number = 0;
  return {
    style,
    say: line => write(`${INDENT}${line}`.trimEnd()),
    timings: () => ({ ...timings }),
    async step(key, title, work) {
      number += 1;
      write(`${number === 1 ? '' : '\n'}${style.accent(`${number}/${steps}`)} ${style.bold(title)}`);
      const startMs = clock.monotonicMs();
      const result = await work();
      timings[key] = Math.round(clock.monotonicMs() - startMs);
      write(`${INDENT}${style.good('✓')} ${style.dim(formatDuration(timings[key]))}`);
      return result;
    },
  };
};
