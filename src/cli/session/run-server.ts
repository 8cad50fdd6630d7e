/**
 * Commands that run a server until a signal stops it: SIGTERM and Ctrl-C are its normal end. SIGHUP does not end it.
 *
 * With `--stop-with-stdin` the end of standard input stops it too: the parent process holds the other end of that pipe,
 * which closes however the parent ends.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { OnHangUp } from '../../lib/hang-up.ts';
import { usageError } from '../output/failure.ts';
import { type CommonOptions, type Session, withCommonOptions } from './session.ts';

type ServerOptions = CommonOptions & { readonly config?: string; readonly stopWithStdin?: true };

type ServerCommand = {
  readonly session: Session;
  /** For the help: `the Nexus`. */
  readonly server: string;
  /** The usual name of its configuration. */
  readonly fileName: string;
  readonly run: (options: {
    readonly configPath: string;
    readonly signal: AbortSignal;
    readonly onHangUp: OnHangUp;
  }) => Promise<void>;
};

/** Makes a group of commands itself a command: with `--config` it runs a server. */
export const makeRunnable = (group: Command, { session, server, fileName, run }: ServerCommand): void => {
  const name = group.name();
  withCommonOptions(
    group
      .option(
        '--config <file>',
        `run ${server} that this ${fileName} configures, until SIGTERM or Ctrl-C; logs to standard error`,
      )
      .option('--stop-with-stdin', 'stop also when standard input ends'),
    `tuf-depot ${name} --config /etc/tuf-depot/${fileName}`,
  ).action(async (options: ServerOptions) => {
    if (options.config === undefined) {
      throw usageError(`${name} needs --config FILE to run one`, `or a subcommand: tuf-depot ${name} --help`);
    }
    const configPath = resolve(session.directory, options.config);
    await runServer(session, options, signal => run({ configPath, signal, onHangUp: session.onHangUp }));
  });
};

const runServer = async (
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
