/** The rules of every datastore, whatever its engine. */
import { auditRules } from './audit-rules.fixture.ts';
import { historyRules } from './history-rules.fixture.ts';
import { invitationRules } from './invitation-rules.fixture.ts';
import { localRepoRules } from './local-repo-rules.fixture.ts';
import { nexusInvitationRules } from './nexus-invitation-rules.fixture.ts';
import { nexusRules } from './nexus-rules.fixture.ts';
import { operatorTokenRules } from './operator-token-rules.fixture.ts';
import type { OpenDatastore } from './records.fixture.ts';
import { releaseRules } from './release-rules.fixture.ts';
import { revocationRules } from './revocation-rules.fixture.ts';
import { sledRules } from './sled-rules.fixture.ts';
import { statementRules } from './statement-rules.fixture.ts';
import { targetReleaseRules } from './target-release-rules.fixture.ts';
import { transportRules } from './transport-rules.fixture.ts';
import { trustMoveRules, trustRootRules } from './trust-root-rules.fixture.ts';
import { generationRules, mendRules, pointRules, recoveryRules } from './wanted-set-rules.fixture.ts';

export const everyRule = (open: OpenDatastore): void => {
  trustRootRules(open);
  trustMoveRules(open);
  releaseRules(open);
  generationRules(open);
  pointRules(open);
  recoveryRules(open);
  mendRules(open);
  localRepoRules(open);
  sledRules(open);
  transportRules(open);
  nexusRules(open);
  targetReleaseRules(open);
  historyRules(open);
  operatorTokenRules(open);
  invitationRules(open);
  nexusInvitationRules(open);
  revocationRules(open);
  statementRules(open);
  auditRules(open);
};
