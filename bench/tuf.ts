/**
 * How long it takes to verify the metadata of a repository, by its number of targets; beside tuf-js up to 10,000.
 *
 *     bin/node24 bench/tuf.ts [rounds]
 *
 * The files are in memory for both. Ours verifies the repository whole; tuf-js refreshes, which is as far as it goes.
 * Then the same in a worker thread, and a whole archive of 10,000 artifacts by way of verifyRelease, with the longest
 * stretch for which the event loop of the caller was busy meanwhile. The limits are 300 ms for 10,000 targets in a
 * thread (without its start, which is printed separately), and 20 ms for the loop.
 *
 * On a machine with other work every time includes waiting for a processor, so the processor time of the thread in
 * question stands beside each: that is what this program is answerable for.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { makeTestRelease } from '../src/signing/release.fixture.ts';
import { type MadeRepository, makeRepository, sourceOf } from '../src/tuf/repository.fixture.ts';
import { verifyRepository } from '../src/tuf/workflow.ts';
import { verifyRelease } from '../src/verify/verify-release.ts';
import { median } from './ratio.ts';

const COUNTS = [100, 1000, 10_000, 100_000];
const MAX_TUF_JS_COUNT = 10_000;
/** tuf-js takes a minute for 10,000: once is enough. */
const TUF_JS_SLOW_COUNT = 10_000;
const LIMIT_MS = 300;
const BUSY_LIMIT_MS = 20;

const make = (count: number): MadeRepository =>
  makeRepository({
    targets: {
      targets: Array.from({ length: count }, (_, index) => [`artifact-${index}.bin`, String(index)] as const),
    },
  });

/** Wall clock, and processor time of this thread. */
type Taken = { readonly wallMs: number; readonly cpuMs: number };

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

const timed = async (work: () => Promise<unknown>): Promise<Taken> => {
  const start = { wallMs: performance.now(), cpuMs: cpuMs() };
  await work();
  return { wallMs: performance.now() - start.wallMs, cpuMs: cpuMs() - start.cpuMs };
};

/** The longest time between two turns of the loop, by the wall clock and in processor time of this thread. */
const withBusyLoop = async <Result>(work: () => Promise<Result>): Promise<readonly [Result, Taken]> => {
  let longest: Taken = { wallMs: 0, cpuMs: 0 };
  let last = { wallMs: performance.now(), cpuMs: cpuMs() };
  const look = () => {
    const now = { wallMs: performance.now(), cpuMs: cpuMs() };
    longest = {
      wallMs: Math.max(longest.wallMs, now.wallMs - last.wallMs),
      cpuMs: Math.max(longest.cpuMs, now.cpuMs - last.cpuMs),
    };
    last = now;
  };
  const timer = setInterval(look, 1);
  const result = await work();
  look();
  clearInterval(timer);
  return [result, longest];
};

const medianOf = (all: readonly Taken[]): Taken => ({
  wallMs: median(all.map(({ wallMs }) => wallMs)),
  cpuMs: median(all.map(taken => taken.cpuMs)),
});

const maxOf = (all: readonly Taken[]): Taken => ({
  wallMs: Math.max(...all.map(({ wallMs }) => wallMs)),
  cpuMs: Math.max(...all.map(taken => taken.cpuMs)),
});

const verify = async (made: MadeRepository): Promise<void> => {
  const trustRoots = [{ id: 'bench', bytes: made.root }];
  await verifyRepository(sourceOf(made), { trustRoots, nowMs: Date.now() });
};

const refreshByTufJs = async ({ root, metadata }: MadeRepository, directory: string): Promise<void> => {
  const metadataDir = await mkdtemp(join(directory, 'tuf-js-'));
  await writeFile(join(metadataDir, 'root.json'), root);
  const fetcher = new (class extends BaseFetcher {
    async fetch(url: string) {
      const bytes = metadata.get(new URL(url).pathname.slice(1));
      if (bytes === undefined) throw new DownloadHTTPError('not found', 404);
      return new Blob([Uint8Array.from(bytes)]).stream();
    }
  })();
  const config = { targetsMaxLength: 64 * 1024 ** 2 };
  await new Updater({ metadataDir, metadataBaseUrl: 'http://files.invalid', fetcher, config }).refresh();
};

