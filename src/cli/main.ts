#!/usr/bin/env -S node --max-semi-space-size=2
/**
 * The command line's process: arguments, streams and signals go in, an exit code comes out.
 *
 * The process ends by itself when nothing is left to do. A second Ctrl-C ends it at once.
 */
import process from 'node:process';
import { systemClock } from '../lib/clock.ts';
import { createTerminal } from './output/terminal.ts';
import { runCli } from './run.ts';
import { Interruption, STOP_SIGNALS } from './session/exit-code.ts';

const controller = new AbortController();
for (const signal of STOP_SIGNALS) {
  process.once(signal, () => controller.abort(new Interruption(signal)));
}
// A reader that has closed the pipe, such as head(1), or a terminal that is gone, is no failure: nobody is left
// to write to, and the command still has to end cleanly.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  terminal: createTerminal(process.stdout, process.stderr, process.env),
  clock: systemClock,
  environment: process.env,
  directory: process.cwd(),
  stdin: process.stdin,
  signal: controller.signal,
});
