/**
 * Runs a server until a signal stops it: SIGTERM and Ctrl-C are its normal end.
 *
 * With `--stop-with-stdin` the end of standard input stops it too: the parent process holds the other end of that pipe,
 * which closes however the parent ends.
 */
import type { CommonOptions, Session } from './session.ts';

export type ServerOptions = CommonOptions & { readonly config: string; readonly stopWithStdin?: true };

export const runServer = async (
  { signal, stdin }: Pick<Session, 'signal' | 'stdin'>,
  options: ServerOptions,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> => {
  if (options.stopWithStdin !== true) return run(signal);
  const ended = new AbortController();
  const end = () => ended.abort();
  stdin.on('end', end).on('close', end).on('error', end);
  // No input is expected; any is discarded.
  stdin.resume();
  try {
    await run(AbortSignal.any([signal, ended.signal]));
  } finally {
    stdin.off('end', end).off('close', end).off('error', end);
    stdin.destroy();
  }
};