/** What the thread says of its verification, and how long all of it took. */
const verifyInThread = async (made: MadeRepository): Promise<{ inside: Taken; whole: Taken }> => {
  let inside: Taken = { wallMs: Number.NaN, cpuMs: Number.NaN };
  const whole = await timed(async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: made });
    inside = await new Promise<Taken>((resolve, reject) => {
      worker.on('message', resolve).on('error', reject);
    });
    await worker.terminate();
  });
  return { inside, whole };
};

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const text = ({ wallMs, cpuMs: cpu }: Taken): string => `${ms(wallMs)} (processor ${ms(cpu)})`;
const verdict = ({ wallMs, cpuMs: cpu }: Taken, limit: number): string => {
  if (wallMs <= limit) return `limit ${limit} ms: reached`;
  return `limit ${limit} ms: ${cpu <= limit ? 'reached but for waiting for a processor' : 'MISSED'}`;
};

const benchMetadata = async (rounds: number, directory: string): Promise<void> => {
  for (const count of COUNTS) {
    const made = make(count);
    const bytes = Math.max(...[...made.metadata.values()].map(file => file.length));
    const own: Taken[] = [];
    for (let round = 0; round < rounds; round += 1) own.push(await timed(() => verify(made)));
    const theirs: Taken[] = [];
    const theirRounds = count >= TUF_JS_SLOW_COUNT ? 1 : rounds;
    for (let round = 0; count <= MAX_TUF_JS_COUNT && round < theirRounds; round += 1)
      theirs.push(await timed(() => refreshByTufJs(made, directory)));
    const size = `${(bytes / 1024 ** 2).toFixed(2)} MiB`;
    const beside = theirs.length === 0 ? '' : `; tuf-js ${text(medianOf(theirs))}`;
    console.log(`${count} targets, ${size}: ours ${text(medianOf(own))}${beside}`);
  }
};

const benchThread = async (rounds: number): Promise<void> => {
  const made = make(10_000);
  const runs = [];
  for (let round = 0; round < rounds; round += 1) runs.push(await withBusyLoop(() => verifyInThread(made)));
  const inside = medianOf(runs.map(([run]) => run.inside));
  const whole = medianOf(runs.map(([run]) => run.whole));
  const busy = maxOf(runs.map(([, longest]) => longest));
  console.log(`10,000 targets in a thread: ${text(inside)}; ${verdict(inside, LIMIT_MS)}`);
  console.log(`  with the start of the thread ${ms(whole.wallMs)}`);
  console.log(`  longest turn of the loop outside ${text(busy)}; ${verdict(busy, BUSY_LIMIT_MS)}`);
};

const benchArchive = async (rounds: number, directory: string): Promise<void> => {
  const artifacts = Array.from({ length: 10_000 }, () => 100);
  const { path, trustRoot } = await makeTestRelease(directory, { artifacts });
  const request = { trustRoots: [{ id: 'bench', bytes: trustRoot }], nowMs: Date.now() };
  const { signal } = new AbortController();
  const runs = [];
  for (let round = 0; round < rounds; round += 1)
    runs.push(await withBusyLoop(() => timed(() => verifyRelease(path, request, { signal }))));
  const whole = medianOf(runs.map(([taken]) => taken));
  const busy = maxOf(runs.map(([, longest]) => longest));
  console.log(`an archive of 10,000 artifacts, every byte, in its thread: ${ms(whole.wallMs)}`);
  console.log(`  longest turn of the loop outside ${text(busy)}; ${verdict(busy, BUSY_LIMIT_MS)}`);
};

if (isMainThread) {
  const [rounds = 5] = process.argv.slice(2).map(Number);
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-bench-'));
  try {
    console.log(
      `Node ${process.version}, medians of ${rounds} rounds; load of the machine ${loadavg()[0]?.toFixed(1)}`,
    );
    await benchThread(rounds);
    await benchArchive(rounds, directory);
    await benchMetadata(rounds, directory);
  } finally {
    await rm(directory, { recursive: true });
  }
} else {
  parentPort?.postMessage(await timed(() => verify(workerData)));
}
