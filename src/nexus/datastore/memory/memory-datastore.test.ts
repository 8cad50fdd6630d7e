/** The datastore in memory keeps the rules of every datastore. */
import { seededRng } from '../../../core/rng.ts';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import {
  nexusRules,
  recoveryRules,
  sledRules,
  targetReleaseRules,
  trustRootRules,
} from '../conformance/fleet-rules.fixture.ts';
import { historyRules } from '../conformance/history-rules.fixture.ts';
import { releaseRules } from '../conformance/release-rules.fixture.ts';
import { trustMoveRules } from '../conformance/trust-rules.fixture.ts';
import { createMemoryDatabase } from './memory-database.ts';

const open = async () => {
  const database = createMemoryDatabase({ nowMs: systemClock.nowMs });
  const datastore = database.openDatastore({ clock: systemClock, rng: seededRng(1), log: silentLogger });
  return { datastore, [Symbol.asyncDispose]: datastore[Symbol.asyncDispose] };
};

for (const rules of [
  releaseRules,
  trustRootRules,
  trustMoveRules,
  sledRules,
  nexusRules,
  targetReleaseRules,
  recoveryRules,
  historyRules,
]) {
  rules(open);
}
