/** The datastore in memory keeps the rules of every datastore. */
import { seededRng } from '../../src/core/rng.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { everyRule } from '../../src/nexus/datastore/conformance/every-rule.fixture.ts';
import { createMemoryDatabase } from './memory-database.ts';

const open = async () => {
  const database = createMemoryDatabase({ nowMs: systemClock.nowMs });
  const datastore = database.openDatastore({ clock: systemClock, rng: seededRng(1), log: silentLogger });
  return { datastore, [Symbol.asyncDispose]: datastore[Symbol.asyncDispose] };
};

everyRule(open);
