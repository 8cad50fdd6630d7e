/**
 * The state of each upload, for the client that polls it by its id, and for the status.
 *
 *     receiving ─▶ verifying ─▶ recording ─▶ recorded
 *         └────────────┴───── waiting (for the database) ─────┴──▶ failed
 *
 * US1. In memory only: after a restart of this Nexus its uploads are unknown. Archives that were not recorded by then are
 *      removed at the start, and have to be sent again (P4).
 * US2. Bounded: running uploads by their limit, and only the latest of those that ended are kept.
 */
import type { HealthReason, UploadStage } from '../../../core/facts/reason.ts';
import type { SystemVersion, UploadId } from '../../../core/ids.ts';
import type { DatabaseWait } from './database-patience.ts';
import type { UploadOutcome } from './upload.ts';

/** Ended uploads that are remembered: a client polls within seconds. */
const REMEMBERED = 64;

type UploadState =
  | { readonly kind: UploadStage }
  | { readonly kind: 'waiting'; readonly stage: UploadStage; readonly wait: DatabaseWait }
  | { readonly kind: 'recorded'; readonly outcome: UploadOutcome }
  | { readonly kind: 'failed'; readonly error: unknown };

export type UploadReport = {
  readonly uploadId: UploadId;
  readonly fileName: string;
  /** Known once it is verified. */
  readonly systemVersion: SystemVersion | undefined;
  readonly state: UploadState;
};

/** Receives the progress of one upload. */
export type UploadTracker = {
  readonly stage: (stage: UploadStage, systemVersion?: SystemVersion) => void;
  readonly waits: (wait: DatabaseWait | undefined) => void;
  readonly recorded: (outcome: UploadOutcome) => void;
  readonly failed: (error: unknown) => void;
};

export type UploadStates = {
  readonly begin: (uploadId: UploadId, fileName: string) => UploadTracker;
  readonly get: (uploadId: UploadId) => UploadReport | undefined;
  readonly waiting: () => number;
  /** Those that wait for the database, for the status. */
  readonly reasons: () => readonly HealthReason[];
};

export const createUploadStates = (): UploadStates => {
  const underWay = new Map<UploadId, UploadReport>();
  const ended = new Map<UploadId, UploadReport>();

  const end = (report: UploadReport): void => {
    underWay.delete(report.uploadId);
    ended.set(report.uploadId, report);
    const [oldest] = ended.keys();
    if (ended.size > REMEMBERED && oldest !== undefined) ended.delete(oldest); // US2
  };

  return {
    begin(uploadId, fileName) {
      let stage: UploadStage = 'receiving';
      let systemVersion: SystemVersion | undefined;
      const report = (state: UploadState): UploadReport => ({ uploadId, fileName, systemVersion, state });
      const change = (state: UploadState): void => void underWay.set(uploadId, report(state));
      change({ kind: stage });
      return {
        stage(next, version) {
          stage = next;
          systemVersion = version ?? systemVersion;
          change({ kind: stage });
        },
        waits: wait => change(wait === undefined ? { kind: stage } : { kind: 'waiting', stage, wait }),
        recorded: outcome => end(report({ kind: 'recorded', outcome })),
        failed: error => end(report({ kind: 'failed', error })),
      };
    },
    get: uploadId => underWay.get(uploadId) ?? ended.get(uploadId),
    waiting: () => [...underWay.values()].filter(({ state }) => state.kind === 'waiting').length,
    reasons: () => [...underWay.values()].flatMap(waitingReason),
  };
};

const waitingReason = ({ uploadId, fileName, systemVersion, state }: UploadReport): HealthReason[] => {
  if (state.kind !== 'waiting') return [];
  const { stage, wait } = state;
  const { message: error, untilMs, sinceMs } = wait;
  return [{ code: 'UPLOAD_WAITING', uploadId, fileName, stage, error, untilMs, systemVersion, sinceMs }];
};
