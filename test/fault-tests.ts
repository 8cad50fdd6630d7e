/**
 * The tests that take long, since they start, kill, cut off or starve real processes and databases, or run the product with
 * mistakes in it.
 * They have a command of their own, so that `npm test` ends within five minutes on two quiet cores.
 */
export const FAULT_TESTS: readonly string[] = [
  'src/local-fleet/embedded-postgres/embedded-postgres.pg.test.ts',
  'src/nexus/datastore/transactions.pg.test.ts',
  'src/nexus/process/database-away.pg.test.ts',
  'src/nexus/releases/source/source-sync.pg.test.ts',
  'src/nexus/releases/upload/waiting.pg.test.ts',
  'test/audit-heads.test.ts',
  'test/cli.test.ts',
  'test/crash/**/*.test.ts',
  'test/database-away.test.ts',
  'test/database-hosts.test.ts',
  'test/deletion-waits.test.ts',
  'test/disks.test.ts',
  'test/exemptions.test.ts',
  'test/faults.test.ts',
  'test/first-fleet.test.ts',
  'test/history.test.ts',
  'test/identities.test.ts',
  'test/joins.test.ts',
  'test/nexus-joins.test.ts',
  'test/lying-sleds.test.ts',
  'test/lying-sources.test.ts',
  'test/memory.test.ts',
  'test/network.test.ts',
  'test/own-authority.test.ts',
  'test/pgbouncer.test.ts',
  'test/races.test.ts',
  'test/recoveries/**/*.test.ts',
  'test/scrub.test.ts',
  'test/sim/mutations.test.ts',
  'test/withheld.test.ts',
  'test/statements.test.ts',
  'test/upgrade/**/*.test.ts',
];
