/**
 * Polls an upload that Nexus keeps until its database answers, by the id that Nexus gave it.
 *
 * FU1. The answers of Nexus are shown unchanged; the outcome is that of the upload, with its error and report.
 * FU2. A Nexus that does not answer may be restarting, and has {@link UNREACHABLE_GRACE_MS} for it. While it starts it
 *      knows no uploads, and is polled again.
 */
import type { TufRepoUpload } from '../../api/operator-update-api.ts';
import type { UploadView } from '../../api/operator-upload-api.ts';
import type { UploadId } from '../../core/ids.ts';
import type { ReportedCheck } from '../../lib/check-report.ts';
import { type ErrorCode, errorCodes } from '../../lib/error-codes.ts';
import { DepotError, errorCodeOf, isOfDatabase } from '../../lib/errors.ts';
import type { Depot } from '../connection/depot-client.ts';
import { createLiveRegion } from '../output/live-region.ts';
import { textOf } from '../output/newer-words.ts';
import { formatDuration } from '../output/quantities.ts';
import { printable } from '../output/style.ts';
import type { Session } from '../session/session.ts';

const POLL_MS = 1_000;
const UNREACHABLE_GRACE_MS = 60_000;

export type FollowedUpload = TufRepoUpload;

/** @throws the error of the upload; `NOT_FOUND` when Nexus no longer knows the upload */
export const followUpload = async (
  { terminal, clock, signal }: Pick<Session, 'terminal' | 'clock' | 'signal'>,
  depot: Depot,
  uploadId: UploadId,
): Promise<FollowedUpload> => {
  const region = createLiveRegion(terminal, clock);
  const startMs = clock.monotonicMs();
  let answeredAtMs = startMs;
  let isTold = false;

  const look = async (): Promise<UploadView | undefined> => {
    try {
      const view = await depot.uploads.uploadView({ params: { upload_id: uploadId } });
      answeredAtMs = clock.monotonicMs();
      return view;
    } catch (error) {
      const isStarting = isOfDatabase(error); // FU2
      if (isStarting) answeredAtMs = clock.monotonicMs();
      const isAway = errorCodeOf(error) === 'PEER_UNREACHABLE';
      if (isStarting || (isAway && clock.monotonicMs() - answeredAtMs <= UNREACHABLE_GRACE_MS))
        return undefined;
      throw error;
    }
  };

  try {
    for (;;) {
      const view = await look();
      if (view?.result !== undefined) return view.result;
      if (view?.error !== undefined) throw uploadFailed(view.error);
      const what = view === undefined ? 'Nexus does not answer yet' : progressText(view);
      if (!isTold) terminal.note(`upload ${uploadId}: ${what}`);
      isTold = true;
      region.show(
        () => [`${what}: ${formatDuration(clock.monotonicMs() - startMs)}`],
        () => `upload ${uploadId}: ${what}`,
      );
      await clock.sleep(POLL_MS, { signal });
    }
  } finally {
    region.close();
  }
};

const RECEIVED = {
  receiving: 'sent',
  verifying: 'received but not yet verified',
  recording: 'received and verified',
} as const;

const progressText = ({ state, waiting }: UploadView): string => {
  if (waiting !== undefined)
    return `${textOf(RECEIVED, waiting.stage)}; waits for the database (${printable(waiting.message)})`;
  return state === 'recording' ? 'received and verified; is being recorded' : `Nexus is ${state} it`;
};

const uploadFailed = ({ error_code, message, report }: NonNullable<UploadView['error']>): DepotError => {
  const isKnown = Object.hasOwn(errorCodes, error_code);
  return new DepotError(isKnown ? (error_code as ErrorCode) : 'PEER_BAD_ANSWER', message, {
    report: report as readonly ReportedCheck[],
  });
};
