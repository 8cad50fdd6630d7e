/** The PostgreSQL datastore keeps the rules of every datastore. */
import {
  nexusRules,
  recoveryRules,
  sledRules,
  targetReleaseRules,
  trustRootRules,
} from './conformance/fleet-rules.fixture.ts';
import { historyRules } from './conformance/history-rules.fixture.ts';
import { releaseRules } from './conformance/release-rules.fixture.ts';
import { trustMoveRules } from './conformance/trust-rules.fixture.ts';
import { createTestDatabase } from './test-database.ts';

const open = async () => {
  const database = await createTestDatabase();
  const datastore = await database.openDatastore();
  return { datastore, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
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
