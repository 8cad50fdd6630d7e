/**
 * The lines at the bottom of the terminal that are redrawn while something runs.
 *
 * LI1. Without a terminal nothing is redrawn and no escape code is written: `plain` lines appear one after
 *      the other, the same line never twice in a row, and not more often than once per {@link PLAIN_GAP_MS}.
 * LI2. Only the lines of `say` remain after `close`.
 */
import type { Clock } from '../../lib/clock.ts';
import { shownOnTerminal, truncate } from './style.ts';
import type { Terminal } from './terminal.ts';

/** Between two plain lines: a log stays readable. */
const PLAIN_GAP_MS = 2_000;
/** Between two drawings: smooth to the eye, cheap for the terminal. */
const DRAW_GAP_MS = 80;

export type LiveRegion = {
  /**
   * Replaces the lines of the region with `lines`; without a terminal `plain` is printed instead, from time to time.
   * Both are computed only when they are shown.
   */
  readonly show: (lines: () => readonly string[], plain: () => string) => void;
  /** A line that stays, above the region. */
  readonly say: (line: string) => void;
  /** Removes the region. */
  readonly close: () => void;
};

export const createLiveRegion = (terminal: Terminal, clock: Pick<Clock, 'monotonicMs'>): LiveRegion => {
  let height = 0;
  let lastPlain = '';
  // A short operation is drawn, but not worth a line of a log.
  const neverShown = (): number => (terminal.live ? Number.NEGATIVE_INFINITY : clock.monotonicMs());
  let shownAtMs = neverShown();

  const erase = (): string => (height === 0 ? '' : `\x1b[${height}A\r\x1b[J`);

  const show: LiveRegion['show'] = (lines, plain) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - shownAtMs < (terminal.live ? DRAW_GAP_MS : PLAIN_GAP_MS)) return;
    shownAtMs = nowMs;
    if (!terminal.live) {
      const line = plain();
      if (line !== lastPlain) terminal.note(`${terminal.indent}${line}`);
      lastPlain = line;
      return;
    }
    // A region taller than the window could not be erased again.
    const drawn = lines()
      .slice(0, Math.max(1, terminal.rows() - 1))
      .map(line =>
        truncate(`${terminal.indent}${shownOnTerminal(line, { colors: true })}`, terminal.columns() - 1),
      );
    terminal.draw(`${erase()}${drawn.map(line => `${line}\n`).join('')}`);
    height = drawn.length;
  };

  return {
    show,
    say(line) {
      if (terminal.live) terminal.draw(erase());
      height = 0;
      shownAtMs = neverShown();
      terminal.note(line);
    },
    close() {
      if (terminal.live && height > 0) terminal.draw(erase());
      height = 0;
      shownAtMs = neverShown();
    },
  };
};
