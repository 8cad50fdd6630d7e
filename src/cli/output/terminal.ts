/**
 * Where the CLI writes: data to standard output, everything else to standard error.
 *
 * TE1. Standard output carries only the requested data: a script can use it whole.
 * TE2. Escape codes are written to a terminal only: colours unless NO_COLOR says otherwise, redrawing (`draw`)
 *      only where `live` is true.
 * TE3. No other control character, and no invisible one, is written: text of a release or a server cannot move the cursor or the
 *      words around it. In JSON the escape means the character.
 */
import { createStyle, type Style, shownOnTerminal } from './style.ts';

export type Terminal = {
  /** Data, with a newline added. */
  readonly print: (text: string) => void;
  /** A line of progress, advice or error, with a newline added. */
  readonly note: (line: string) => void;
  /** Raw text for standard error, with every line of it through `shownOnTerminal`; only where `live`. */
  readonly draw: (text: string) => void;
  /** Whether standard error is a terminal that can be redrawn. */
  readonly live: boolean;
  /** Before each line of a live region. */
  readonly indent: string;
  readonly columns: () => number;
  readonly rows: () => number;
  /** Undefined where standard output is not a terminal: nothing is cut for a file or a pipe. */
  readonly outColumns: () => number | undefined;
  readonly outStyle: Style;
  readonly noteStyle: Style;
};

export type OutputStream = {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** Also where a terminal says 0, as some pseudo-terminals do. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export const createTerminal = (
  out: OutputStream,
  err: OutputStream,
  environment: Readonly<Record<string, string | undefined>>,
): Terminal => {
  const dumb = environment.TERM === 'dumb';
  // https://no-color.org: set and not empty.
  const colors = !dumb && (environment.NO_COLOR ?? '') === '';
  const outColors = colors && out.isTTY === true;
  const noteColors = colors && err.isTTY === true;
  return {
    print: text => void out.write(`${shownOnTerminal(text, { colors: outColors })}\n`),
    note: line => void err.write(`${shownOnTerminal(line, { colors: noteColors })}\n`),
    draw: text => void err.write(text),
    live: err.isTTY === true && !dumb,
    indent: '',
    columns: () => err.columns || DEFAULT_COLUMNS,
    rows: () => err.rows || DEFAULT_ROWS,
    outColumns: () => (out.isTTY === true ? out.columns || DEFAULT_COLUMNS : undefined),
    outStyle: createStyle(outColors),
    noteStyle: createStyle(noteColors),
  };
};
