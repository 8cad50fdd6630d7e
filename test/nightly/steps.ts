/** What a night runs: the suites that `.ci/run` has no time for, or runs in a short form. */
import { missingForReplication } from '../failover/replication.ts';
import type { Step } from './sequence.ts';

/** A quarter of it is warm-up; less says little about memory. */
const SOAK_MINUTES = 30;
const FUZZ_SECONDS = 1_800;
const RACE_SECONDS = 300;

export const SEARCH_MINUTES = 120;

/** The ones that end soonest come first. */
export const nightlySteps = (searchMinutes: number): readonly Step[] => [
  { name: 'crash-points', script: 'test:faults', args: ['test/crash'], env: { CRASH_POINTS: 'all' } },
  {
    name: 'races',
    script: 'test:faults',
    args: ['test/races.test.ts'],
    env: { RACE_SECONDS: `${RACE_SECONDS}` },
  },
  { name: 'failover', script: 'test:failover', args: [], missing: missingForReplication },
  { name: 'engines', script: 'test:engines', args: [] },
  { name: 'fuzz', script: 'fuzz', args: ['--seconds', `${FUZZ_SECONDS}`] },
  { name: 'soak', script: 'soak', args: ['--minutes', `${SOAK_MINUTES}`] },
  { name: 'mutations', script: 'sim:mutations', args: [] },
  { name: 'search', script: 'sim', args: ['--minutes', `${searchMinutes}`] },
];
