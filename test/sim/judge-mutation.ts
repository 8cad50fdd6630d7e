/**
 * Whether a mutation is caught, and by how many seeds:
 *
 *     seeds over the mutated product ─▶ a violation ─▶ the same seed over the product as it is ─holds─▶ caught
 *                     ▲                                              └─ broken too: it says nothing ─┐
 *                     └──────────────────────────────────────────────────────────────────────────────┘
 *     tests over the mutated product ─▶ some fail ─▶ caught         (`npm test` has them pass without it)
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, readTests, testsNamed } from './definitions.ts';
import type { MutatedRun } from './mutated.ts';
import type { Mutation, SeenBySeeds, SeenByTests } from './mutations/mutation.ts';

export type Verdict = {
  /** How many were run. */
  readonly seeds: number;
  /** Undefined where it was not caught. */
  readonly violation: MutatedRun['violation'];
};

export type TestVerdict = { readonly failed: number; readonly passed: number };

const WORKER = join(import.meta.dirname, 'mutated.ts');
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const CONFIG = join(import.meta.dirname, 'mutated.vitest.config.ts');

const run = async (name: string, first: number, seeds: number): Promise<MutatedRun> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    WORKER,
    name,
    String(first),
    String(seeds),
  ]);
  return JSON.parse(stdout);
};

export const judgeBySeeds = async (
  { name }: Mutation & SeenBySeeds,
  { first, seeds }: { readonly first: number; readonly seeds: number },
): Promise<Verdict> => {
  for (let done = 0; done < seeds; ) {
    const { seeds: ran, violation } = await run(name, first + done, seeds - done);
    done += ran;
    if (violation === undefined) break;
    const { violation: without } = await run('none', violation.seed, 1);
    if (without === undefined) return { seeds: done, violation };
  }
  return { seeds, violation: undefined };
};

/** @throws when the tests do not run at all */
export const judgeByTests = async ({ name, tests }: Mutation & SeenByTests): Promise<TestVerdict> => {
  const directory = await mkdtemp(join(tmpdir(), 'mutation-'));
  const file = join(directory, 'report.json');
  const { path, title } = testsNamed(tests, readTests());
  const only = title === undefined ? [] : ['-t', title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')];
  const args = ['run', path, ...only, '--config', CONFIG, '--reporter=json', '--outputFile', file];
  const options = { cwd: ROOT, env: { ...process.env, MUTATION: name }, maxBuffer: 2 ** 26 };
  // Exit code 1 means that tests failed, which is the hoped-for result.
  const ended = await promisify(execFile)(process.execPath, [VITEST, ...args], options).catch(error => error);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  await rm(directory, { recursive: true });
  if (text === undefined) throw new Error(`${tests} could not be run with ${name}: ${ended.stderr}`);
  const report: Report = JSON.parse(text);
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = results.filter(({ status }) => status === 'failed');
  const timedOut = failed.filter(({ failureMessages }) => failureMessages.some(isTimeout));
  // A busy machine ends a test in this way as well: a test that waits has to fail by what it waits for.
  if (timedOut.length > 0)
    throw new Error(
      `${tests} ran out of time with ${name}: ${timedOut.map(({ title }) => title).join('; ')}`,
    );
  const passed = results.filter(({ status }) => status === 'passed').length;
  if (!(failed.length + passed > 0)) throw new Error(`no test of ${tests} was run with ${name}`);
  return { failed: failed.length, passed };
};

/** The part of vitest's report that is read. */
type Report = {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
};

const isTimeout = (message: string): boolean => /\bTest timed out in \d+ms/.test(message);
