/** A request of this Nexus to a sled, with its outcome; and its shape in the debug API and in the log. */
import type { RequestRecord } from '../../api/operator-fleet-api.ts';
import type { ArtifactHash, Generation, SledId } from '../../core/ids.ts';
import { isoTime } from '../../lib/clock.ts';
import type { ErrorCode } from '../../lib/error-codes.ts';

export type SledRequest = {
  readonly operation: 'put_config' | 'list' | 'put' | 'copy';
  readonly sledId: SledId;
  readonly generation?: Generation;
  readonly sha256?: ArtifactHash;
  readonly sourceSledId?: SledId;
  readonly startedMs: number;
  readonly elapsedMs: number;
  /** Absent if the sled did what it was asked for. */
  readonly failure?: { readonly code: ErrorCode; readonly message: string };
};

export const requestRecord = (request: SledRequest): RequestRecord => ({
  time: isoTime(request.startedMs),
  ...requestFields(request),
});

/** Unknown fields are omitted. */
export const requestFields = (request: SledRequest): Omit<RequestRecord, 'time'> => ({
  target_sled: request.sledId,
  operation: request.operation,
  ...(request.generation !== undefined && { generation: request.generation }),
  ...(request.sha256 !== undefined && { hash: request.sha256 }),
  ...(request.sourceSledId !== undefined && { source_sled: request.sourceSledId }),
  elapsed_ms: request.elapsedMs,
  ...(request.failure !== undefined && {
    error: request.failure.message,
    error_code: request.failure.code,
  }),
});
