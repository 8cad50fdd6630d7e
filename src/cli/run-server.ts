/**
 * Runs a server until it is told to stop: SIGTERM and Ctrl-C are its normal end.
 *
 * With `--stop-with-stdin` the end of standard input is another one: whoever started it holds the other end of
 * that pipe, which closes however they end.
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
  // Nothing is expected on it; what comes is thrown away.
  stdin.resume();
  try {
    await run(AbortSignal.any([signal, ended.signal]));
  } finally {
    stdin.off('end', end).off('close', end).off('error', end);
    stdin.destroy();
  }
};
