import { configDefaults, defineConfig } from 'vitest/config';
import { FAULT_TESTS } from './test/fault-tests.ts';

// Two workers: the tests start real processes of their own, and a developer's machine has other work.
export default defineConfig({
  test: {
    globalSetup: ['test/postgres-for-tests.ts'],
    include: [
      'src/**/*.test.ts',
      'sim/**/*.test.ts',
      'bench/**/*.test.ts',
      'packaging/**/*.test.ts',
      'test/**/*.test.ts',
    ],
    // These have commands of their own: npm run test:failover and test:faults.
    exclude: [...configDefaults.exclude, 'test/failover/**', ...FAULT_TESTS],
    pool: 'forks',
    maxWorkers: 2,
    // Many times what a test takes on a quiet machine: none of them is a test of speed.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // As above, and a second by default.
    expect: { poll: { timeout: 30_000 } },
  },
});
