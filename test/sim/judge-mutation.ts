/**
 * How many seeds it takes to catch a mutation.
 *
 *     seeds over the mutated product ─▶ a violation ─▶ the same seed over the product as it is ─holds─▶ caught
 *                     ▲                                              └─ broken too: it says nothing ─┐
 *                     └──────────────────────────────────────────────────────────────────────────────┘
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MutatedRun } from './mutated.ts';
import type { Mutation } from './mutations/mutation.ts';

export type Verdict = {
  /** How many were run. */
  readonly seeds: number;
  /** Undefined where it was not caught. */
  readonly violation: MutatedRun['violation'];
};

const WORKER = join(import.meta.dirname, 'mutated.ts');

const run = async (name: string, first: number, seeds: number): Promise<MutatedRun> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    WORKER,
    name,
    String(first),
    String(seeds),
  ]);
  return JSON.parse(stdout);
};

export const judgeMutation = async (
  { name }: Mutation,
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
