/** A process of a test's fleet: started, stopped and killed as often as the test wants, with the same directories. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'smol-toml';
import { type Child, type Exit, startChild } from '../src/local-fleet/child-process.ts';

const PROGRAM = join(import.meta.dirname, '../src/cli/main.ts');
/** Far longer than any wait here takes; a test that waits longer fails. */
const PATIENCE_MS = 90_000;
/** A soak may take a night. */
const signal = AbortSignal.timeout(24 * 60 * 60_000);
export const wait = { signal };

export type Toml = Record<string, unknown>;

export type TestProcess = {
  /** Starts or restarts it with the same directories. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** Sends SIGKILL and waits for the end; does nothing if it has ended. */
  readonly kill: () => Promise<void>;
  /** Resolves when it ends, for whatever reason. */
  readonly isRunning: () => boolean;
  /** Of a running one. */
  readonly pid: () => number;
  /** Resolves when a process that ends by itself has ended. */
  readonly ended: () => Promise<Exit>;
  readonly log: () => Promise<string>;
};

type How = {
  /** A command that runs the process, such as `ip netns exec NAME`. */
  readonly within?: readonly string[];
  /** For Node, before the program. */
  readonly nodeArguments?: readonly string[] | undefined;
};

export const makeProcess = (
  directory: string,
  name: string,
  args: readonly string[],
  config: () => Toml,
  onReady: (ready: string) => void,
  how: How = {},
): TestProcess => {
  let child: Child | undefined;
  const home = join(directory, name);
  const logFile = join(home, 'log');
  const readyFile = join(home, 'ready.json');
  return {
    async start() {
      await mkdir(home, { recursive: true });
      await writeFile(join(home, 'config.toml'), stringify({ ...config(), ready_file: readyFile }));
      const program = [PROGRAM, ...args, '--config', join(home, 'config.toml'), '--stop-with-stdin'];
      const node = [process.execPath, ...(how.nodeArguments ?? []), ...program];
      const [command, ...rest] = [...(how.within ?? []), ...node];
      const started = await startChild({ name, command: command!, args: rest, logFile, readyFile }, wait);
      child = started;
      void started.exited.then(() => {
        if (child === started) child = undefined;
      });
      onReady(started.ready);
    },
    async stop() {
      await child?.stop();
      child = undefined;
    },
    async kill() {
      if (child === undefined) return;
      const { pid, exited } = child;
      process.kill(pid, 'SIGKILL');
      await exited;
    },
    isRunning: () => child !== undefined,
    pid: () => child!.pid,
    ended: () => child!.exited,
    log: () => readFile(logFile, 'utf8'),
  };
};

/** Polls until something holds; fails with the last error and the description of the wait. */
export const until = async (
  condition: () => Promise<boolean>,
  what = condition.toString(),
): Promise<void> => {
  const deadline = Date.now() + PATIENCE_MS;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      if (await condition()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await delay(100);
  }
  throw new Error(`did not happen in time: ${what}`, { cause: last });
};
