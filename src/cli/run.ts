/** One run of the command line: arguments in, exit code out. Nothing here ends the process. */
import { CommanderError } from 'commander';
import { errorCodeOf } from '../lib/errors.ts';
import { failureLines } from './output/failure.ts';
import { createProgram } from './program.ts';
import { type ExitCode, exitCodes, Interruption } from './session/exit-code.ts';
import type { Session } from './session/session.ts';

/** @param args without the interpreter and the script */
export const runCli = async (args: readonly string[], context: Omit<Session, 'exit'>): Promise<ExitCode> => {
  let exitCode: ExitCode = exitCodes.ok;
  const session: Session = {
    ...context,
    exit(code) {
      exitCode = code;
    },
  };
  try {
    const program = await createProgram(session, args);
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportFailure(error, session, { debug: args.includes('--debug') });
  }
};

const reportFailure = (
  error: unknown,
  { terminal, signal }: Session,
  options: { debug: boolean },
): ExitCode => {
  // Commander has printed the error, or the requested help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const interruption = signal.aborted ? signal.reason : error;
  if (interruption instanceof Interruption) {
    terminal.note(interruption.message);
    return interruption.exitCode;
  }
  for (const line of failureLines(error, terminal.noteStyle, options)) terminal.note(line);
  return errorCodeOf(error) === 'USAGE' ? exitCodes.usage : exitCodes.failed;
};
