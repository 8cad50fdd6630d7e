/**
 * The tests of `npm run check`: those beside the code that need no database, and those of structure and documents.
 *
 *     npm run check                         # after lint and types
 *     npm run test:watch -- src/core        # some of them, again after each change
 *     npm run coverage                      # which lines of src they run
 */
import { resolve } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import common from '../vitest.config.ts';

export default defineConfig({
  root: resolve(import.meta.dirname, '..'),
  test: {
    ...common.test,
    // A test that asks for the database fails: it belongs in a `*.pg.test.ts`.
    globalSetup: [],
    include: [
      'src/**/*.test.ts',
      'sim/**/*.test.ts',
      'bench/**/*.test.ts',
      'packaging/**/*.test.ts',
      'test/architecture-doc.test.ts',
      'test/first-day.test.ts',
      'test/tidy.test.ts',
    ],
    exclude: [...configDefaults.exclude, '**/*.pg.test.ts'],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/*.fixture.ts'],
      reporter: ['text-summary', 'html'],
    },
  },
});
