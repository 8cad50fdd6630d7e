/** Runs a command line in this process and collects what it writes. For tests. */
import { Readable } from 'node:stream';
import { type Clock, systemClock } from '../lib/clock.ts';
import { noHangUp } from '../lib/hang-up.ts';
import { createTerminal } from './output/terminal.ts';
import { runCli } from './run.ts';
import type { ExitCode } from './session/exit-code.ts';
import type { StandardInput } from './session/session.ts';

export type TestRun = { readonly exitCode: ExitCode; readonly out: string; readonly err: string };

export const runTestCli = async (
  args: readonly string[],
  options: {
    readonly environment?: Readonly<Record<string, string>>;
    readonly directory?: string;
    readonly stdin?: StandardInput;
    readonly signal?: AbortSignal;
    readonly clock?: Clock;
    readonly isTTY?: boolean;
  } = {},
): Promise<TestRun> => {
  const out: string[] = [];
  const err: string[] = [];
  const stream = (into: string[]) => ({
    write: (text: string) => into.push(text),
    isTTY: options.isTTY ?? false,
  });
  const environment = options.environment ?? {};
  const exitCode = await runCli(args, {
    terminal: createTerminal(stream(out), stream(err), environment),
    clock: options.clock ?? systemClock,
    environment,
    directory: options.directory ?? '/nonexistent',
    stdin: options.stdin ?? Readable.from([]),
    signal: options.signal ?? new AbortController().signal,
    onHangUp: noHangUp,
  });
  return { exitCode, out: out.join(''), err: err.join('') };
};
