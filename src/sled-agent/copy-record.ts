/**
 * How copies ended: CY5 of copy.ts, and the totals and failures of the listing.
 *
 * Bounded: the failures that a listing names, and an outcome for each artifact, of which those that ended first are forgotten.
 */
import { MAX_LISTED_EVENTS } from '../api/sled-agent-api.ts';
import type { ArtifactHash } from '../core/ids.ts';
import type { CopyFailure, CopyOutcome, PutResult } from '../core/sled-report.ts';

/** More than all Nexuses together wait for. */
const MAX_OUTCOMES = 4_096;

export type CopyRecord = {
  readonly stored: (sha256: ArtifactHash, result: PutResult) => void;
  readonly failed: (failure: CopyFailure) => void;
  readonly outcome: (sha256: ArtifactHash) => CopyOutcome;
  readonly report: () => {
    readonly completedTotal: number;
    readonly failedTotal: number;
    /** The last ones, oldest first, at most {@link MAX_LISTED_EVENTS}. */
    readonly failed: readonly CopyFailure[];
  };
};

export const createCopyRecord = (): CopyRecord => {
  const failed: CopyFailure[] = [];
  const outcomes = new Map<ArtifactHash, CopyOutcome>();
  const totals = { completed: 0, failed: 0 };
  const keep = (sha256: ArtifactHash, outcome: CopyOutcome): void => {
    outcomes.delete(sha256);
    outcomes.set(sha256, outcome);
    for (const oldest of outcomes.keys()) {
      if (outcomes.size <= MAX_OUTCOMES) return;
      outcomes.delete(oldest);
    }
  };
  return {
    stored(sha256, result) {
      totals.completed += 1;
      keep(sha256, { kind: 'stored', ...result });
    },
    failed(failure) {
      totals.failed += 1;
      keep(failure.sha256, { kind: 'failed', ...failure });
      failed.push(failure);
      if (failed.length > MAX_LISTED_EVENTS) failed.shift();
    },
    outcome: sha256 => outcomes.get(sha256) ?? { kind: 'unknown' },
    report: () => ({ completedTotal: totals.completed, failedTotal: totals.failed, failed }),
  };
};
