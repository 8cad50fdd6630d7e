/**
 * The tests that take minutes, since they kill, cut off or starve real processes, or run the product with mistakes in it.
 * They have a command of their own, so that `npm test` ends within five minutes on two quiet cores.
 */
export const FAULT_TESTS: readonly string[] = [
  'test/cli.test.ts',
  'test/crash/**/*.test.ts',
  'test/database-away.test.ts',
  'test/database-hosts.test.ts',
  'test/disks.test.ts',
  'test/faults.test.ts',
  'test/lying-sleds.test.ts',
  'test/lying-sources.test.ts',
  'test/network.test.ts',
  'test/races.test.ts',
  'test/recoveries/**/*.test.ts',
  'test/scrub.test.ts',
  'test/sim/mutations.test.ts',
];
