/** The datastore in memory keeps the rules of every datastore. */
import { seededRng } from '../../../core/rng.ts';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { everyRule } from '../conformance/every-rule.fixture.ts';
import { createMemoryDatabase } from './memory-database.ts';

const open = async () => {
  const database = createMemoryDatabase({ nowMs: systemClock.nowMs });
  const datastore = database.openDatastore({ clock: systemClock, rng: seededRng(1), log: silentLogger });
  return { datastore, [Symbol.asyncDispose]: datastore[Symbol.asyncDispose] };
};

everyRule(open);
