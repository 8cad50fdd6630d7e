/**
 * Fuzzes the readers of untrusted bytes for a given time, and exits with 1 at the first finding of each.
 *
 *     npm run fuzz -- [--seconds 20] [--target zip] [--first NUMBER]
 *     npm run fuzz -- --target zip --replay FILE
 *
 * A finding prints its number, with which `--first` begins, and the file in the temporary folder that its input was
 * saved to, with which `--replay` judges it again.
 */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { inputOf, judgeBytes, prepare, type Tally } from './campaign.ts';
import { type FuzzTarget, MAX_MS } from './target.ts';
import { FUZZ_TARGETS } from './targets.ts';
import type { FuzzWorkerInput } from './worker.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    target: { type: 'string' },
    first: { type: 'string' },
    replay: { type: 'string' },
  },
});

/** The heap of a thread; an input is at most 256 KiB. */
const MAX_HEAP_MIB = 256;
const WATCH_MS = 500;
/** A new thread imports and prepares before its first case. */
const START_MS = 20_000;

const print = (line: string) => process.stdout.write(`${line}\n`);

/** Resolves with a tally; rejects with what was found. */
const campaign = async (
  target: FuzzTarget,
  first: number,
  durationMs: number,
  current: Float64Array<SharedArrayBuffer>,
): Promise<Tally> => {
  const workerData: FuzzWorkerInput = { target: target.name, first, durationMs, progress: current.buffer };
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Tally>();
  worker.once('message', resolve);
  worker.once('error', reject);
  worker.once('exit', code => reject(new Error(`the thread ended with ${code}`)));
  let seen = current[0];
  let since = performance.now() + START_MS;
  const watch = setInterval(() => {
    if (current[0] !== seen) {
      seen = current[0];
      since = performance.now();
    } else if (performance.now() - since > MAX_MS) reject(new Error(`it hangs, for ${MAX_MS} ms by now`));
  }, WATCH_MS);
  try {
    return await promise;
  } finally {
    clearInterval(watch);
    await worker.terminate();
  }
};

const fuzz = async (target: FuzzTarget, first: number, durationMs: number): Promise<boolean> => {
  const current = new Float64Array(new SharedArrayBuffer(8));
  current[0] = first;
  try {
    const { cases, accepted } = await campaign(target, first, durationMs, current);
    print(
      `${target.name.padEnd(10)} ${String(cases).padStart(8)} inputs, ${accepted} accepted, from ${first}`,
    );
    return true;
  } catch (error) {
    const number = current[0]!;
    const file = join(await mkdtemp(join(tmpdir(), 'tuf-depot-fuzz-')), `${target.name}-${number}.bin`);
    await writeFile(file, inputOf(number, await prepare(target)).bytes);
    print(`${target.name}: a finding at ${number}: ${error instanceof Error ? error.stack : error}`);
    print(`  input: ${file}`);
    print(`  again: npm run fuzz -- --target ${target.name} --first ${number}`);
    return false;
  }
};

const PIECE_LENGTHS = [1, 7, 333, 512, 65_536];

const replay = async (target: FuzzTarget, path: string): Promise<void> => {
  const bytes = await readFile(path);
  for (const pieceBytes of PIECE_LENGTHS) await judgeBytes(bytes, target, pieceBytes);
  print(`${target.name}: ${path} is judged well`);
};

const targets = FUZZ_TARGETS.filter(({ name }) => values.target === undefined || values.target === name);
if (targets.length === 0) throw new Error(`targets are ${FUZZ_TARGETS.map(({ name }) => name).join(', ')}`);
if (values.replay === undefined) {
  const first = Number(values.first ?? Date.now() % 2 ** 31);
  const durationMs = (Number(values.seconds) * 1000) / targets.length;
  let good = true;
  for (const target of targets) good = (await fuzz(target, first, durationMs)) && good;
  process.exitCode = good ? 0 : 1;
} else await replay(targets[0]!, values.replay);
