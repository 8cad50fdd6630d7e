/** The answer to "how did the last copy end?". */
import type { ArtifactCopyOutcome } from '../api/transfer-api.ts';
import type { CopyOutcome } from '../core/sled-report.ts';
import { putResultBody, putResultOf } from './put-result.ts';
import { copyFailureBody, copyFailureOf } from './report-items.ts';

export const copyOutcomeOf = ({ in_flight, stored, failed }: ArtifactCopyOutcome): CopyOutcome => {
  if (in_flight) return { kind: 'in_flight' };
  if (stored !== undefined) return { kind: 'stored', ...putResultOf(stored) };
  return failed === undefined ? { kind: 'unknown' } : { kind: 'failed', ...copyFailureOf(failed) };
};

export const copyOutcomeBody = (outcome: CopyOutcome): ArtifactCopyOutcome => ({
  in_flight: outcome.kind === 'in_flight',
  ...(outcome.kind === 'stored' && { stored: putResultBody(outcome) }),
  ...(outcome.kind === 'failed' && { failed: copyFailureBody(outcome) }),
});
