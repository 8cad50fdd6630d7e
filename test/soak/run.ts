/**
 * A real fleet for a long time: uploads and deletions continue while processes are killed and restarted.
 *
 *     npm run soak -- [--minutes 10] [--seed NUMBER]
 *
 * At the end all faults stop, and the fleet has to converge: every file on the sleds is hashed and compared with the database,
 * the answers of clients with the final state, and the memory and handles of the processes that were not killed with those at
 * the start. Exits with 1 and a list of faults. Ctrl-C ends it early, with the same checks.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { seededRng } from '../../src/core/rng.ts';
import { messageChain } from '../../src/lib/errors.ts';
import { auditFleet, readWanted } from '../fleet-audit.ts';
import { until } from '../fleet-process.fixture.ts';
import { startTestFleet, type TestFleet } from '../process-fleet.fixture.ts';
import { createWorkload, makeReleases, type Workload } from '../release-workload.ts';
import { createChaos, type Victim } from './chaos.ts';
import { growthOf, type Usage, usageOf, usageText } from './measure.ts';
import { type SoakDatabase, startSoakDatabase } from './soak-database.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});

const NEXUSES = 2;
const SLEDS = 4;
const CLIENTS = 2;
const RELEASES = 6;
const ARTIFACT_BYTES = 60_000;
/** Never killed, so that a leak of theirs has time to show. */
const SPARED = ['nexus-1', 'sled-1'];
const SAMPLES = 240;
const LEAST_SAMPLE_MS = 1_000;
const LINE_MS = 5_000;

const started = performance.now();
const print = (text: string) => {
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  process.stdout.write(`${seconds.padStart(6)} s  ${text}\n`);
};

const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
if (!(minutes > 0) || !Number.isInteger(seed))
  throw new Error('--minutes takes a number, --seed a whole one');
print(
  `soak of ${minutes} minutes, seed ${seed}: again with npm run soak -- --minutes ${minutes} --seed ${seed}`,
);

const processesOf = (fleet: TestFleet): Victim[] => [
  ...fleet.nexuses.map((process, n) => ({ name: `nexus-${n + 1}`, process })),
  ...fleet.sleds.map(process => ({ name: process.serial, process })),
];

type Samples = Map<string, Usage[]>;

const sampleAll = async (processes: readonly Victim[], database: SoakDatabase, samples: Samples) => {
  const pids = [
    ...processes
      .filter(({ process }) => process.isRunning())
      .map(({ name, process }) => [name, process.pid()]),
    ['postgres', database.pid()],
  ] as [string, number][];
  for (const [name, pid] of pids) {
    const usage = await usageOf(pid);
    if (usage !== undefined) samples.set(name, [...(samples.get(name) ?? []), usage]);
  }
};

/** What was answered and what happened since the last line, and what each process takes. */
const progressLine = (
  answers: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
  events: readonly string[],
  samples: Samples,
): string => {
  const since = [...answers].map(([answer, count]) => [answer, count - (before.get(answer) ?? 0)] as const);
  const usages = [...samples].map(([name, all]) => {
    const { residentBytes, handles } = all.at(-1)!;
    return `${name} ${Math.round(residentBytes / 1024 ** 2)}M/${handles}`;
  });
  const answered = since.filter(([, count]) => count > 0).map(([answer, count]) => `${answer} ${count}`);
  return `${answered.join(', ') || 'no answer'}; ${events.join(', ') || 'peace'} | ${usages.join(' ')}`;
};

const soak = async (fleet: TestFleet, database: SoakDatabase, workload: Workload): Promise<Samples> => {
  const processes = processesOf(fleet);
  const samples: Samples = new Map();
  const events: string[] = [];
  const chaos = createChaos(
    processes.filter(({ name }) => !SPARED.includes(name)),
    database,
    seededRng(seed),
    text => events.push(text),
  );
  const over = new AbortController();
  const running = [
    chaos.run(over.signal),
    ...Array.from({ length: CLIENTS }, (_, n) => workload.client(seededRng(seed + n + 1), over.signal)),
  ];
  // Whatever fails ends the soak at once.
  const failed = Promise.all(running).then(() => undefined);
  const endMs = performance.now() + minutes * 60_000;
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
  const sampleMs = Math.max(LEAST_SAMPLE_MS, (minutes * 60_000) / SAMPLES);
  let nextLineMs = performance.now() + LINE_MS;
  let before: ReadonlyMap<string, number> = new Map();
  try {
    while (performance.now() < endMs && !interrupted.signal.aborted) {
      const pause = delay(sampleMs, undefined, { signal: interrupted.signal }).catch(() => undefined);
      await Promise.race([failed, pause]);
      await sampleAll(processes, database, samples);
      if (performance.now() < nextLineMs) continue;
      print(progressLine(workload.answers, before, events.splice(0), samples));
      before = new Map(workload.answers);
      nextLineMs = performance.now() + LINE_MS;
    }
  } finally {
    over.abort();
    await Promise.allSettled(running);
  }
  await failed;
  print(
    `killed: ${[...chaos.kills].map(([name, count]) => `${name} ${count} times`).join(', ') || 'nothing'}`,
  );
  return samples;
};

const judgeGrowth = (samples: Samples): string[] => {
  const wrong: string[] = [];
  for (const [name, all] of samples) {
    const growth = growthOf(all);
    if (growth === undefined) continue;
    const text = `${name}: ${usageText(growth.first)} in the first third, ${usageText(growth.last)} in the last`;
    print(SPARED.includes(name) ? text : `${text} (killed in between)`);
    if (SPARED.includes(name) && !growth.isFlat) wrong.push(`grows: ${text}`);
  }
  return wrong;
};

const judge = async (fleet: TestFleet, workload: Workload): Promise<string[]> => {
  let wrong: string[] = [];
  await until(async () => {
    wrong = await auditFleet(fleet);
    return wrong.length === 0;
  }, 'the fleet has converged').catch(() => undefined);
  const { versions, generation } = await readWanted(fleet);
  const answers = [...workload.answers].map(([answer, count]) => `${answer} ${count}`).join(', ');
  print(`answers: ${answers}`);
  print(`generation ${generation}, ${versions.length} releases present`);
  return [...wrong, ...workload.contradictions(versions), ...workload.unexpected];
};

const run = async (): Promise<string[]> => {
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-soak-'));
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  const database = undo.use(await startSoakDatabase(join(directory, 'database')));
  const releases = await makeReleases(directory, RELEASES, ARTIFACT_BYTES);
  const fleet = undo.use(
    await startTestFleet({
      nexuses: NEXUSES,
      sleds: SLEDS,
      minSledReplication: 3,
      database,
      nexusConfig: { log_level: 'warn' },
      replication: { period_secs: 5 },
      sledLimits: { min_free_bytes: 0 },
    }),
  );
  await fleet.nexuses[0]!.trust(releases[0]!);
  const workload = createWorkload(fleet, releases);
  const samples = await soak(fleet, database, workload);
  print('everything runs and is left alone');
  const gone = processesOf(fleet).filter(({ process }) => !process.isRunning());
  const ended = gone.map(({ name }) => `${name} ended although nobody killed it`);
  return [...ended, ...(await judge(fleet, workload)), ...judgeGrowth(samples)];
};

const wrong = await run().catch((error: unknown) => [messageChain(error)]);
for (const line of wrong) print(`WRONG: ${line}`);
print(wrong.length === 0 ? 'everything is right' : `${wrong.length} things are wrong; the seed was ${seed}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
