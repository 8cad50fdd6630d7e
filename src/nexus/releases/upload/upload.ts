/** One upload: what comes in, within which limits, and what comes of it. */
import type { ReportedCheck } from '../../../lib/check-report.ts';
import type { InsertOutcome, RepoRecord } from '../../datastore/ports/release-port.ts';
import type { RootOutcome } from './root-upload.ts';

export type UploadRequest = {
  readonly fileName: string;
  /** By what the release is known: the archive, or the signed targets where this Nexus fetched it (S18). */
  readonly hashKind?: 'archive' | 'targets';
  readonly allowExpired: boolean;
  readonly allowRollback: boolean;
  /** As announced; undefined when the client did not say. */
  readonly contentLength: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
};

export type ReleaseOutcome = {
  readonly status: InsertOutcome['status'];
  readonly repo: RepoRecord;
  readonly report: readonly string[];
  readonly overrides: readonly string[];
  /** Every check, in order. */
  readonly checks: readonly ReportedCheck[];
};

export type UploadOutcome = ReleaseOutcome | RootOutcome;

export type UploadLimits = {
  readonly repositoryBytes: number;
  readonly artifactBytes: number;
  readonly uploadsAtOnce: number;
};
