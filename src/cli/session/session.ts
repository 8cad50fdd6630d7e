/** The context of every command: where to write, the options, and the signal that stops it. */
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { Clock } from '../../lib/clock.ts';
import type { OnHangUp } from '../../lib/hang-up.ts';
import type { Terminal } from '../output/terminal.ts';
import type { ExitCode } from './exit-code.ts';

/** Like `process.stdin`, which has these where it is a terminal. */
export type StandardInput = Readable & {
  readonly isTTY?: boolean;
  readonly setRawMode?: (isRaw: boolean) => unknown;
};

export type Session = {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly directory: string;
  readonly stdin: StandardInput;
  /** Aborts on SIGINT, SIGTERM, and on a SIGHUP without a listener; its reason is an Interruption. */
  readonly signal: AbortSignal;
  readonly onHangUp: OnHangUp;
  /** The exit code of the process, where it is not 0. */
  readonly exit: (code: ExitCode) => void;
};

/** Options of every command. */
export type CommonOptions = { readonly json?: true; readonly debug?: true };

export const withCommonOptions = (command: Command, example: string): Command =>
  command
    .option('--json', 'print the data as JSON')
    .option('--debug', 'show stack traces of errors')
    .addHelpText('after', `\nExample:\n${example.replace(/^/gm, '  $ ')}`);

/** Prints the data of a command: one JSON document for programs, or lines for people. */
export const present = (
  { terminal }: Pick<Session, 'terminal'>,
  options: CommonOptions,
  data: unknown,
  lines: () => readonly string[],
): void => {
  terminal.print(options.json === true ? JSON.stringify(data, undefined, 2) : lines().join('\n'));
};
