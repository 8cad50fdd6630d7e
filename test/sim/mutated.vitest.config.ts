/**
 * Runs tests over a product with one mistake in it: the `MUTATION` of the environment.
 *
 *     MUTATION=NAME bin/node24 node_modules/vitest/vitest.mjs run FILE --config test/sim/mutated.vitest.config.ts
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import common from '../../vitest.config.ts';
import { applyEdit, editsOf } from './mutations/mutation.ts';
import { mutationNamed } from './mutations.ts';

const root = resolve(import.meta.dirname, '../..');
const sourceOf = new Map<string, string>();
for (const edit of editsOf(mutationNamed(process.env.MUTATION ?? ''))) {
  const path = join(root, 'src', edit.file);
  sourceOf.set(path, applyEdit(edit, sourceOf.get(path) ?? readFileSync(path, 'utf8')));
}

export default defineConfig({
  root,
  test: {
    ...common.test,
    // No database: what needs one takes too long to be asked for each mutation.
    globalSetup: [],
    // Its keys know nothing of the mutation.
    fsModuleCache: false,
  },
  plugins: [{ name: 'mutation', enforce: 'pre', load: id => sourceOf.get(id) }],
});
