/**
 * The command line's process: arguments, streams and signals go in, an exit code comes out.
 *
 * The process ends by itself when nothing is left to do. A second Ctrl-C ends it at once.
 */
import process from 'node:process';
import { systemClock } from '../lib/clock.ts';
import { Interruption } from './exit-code.ts';
import { createTerminal } from './output/terminal.ts';
import { runCli } from './run.ts';

const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => controller.abort(new Interruption(signal)));
}
// A reader that has seen enough, such as head(1), is no failure; there is nobody left to write to.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  terminal: createTerminal(process.stdout, process.stderr, process.env),
  clock: systemClock,
  environment: process.env,
  directory: process.cwd(),
  stdin: process.stdin,
  signal: controller.signal,
});
