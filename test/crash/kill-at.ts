/**
 * Loaded into a real process with `--import`: counts what the process does to the world, and ends it by SIGKILL
 * right before one of these steps.
 *
 *     plan file ─▶ read at the start, or at SIGUSR2 ─▶ each step: a line in the trace ─▶ step `at`: SIGKILL
 *
 * KA1. A step is what another process or a later start can see: a file made, written, synced, renamed, removed or
 *      cut; a directory made or synced; a statement sent to the database; an answer or a request sent.
 * KA2. The kill comes before the step. The state after the last one is met too, since the answer is a step.
 * KA3. What other threads have under way at that moment comes to its end or not, as it does with any kill.
 */
import { appendFileSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { basename } from 'node:path';
import { Duplex } from 'node:stream';
import { isMainThread } from 'node:worker_threads';

export type KillPlan = {
  /** Steps outside of these directories do not count. */
  readonly roots: readonly string[];
  /** A regular expression; steps of other names do not count. */
  readonly match: string;
  /** From 1; null to count only. */
  readonly at: number | null;
  /** Gets the name of each step, line by line; made anew when the plan is read, which tells that it counts. */
  readonly trace: string;
};

type Anything = (...args: unknown[]) => unknown;

const planFile = new URL(import.meta.url).searchParams.get('plan');
let plan: (KillPlan & { readonly pattern: RegExp }) | undefined;
let count = 0;

const readPlan = (): void => {
  const read: KillPlan = JSON.parse(readFileSync(planFile!, 'utf8'));
  plan = { ...read, pattern: new RegExp(read.match) };
  count = 0;
  writeFileSync(plan.trace, '');
};

const step = (name: string): void => {
  if (plan === undefined || !plan.pattern.test(name)) return;
  count += 1;
  appendFileSync(plan.trace, `${name}\n`);
  if (count === plan.at) process.kill(process.pid, 'SIGKILL');
};

/** What differs from run to run is left out, so that equal steps have equal names. */
const withoutIds = (text: string): string =>
  text
    .replaceAll(/[0-9a-f]{64}/g, '<hash>')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>');

const fileStep = (verb: string, path: unknown): void => {
  const root = plan?.roots.find(each => String(path).startsWith(each));
  if (root !== undefined) step(`${verb} ${basename(root)}${withoutIds(String(path).slice(root.length))}`);
};

const opensToWrite = (flags: unknown): boolean =>
  typeof flags === 'number'
    ? (flags & (constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT)) !== 0
    : flags !== undefined && flags !== 'r';

const watchFiles = async (): Promise<void> => {
  const fs = promises as unknown as Record<string, Anything>;
  const paths = new WeakMap<object, unknown>();
  const open = promises.open as Anything;
  fs.open = async (...args) => {
    if (opensToWrite(args[1])) fileStep('make', args[0]);
    const handle = (await open(...args)) as object;
    paths.set(handle, args[0]);
    return handle;
  };
  for (const name of ['rename', 'unlink', 'rm', 'rmdir', 'mkdir', 'link', 'writeFile', 'truncate']) {
    const original = fs[name]!;
    // A rename is named by what it brings about.
    fs[name] = (...args) => {
      fileStep(name, name === 'rename' || name === 'link' ? args[1] : args[0]);
      return original(...args);
    };
  }
  await using any = (await open('/dev/null', 'r')) as FileHandle;
  const methods = Object.getPrototypeOf(any) as Record<string, Anything>;
  for (const name of ['write', 'writev', 'writeFile', 'appendFile', 'truncate', 'sync', 'datasync']) {
    const original = methods[name]!;
    methods[name] = function (this: object, ...args: unknown[]) {
      fileStep(name, paths.get(this));
      return original.apply(this, args);
    };
  }
  syncBuiltinESMExports();
};

const PARSE = 0x50;
const QUERY = 0x51;
const WRITES = /^(?:insert into|update|delete from) "?(\w+)/i;

/** The text of a PostgreSQL message that carries a statement: `Q`, or `P` after the name of the statement. */
const statementIn = (chunk: unknown): string | undefined => {
  if (!Buffer.isBuffer(chunk) || chunk.length < 6 || chunk.readInt32BE(1) !== chunk.length - 1)
    return undefined;
  if (chunk[0] !== PARSE && chunk[0] !== QUERY) return undefined;
  const start = chunk[0] === QUERY ? 5 : chunk.indexOf(0, 5) + 1;
  return chunk.toString('utf8', start, chunk.indexOf(0, start)).replaceAll(/^--.*$/gm, '');
};

/** Named by its first words; COMMIT by the tables that the transaction wrote to. */
const statementName = (text: string, written: Set<string>): string => {
  const words = text.trim().split(/[\s(]+/);
  const verb = words[0]!.toUpperCase();
  if (verb === 'BEGIN') written.clear();
  const table = WRITES.exec(text.trim())?.[1];
  if (table !== undefined) written.add(table);
  return verb === 'COMMIT'
    ? `sql COMMIT of ${[...written].join(', ')}`
    : `sql ${words.slice(0, 4).join(' ')}`;
};

const watchSockets = (): void => {
  const writtenOn = new WeakMap<Socket, Set<string>>();
  const write = Duplex.prototype.write as Anything;
  Object.defineProperty(Socket.prototype, 'write', {
    configurable: true,
    writable: true,
    value(this: Socket, ...args: unknown[]) {
      const [chunk] = args;
      const statement = statementIn(chunk);
      if (statement !== undefined) {
        const written = writtenOn.get(this) ?? new Set();
        writtenOn.set(this, written);
        step(statementName(statement, written));
      } else if (plan !== undefined) {
        const head =
          typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString('latin1', 0, 512);
        const answer = /^HTTP\/1\.1 (\d+)/.exec(head);
        const request = /^([A-Z]+) (\/[^ ?]*)[^\r]* HTTP\/1\.1\r\n/.exec(head);
        if (answer !== null) step(`answer ${answer[1]}`);
        else if (request !== null) step(`request ${request[1]} ${withoutIds(request[2]!)}`);
      }
      return write.apply(this, args);
    },
  });
};

// Threads of the process load this too; what they write is no step of its own.
if (isMainThread && planFile !== null) {
  await watchFiles();
  watchSockets();
  process.on('SIGUSR2', readPlan);
  if (existsSync(planFile)) readPlan();
}
