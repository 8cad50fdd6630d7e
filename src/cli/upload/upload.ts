/**
 * Uploads an archive, and waits while the database of Nexus is away, so that no operator has to retry.
 *
 *     send ─┬─ answered ────────────────────────────────────────▶ done
 *           ├─ received, waits for the database ─▶ poll its id ───┬─ recorded ─▶ done
 *           │                                                     └─ unknown (Nexus was restarted) ─▶ send again
 *           └─ refused, the database is away ─▶ a wait ─▶ send again
 *
 * UP1. An archive is sent again only if Nexus has not kept it, and only from a file.
 * UP2. Retries are bounded by {@link WAIT_LIMIT_MS}, from the first outage on; then the last error is the outcome. An
 *      upload that Nexus keeps is polled for as long as Nexus keeps it.
 * UP3. Ctrl-C ends this command at any time. An upload that Nexus keeps by then goes on there, and its id was printed.
 */
import { backoffMs } from '../../lib/backoff.ts';
import { errorCodeOf, isOfDatabase, messageChain } from '../../lib/errors.ts';
import type { Depot } from '../connection/depot-client.ts';
import { printable } from '../output/style.ts';
import type { Session } from '../session/session.ts';
import { type FollowedUpload, followUpload } from './follow-upload.ts';
import { type SentArchive, sendArchive, type UploadRequest } from './send-archive.ts';

/** As long as Nexus keeps an archive that waits. */
const WAIT_LIMIT_MS = 60 * 60_000;
const RETRY = { firstMs: 1_000, maxMs: 15_000 };

export type UploadResult = Omit<SentArchive, 'outcome'> & {
  readonly answer: FollowedUpload;
  /** For the database, in all. */
  readonly waitedMs: number;
};

type Parts = Pick<Session, 'terminal' | 'clock' | 'signal'>;

export const uploadArchive = async (
  session: Parts,
  depot: Depot,
  request: UploadRequest,
): Promise<UploadResult> => {
  const { terminal, clock, signal } = session;
  let waitingSinceMs: number | undefined;
  const waitedMs = () => (waitingSinceMs === undefined ? 0 : clock.monotonicMs() - waitingSinceMs);

  /** Whether another attempt makes sense. */
  const waitsAfter = async (error: unknown, failures: number): Promise<void> => {
    if (!isOfDatabase(error) || !request.source.isRepeatable || waitedMs() > WAIT_LIMIT_MS) throw error;
    if (waitingSinceMs === undefined)
      terminal.note(
        `waiting to send: ${printable(messageChain(error))}; retrying until the database is back`,
      );
    waitingSinceMs ??= clock.monotonicMs();
    await clock.sleep(backoffMs(failures, RETRY, 1), { signal });
  };

  for (let failures = 1; ; failures += 1) {
    let sent: SentArchive;
    try {
      sent = await sendArchive(session, depot, request);
    } catch (error) {
      await waitsAfter(error, failures);
      continue;
    }
    const { outcome, ...measured } = sent;
    if (outcome.kind === 'answered') return { ...measured, answer: outcome.answer, waitedMs: waitedMs() };
    waitingSinceMs ??= clock.monotonicMs();
    try {
      const answer = await followUpload(session, depot, outcome.uploadId);
      return { ...measured, answer, waitedMs: waitedMs() };
    } catch (error) {
      const isOver = waitedMs() > WAIT_LIMIT_MS;
      if (errorCodeOf(error) !== 'NOT_FOUND' || !request.source.isRepeatable || isOver) throw error;
      terminal.note('Nexus was restarted and has not recorded the archive: sending it again');
    }
  }
};
