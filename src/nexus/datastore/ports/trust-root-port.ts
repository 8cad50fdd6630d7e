/** Trust roots: the chain of each, and the accepted versions for the check of rollback. */
import type { RepoId, TrustRootId } from '../../../core/ids.ts';
import type { RoleExpiry } from '../../../core/release.ts';
import type { TrustedVersions } from '../../../tuf/rollback.ts';
import type { Audited, AuditedWith } from './audit-port.ts';
import type { Page, Paged, Wait } from './verb.ts';

export type TrustRootRecord = {
  readonly id: TrustRootId;
  readonly timeCreatedMs: number;
  /** The signed root that is trusted now, the last of its chain, byte for byte. */
  readonly rootBytes: Uint8Array;
  /** The accepted versions, for the check of rollback (B3); absent until a release was accepted under it. */
  readonly trustedVersions: TrustedVersions | null;
};

/** A root that follows the newest of a trust root: version N+1, signed by root N and by itself. */
export type NewRoot = { readonly version: number; readonly rootBytes: Uint8Array };

/** The change of a trust root by a verified repository. */
export type TrustMove = {
  /** The roots beyond the newest that was trusted, oldest first. */
  readonly roots: readonly NewRoot[];
  /** The accepted versions to store; null for roots alone, or for an archive recorded before (P3). */
  readonly trustedVersions: TrustedVersions | null;
  /**
   * A key of timestamp or snapshot was rotated away: the versions remembered under older roots no longer count,
   * and are replaced where they would otherwise only rise (TUF 5.3.11).
   */
  readonly forgetsVersions: boolean;
};

export type TrustRootPort = {
  readonly trustRootInsert: (
    root: { id: TrustRootId; rootBytes: Uint8Array },
    options: AuditedWith<{ readonly rootVersion: number }>,
  ) => Promise<TrustRootRecord>;
  readonly trustRootGet: (id: TrustRootId, wait: Wait) => Promise<TrustRootRecord | undefined>;
  readonly trustRootList: (page: Page, wait: Wait) => Promise<Paged<TrustRootRecord>>;
  /** Every root of the chain, the oldest first; undefined when there is no such trust root. */
  readonly trustRootChain: (id: TrustRootId, wait: Wait) => Promise<readonly Uint8Array[] | undefined>;
  /**
   * Moves a trust root forward without a release. `NO_TRUST_ROOT` when it was deleted; `ROOT_CHAIN_BROKEN` when
   * another root of the same version was recorded meanwhile, or one before it is missing.
   */
  readonly trustRootAdvance: (
    id: TrustRootId,
    move: TrustMove,
    /** `resigned`: a recorded release that was uploaded again with newer metadata. */
    options: Audited & {
      readonly resigned?: { readonly repoId: RepoId; readonly roles: readonly RoleExpiry[] };
    },
  ) => Promise<TrustRootRecord>;
  /** False when there is none. */
  readonly trustRootDelete: (id: TrustRootId, wait: Audited) => Promise<boolean>;
};
