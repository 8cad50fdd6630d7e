/**
 * Shows that the simulator, and the tests beside it, can fail: runs every mutation, two at a time, and prints the number of
 * seeds that each one took.
 *
 *     npm run sim:mutations -- [--only NAME] [--first S] [--times N] [--seeds N] [--at-once N]
 */
import { parseArgs } from 'node:util';
import { judgeBySeeds, judgeByTests, type Verdict } from './judge-mutation.ts';
import { isSeenBySeeds, type Mutation, type SeenBySeeds, type SeenByTests } from './mutations/mutation.ts';
import { MUTATIONS, mutationNamed } from './mutations.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    first: { type: 'string', default: '1' },
    /** Searches from so many first seeds, and prints the median. */
    times: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '2' },
    /** Instead of the number that each mutation states. */
    seeds: { type: 'string' },
  },
});

/** The distance between the first seeds of two searches: more than any of them runs. */
const APART = 100_000;

const mutations = values.only?.map(mutationNamed) ?? [...MUTATIONS];
const missed: string[] = [];

/** The error output of the mutation's process. */
const reasonOf = ({ stderr, message }: Error & { readonly stderr?: string }): string =>
  /^Error: (.*)/m.exec(stderr ?? '')?.[1] ?? message;

const judge = (mutation: Mutation): Promise<void> =>
  isSeenBySeeds(mutation) ? runSeeds(mutation) : runTests(mutation);

const runTests = async (mutation: Mutation & SeenByTests): Promise<void> => {
  const { failed, passed } = await judgeByTests(mutation);
  if (failed === 0) missed.push(mutation.name);
  const seen = failed === 0 ? 'NOT CAUGHT' : 'tests';
  process.stdout.write(
    `${mutation.name.padEnd(48)} ${seen.padEnd(12)} ${failed} of ${failed + passed} fail in ${mutation.tests}\n`,
  );
};

const runSeeds = async (mutation: Mutation & SeenBySeeds): Promise<void> => {
  const seeds = Number(values.seeds ?? mutation.withinSeeds);
  const verdicts: Verdict[] = [];
  for (let time = 0; time < Number(values.times); time += 1)
    verdicts.push(await judgeBySeeds(mutation, { first: Number(values.first) + time * APART, seeds }));
  const counts = verdicts.map(verdict => verdict.seeds).sort((a, b) => a - b);
  const broken = new Set(verdicts.flatMap(({ violation }) => violation?.guarantee ?? []));
  const isCaught = verdicts.every(({ violation }) => violation !== undefined);
  if (!isCaught) missed.push(mutation.name);
  const median = counts[Math.floor(counts.length / 2)]!;
  const cells = [
    mutation.name.padEnd(48),
    (isCaught ? [...broken].join(' ') : 'NOT CAUGHT').padEnd(12),
    `${median}`.padStart(6),
    `of ${seeds}`.padStart(9),
  ];
  process.stdout.write(`${cells.join(' ')}\n`);
  if (values.only === undefined) return;
  for (const { violation } of verdicts)
    if (violation !== undefined) process.stdout.write(`  seed ${violation.seed}: ${violation.message}\n`);
};

process.stdout.write(`${'mutation'.padEnd(48)} ${'breaks'.padEnd(12)}  seeds of at most\n`);
const waiting = [...mutations];
const lane = async (): Promise<void> => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { name } = next;
    await judge(next).catch(error => {
      missed.push(name);
      process.stdout.write(`${name.padEnd(48)} cannot be run: ${reasonOf(error)}\n`);
    });
  }
};
await Promise.all(Array.from({ length: Number(values['at-once']) }, lane));
process.stdout.write(
  missed.length === 0
    ? `${mutations.length} mutations, each of them caught\n`
    : `not caught within the seeds stated: ${missed.join(', ')}\n`,
);
if (missed.length > 0) process.exitCode = 1;
