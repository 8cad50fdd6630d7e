/** One upload: its input, its limits, and its outcome. */
import type { AuditOrigin } from '../../../core/facts/audit.ts';
import type { HashKind } from '../../../core/ids.ts';
import type { ReportedCheck } from '../../../lib/check-report.ts';
import type { InsertOutcome, RepoRecord } from '../../datastore/ports/release-port.ts';
import type { RootOutcome } from './root-upload.ts';

export type UploadRequest = {
  readonly fileName: string;
  /** What identifies the release: its archive, or its signed targets if this Nexus fetched it (S18). */
  readonly hashKind?: HashKind;
  readonly allowExpired: boolean;
  readonly allowRollback: boolean;
  /** Of a deleted release (CA4). */
  readonly allowRevokedKeys?: boolean;
  /** As announced; undefined if the client did not announce it. */
  readonly contentLength: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Of a new entry in the audit log; absent where no person uploads. */
  readonly newOrigin?: () => AuditOrigin;
};

type ReleaseOutcome = {
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
