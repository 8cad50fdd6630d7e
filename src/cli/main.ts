#!/usr/bin/env -S node --max-semi-space-size=1
/**
 * The command line's process: arguments, streams and signals go in, an exit code comes out.
 *
 * The process ends by itself when nothing is left to do. A second Ctrl-C ends it at once.
 */
import process from 'node:process';
import { systemClock } from '../lib/clock.ts';
import { createTerminal } from './output/terminal.ts';
import { watchOutput } from './output/watch-output.ts';
import { runCli } from './run.ts';
import { exitCodes, Interruption, STOP_SIGNALS } from './session/exit-code.ts';
import { createHangUps } from './session/hang-up.ts';

/**
 * Syncs of files wait in threads of Node's pool: with four of them a file system writes its journal three times as often, and a disk
 * that hangs stops the others. Read when the first thread begins.
 */
process.env.UV_THREADPOOL_SIZE ??= '16';

const controller = new AbortController();
for (const signal of STOP_SIGNALS) {
  process.once(signal, () => controller.abort(new Interruption(signal)));
}
const { arrived, onHangUp } = createHangUps(() => controller.abort(new Interruption('SIGHUP')));
process.on('SIGHUP', arrived);
const output = watchOutput(process.stdout, process.stderr, () => {
  process.exitCode = exitCodes.failed;
});

const exitCode = await runCli(process.argv.slice(2), {
  terminal: createTerminal(process.stdout, process.stderr, process.env),
  clock: systemClock,
  environment: process.env,
  directory: process.cwd(),
  stdin: process.stdin,
  signal: controller.signal,
  onHangUp,
});
process.exitCode = exitCode === exitCodes.ok && output.isLost() ? exitCodes.failed : exitCode;
