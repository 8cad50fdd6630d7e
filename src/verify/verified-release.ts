/** The request and the answer of a verification. Everything here is plain data and crosses threads unchanged. */
import type { ArchiveLimits } from '../archive/limits.ts';
import type { ArtifactHash } from '../core/ids.ts';
import type { PrefixDigests } from '../core/prefix-digests.ts';
import type { ReleaseArtifact, ReleaseDescription } from '../core/release.ts';
import type { ReleaseBundle } from '../core/release-trust.ts';
import type { ReportedCheck } from '../lib/check-report.ts';
import type { TopLevelRole } from '../tuf/role-names.ts';
import type { TrustedVersions } from '../tuf/rollback.ts';
import type { SignaturePolicy } from '../tuf/signature-policy.ts';
import type { Override } from '../tuf/trust-policy.ts';
import type { TrustRoot } from '../tuf/workflow.ts';
import type { KnownDigests } from './entry-digests.ts';
import type { StartHashHelper } from './hash-helper.ts';

export type VerifyRequest<Id extends string = string> = {
  /** Tried in turn. */
  readonly trustRoots: readonly TrustRoot<Id>[];
  /** The time of this verification, in milliseconds since the epoch. */
  readonly nowMs: number;
  readonly allowExpired?: boolean;
  readonly allowRollback?: boolean;
  readonly signatures?: SignaturePolicy | undefined;
  /** The versions last accepted under each trust root, by its id; absent before the first. */
  readonly trustedVersions?: ReadonlyMap<Id, TrustedVersions>;
  readonly limits?: Partial<ArchiveLimits>;
};

/** A root that follows a trust root. */
export type SuccessorRoot = { readonly version: number; readonly rootBytes: Uint8Array };

/** Of the bytes of all targets. */
export type VerifyProgress = { readonly doneBytes: number; readonly totalBytes: number };

export type VerifyOptions = {
  readonly signal: AbortSignal;
  /** Of entries that were read before; what is known of is not read again (EDG1). */
  readonly known?: KnownDigests | undefined;
  /** A second thread for what is left to hash. */
  readonly startHelper?: StartHashHelper | undefined;
  /** Of the prefix digests, where `known` and `startHelper` have the same one; `PREFIX_UNIT_BYTES` unless it is given. */
  readonly prefixUnitBytes?: number;
  /** Called at most some 200 times, the last time with everything done. */
  readonly onProgress?: (progress: VerifyProgress) => void;
};

/** Where an artifact's bytes are in the archive. */
export type ArtifactSource = { readonly entryName: string; readonly sizeBytes: number };

/** A composite artifact, which the description has replaced by its parts. */
export type VerifiedComposite = {
  readonly artifact: ReleaseArtifact;
  readonly entryName: string;
  readonly parts: readonly ReleaseArtifact[];
  /** Files in it that are no parts of its kind. */
  readonly ignored: readonly string[];
  /** Of its only part, where that was made anew and is not in the archive. */
  readonly content?: Uint8Array;
};

/** A check that was passed, in the order of the checks. */
export type PassedCheck = {
  readonly check:
    | 'archive'
    | TopLevelRole
    | 'override'
    | 'sizes'
    | 'document'
    | 'content'
    | 'parts'
    | 'left_out'
    | 'unsigned';
  /** One sentence for people. */
  readonly text: string;
};

export type RoleFacts = { readonly version: number; readonly expiresMs: number };

export type VerifiedRelease<Id extends string = string> = {
  readonly description: ReleaseDescription;
  /** Of all signed metadata that names targets ({@link metadataDigest}): names the release where there is no archive (S18). */
  readonly targetsSha256: ArtifactHash;
  /** The trust root that vouches for it. */
  readonly trustRootId: Id;
  /** Those beyond the trust root, oldest first. */
  readonly roots: readonly SuccessorRoot[];
  /** To store for that trust root. */
  readonly versions: TrustedVersions;
  readonly roles: Readonly<Record<TopLevelRole, RoleFacts>>;
  /** What vouches for it before sleds; undefined if its metadata is too large for that. */
  readonly bundle: ReleaseBundle | undefined;
  /** Expired roles and rollbacks that were accepted because the request allowed them. */
  readonly overrides: readonly Override[];
  /** Of the release's artifacts that are whole targets; other targets are verified but not replicated. */
  readonly entries: ReadonlyMap<ArtifactHash, ArtifactSource>;
  /** The sources of the other artifacts. */
  readonly composites: readonly VerifiedComposite[];
  /** Of the release's artifacts that have some (PXD3). */
  readonly prefixesOf: ReadonlyMap<ArtifactHash, PrefixDigests>;
  /** Files of the archive that no signed metadata names; nothing reads them. */
  readonly unsignedFiles: readonly string[];
  /** The short form. */
  readonly report: readonly PassedCheck[];
  /** Every check, in order, with its clause. */
  readonly checks: readonly ReportedCheck[];
};
