/**
 * The failover suite: real PostgreSQL pairs, one test file after the other, since each has a dozen processes.
 *
 *     npm run test:failover                      # all of it
 *     npm run test:failover -- lost-commits      # one file
 */
import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  test: {
    include: ['test/failover/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
});
