/** All that a datastore keeps, whatever its engine. */
import { nexusRules, sledRules, targetReleaseRules, trustRootRules } from './fleet-rules.fixture.ts';
import { mendRules, pointRules, recoveryRules } from './generation-rules.fixture.ts';
import { historyRules } from './history-rules.fixture.ts';
import type { OpenDatastore } from './records.fixture.ts';
import { releaseRules } from './release-rules.fixture.ts';
import { trustMoveRules } from './trust-rules.fixture.ts';

export const everyRule = (open: OpenDatastore): void => {
  releaseRules(open);
  trustRootRules(open);
  trustMoveRules(open);
  sledRules(open);
  nexusRules(open);
  targetReleaseRules(open);
  pointRules(open);
  recoveryRules(open);
  mendRules(open);
  historyRules(open);
};
