/**
 * Runs tests over a product with one mistake in it: the `MUTATION` of the environment.
 *
 *     MUTATION=NAME bin/node24 node_modules/vitest/vitest.mjs run FILE --config test/sim/mutated.vitest.config.ts
 */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import common from '../../vitest.config.ts';
import { ROOT, readSources } from './definitions.ts';
import { mutatedSources } from './mutated-sources.ts';
import { mutationNamed } from './mutations.ts';

const mutated = mutatedSources(mutationNamed(process.env.MUTATION ?? ''), readSources());
const sourceOf = new Map([...mutated].map(([path, source]) => [join(ROOT, path), source]));

export default defineConfig({
  root: ROOT,
  test: {
    ...common.test,
    // No database: such tests take too long to run once for each mutation.
    globalSetup: [],
    // The keys of a cache would not distinguish mutations.
    fsModuleCache: false,
  },
  plugins: [{ name: 'mutation', enforce: 'pre', load: id => sourceOf.get(id) }],
});
