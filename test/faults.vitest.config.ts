/**
 * The suite of faults: kills, networks, disks, liars, recoveries, and the mistakes that the simulator has to see.
 *
 *     npm run test:faults                      # all of it
 *     npm run test:faults -- test/disks        # some of it
 */
import { resolve } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import common from '../vitest.config.ts';
import { FAULT_TESTS } from './fault-tests.ts';

export default defineConfig({
  root: resolve(import.meta.dirname, '..'),
  test: { ...common.test, include: [...FAULT_TESTS], exclude: configDefaults.exclude },
});
