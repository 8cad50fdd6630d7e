/**
 * Sends an archive and shows the progress: first of the bytes, then of the verification by Nexus.
 *
 * SN1. When the session is interrupted the request is cut, and Nexus discards the received bytes: nothing is recorded
 *      before the last byte is received and verified.
 */
import type { TufRepoUpload } from '../../api/operator-update-api.ts';
import { UploadId } from '../../core/ids.ts';
import { findDepotError } from '../../lib/errors.ts';
import type { Depot } from '../connection/depot-client.ts';
import { createLiveRegion } from '../output/live-region.ts';
import { formatBytes, formatDuration } from '../output/quantities.ts';
import { printable } from '../output/style.ts';
import { createTransferMeter, transferBarCells, transferLine } from '../output/transfer.ts';
import type { Session } from '../session/session.ts';
import type { UploadSource } from './upload-source.ts';

/** Between two updates while nothing is sent: the seconds of the verification advance. */
const TICK_MS = 200;

export type UploadRequest = {
  readonly fileName: string;
  readonly source: UploadSource;
  readonly allowExpired?: boolean;
  readonly allowRollback?: boolean;
  readonly allowRevokedKeys?: boolean;
};

export type SentArchive = {
  /** Of an upload that Nexus keeps until its database answers: the id to ask for. */
  readonly outcome:
    | { readonly kind: 'answered'; readonly answer: TufRepoUpload }
    | { readonly kind: 'waiting'; readonly uploadId: UploadId };
  readonly sentBytes: number;
  /** Until the last byte was sent. */
  readonly sendMs: number;
  /** From then to the answer. */
  readonly verifyMs: number;
};

export const sendArchive = async (
  { terminal, clock }: Pick<Session, 'terminal' | 'clock'>,
  depot: Depot,
  { fileName, source, allowExpired = false, allowRollback = false, allowRevokedKeys = false }: UploadRequest,
): Promise<SentArchive> => {
  const startMs = clock.monotonicMs();
  const meter = createTransferMeter(startMs);
  const region = createLiveRegion(terminal, clock);
  let sentAtMs: number | undefined;

  const line = (what: string, barCells: number): string => {
    if (sentAtMs !== undefined) {
      const waited = formatDuration(clock.monotonicMs() - sentAtMs);
      return `sent ${formatBytes(meter.bytes())}; Nexus verifies signatures and every byte: ${waited}`;
    }
    const progress = transferLine(
      { bytes: meter.bytes(), totalBytes: source.sizeBytes, rate: meter.rate(clock.monotonicMs()) },
      barCells,
    );
    return `${what}  ${progress}`;
  };
  const refresh = (): void =>
    region.show(
      () => [line('uploading', transferBarCells(terminal.columns()))],
      () => line(`uploading ${printable(fileName)}`, 0),
    );
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source.chunks()) {
      yield chunk;
      meter.record(chunk.byteLength, clock.monotonicMs());
    }
    sentAtMs = clock.monotonicMs();
  }

  const ticker = setInterval(refresh, TICK_MS);
  try {
    const outcome = await depot.updates
      .repositoryUpload({
        query: {
          file_name: fileName,
          ...(allowExpired && { allow_expired: 'true' }),
          ...(allowRollback && { allow_rollback: 'true' }),
          ...(allowRevokedKeys && { allow_revoked_keys: 'true' }),
        },
        body: { sizeBytes: source.sizeBytes, chunks: counted() },
      })
      .then(
        answer => ({ kind: 'answered', answer }) as const,
        (error: unknown) => ({ kind: 'waiting', uploadId: waitingUpload(error) }) as const,
      );
    const endMs = clock.monotonicMs();
    const sendMs = (sentAtMs ?? endMs) - startMs;
    return { outcome, sentBytes: meter.bytes(), sendMs, verifyMs: endMs - startMs - sendMs };
  } finally {
    clearInterval(ticker);
    region.close();
  }
};

/** The id of the upload that Nexus keeps; undefined for any other error. */
const waitingUpload = (error: unknown): UploadId => {
  const named = UploadId.safeParse(findDepotError(error)?.detail.upload_id);
  if (named.success) return named.data;
  throw error;
};
