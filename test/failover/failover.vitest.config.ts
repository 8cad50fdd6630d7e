/**
 * The failover suite: real PostgreSQL pairs, one test file after the other, since each has a dozen processes.
 *
 *     npm run test:failover                      # all of it
 *     npm run test:failover -- lost-commits      # one file
 *
 * Replication needs a library of PostgreSQL's; where the binaries come without it, everything is skipped, and says so.
 */
import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import { missingForReplication } from './replication.ts';

const missing = await missingForReplication();
if (missing !== undefined) process.stdout.write(`skipped: all tests of failovers, without ${missing}\n`);

export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  test: {
    include: missing === undefined ? ['test/failover/**/*.test.ts'] : [],
    passWithNoTests: missing !== undefined,
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 600_000,
    hookTimeout: 120_000,
    // The default of a second would make each of them a test of speed.
    expect: { poll: { timeout: 30_000 } },
  },
});
