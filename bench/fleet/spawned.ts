/** A program that a bench runs until it is disposed: on some machine of the network, with its output in lines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const MAX_ERROR_CHARS = 2_000;

export type Spawned = AsyncDisposable & {
  /** Resolves with the next line that has this prefix, without it. @throws when the program ends before */
  readonly line: (prefix: string) => Promise<string>;
  readonly tell: (line: string) => void;
  /** Resolves when it has ended with 0. @throws otherwise, with the end of its errors */
  readonly ended: Promise<void>;
};

type Options = {
  readonly signal: AbortSignal;
  /** A daemon that serves its standard input when that is a socket, as a pipe of Node is, has none. */
  readonly input?: 'pipe' | 'ignore';
};

/** @param within the prefix of a command that runs on another machine; empty for this one */
export const spawnOn = (
  within: readonly string[],
  command: readonly string[],
  { signal, input = 'pipe' }: Options,
): Spawned => {
  const [program, ...args] = [...within, ...command];
  const child = spawn(program!, args, { stdio: [input, 'pipe', 'pipe'], signal });
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', text => {
    errors = `${errors}${text}`.slice(-MAX_ERROR_CHARS);
  });
  child.stdin?.on('error', () => undefined);
  const exited = once(child, 'close');
  const ended = exited.then(([code, by]) => {
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code ?? by}: ${errors.trim()}`);
  });
  ended.catch(() => undefined);

  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface(child.stdout!).on('line', text => {
    lines.push(text);
    for (const look of waiting) look();
  });
  const line = (prefix: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const at = lines.findIndex(text => text.startsWith(prefix));
        if (at === -1) return;
        waiting.delete(look);
        resolve(lines.splice(at, 1)[0]!.slice(prefix.length));
      };
      waiting.add(look);
      look();
      ended.then(() => reject(new Error(`${command.join(' ')} ended without "${prefix}"`)), reject);
    });
  return {
    ...{ line, ended },
    tell: text => void child.stdin?.write(`${text}\n`),
    async [Symbol.asyncDispose]() {
      child.kill();
      await exited.catch(() => undefined);
    },
  };
};
