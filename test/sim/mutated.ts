/**
 * Runs seeds over a product with one mistake in it, until a guarantee is broken: in a process of its own, because the hooks
 * have to be registered before the product is loaded.
 *
 *     bin/node24 test/sim/mutated.ts NAME FIRST SEEDS      NAME may be `none`: the product as it is
 */
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, readSources } from './definitions.ts';
import { mutatedSources } from './mutated-sources.ts';
import { isSeenBySeeds, type Mutation, type SeenBySeeds } from './mutations/mutation.ts';
import { mutationNamed } from './mutations.ts';

/** The one line of output, as JSON. */
export type MutatedRun = {
  /** How many seeds were run, the failing one included. */
  readonly seeds: number;
  readonly violation?: { readonly seed: number; readonly guarantee: string; readonly message: string };
};

const [name = '', first = '', seeds = ''] = process.argv.slice(2);
const seenBySeeds = (mutation: Mutation): Mutation & SeenBySeeds => {
  if (!isSeenBySeeds(mutation)) throw new Error(`${mutation.name} is shown by ${mutation.tests}`);
  return mutation;
};
const mutation = name === 'none' ? undefined : seenBySeeds(mutationNamed(name));

const sourceOf = new Map<string, string>();
if (mutation !== undefined)
  for (const [path, source] of mutatedSources(mutation, readSources()))
    sourceOf.set(pathToFileURL(join(ROOT, path)).href, source);
const waiting = new Set(sourceOf.keys());
registerHooks({
  load(url, context, nextLoad) {
    const source = sourceOf.get(url);
    if (source === undefined) return nextLoad(url, context);
    waiting.delete(url);
    return { format: 'module-typescript', source, shortCircuit: true };
  },
});

const { createReleaseShelf } = await import('../../sim/fleet/releases.ts');
const { drawSwarm } = await import('../../sim/script/swarm.ts');
const { createStreams } = await import('../../sim/time/streams.ts');
const { judgeSeed } = await import('./outcome.ts');
if (waiting.size > 0) throw new Error(`the simulator does not load ${[...waiting].join(', ')}`);
// No stack is printed, and collecting stacks takes longer than the runs.
Error.stackTraceLimit = 0;

/** MU2 */
const isWorthARun = (seed: number): boolean =>
  mutation?.needs?.(drawSwarm(createStreams(seed)('swarm'), 'small')) ?? true;

const search = async (): Promise<MutatedRun> => {
  const shelf = createReleaseShelf();
  for (let run = 1; run <= Number(seeds); run += 1) {
    const seed = Number(first) + run - 1;
    if (!isWorthARun(seed)) continue;
    const { violation } = await judgeSeed({ seed, size: 'small', shelf });
    if (violation === undefined) continue;
    const { guarantee, message } = violation;
    if (mutation === undefined || mutation.breaks.includes(guarantee))
      return { seeds: run, violation: { seed, guarantee, message } };
    process.stderr.write(`seed ${seed}: ${guarantee} ${message}\n`);
  }
  return { seeds: Number(seeds) };
};

process.stdout.write(`${JSON.stringify(await search())}\n`);
