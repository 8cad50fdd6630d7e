/** What the store knows of pins, and what it reports of the bundles of releases: the seam between both (T3). */

import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import type { AdmissionFacts, AdmittedBy, BundleVerdict } from '../../core/release-admission.ts';
import type { BundleReport, TrustReport } from '../../core/release-trust.ts';

/** What this sled has pinned, as far as the store needs it. */
export type ReleaseTrust = {
  /** Whether what no admitted bundle lists is withheld. */
  readonly requiresSigned: () => boolean;
  readonly facts: () => Pick<AdmissionFacts, 'newest' | 'record' | 'hasAdminKey' | 'isExemptedByStatement'>;
  /** Off the event loop if it is large. @throws `BUNDLE_INVALID`, `VERIFIER_DIED` */
  readonly judge: (
    bundle: string,
    bytes: Uint8Array,
    options: { readonly signal: AbortSignal },
  ) => Promise<BundleVerdict>;
  readonly recordAdmitted: (bundles: ReadonlyMap<string, AdmittedBy>) => void;
  readonly forget: (bundles: readonly string[]) => void;
  readonly report: () => TrustReport;
  readonly onChange: (listener: () => void) => Disposable;
};

/** For the listing; all of it is absent without an identity. */
export type ReleaseReport = {
  readonly requiresSigned?: boolean | undefined;
  readonly bundles?: readonly BundleReport[] | undefined;
  readonly withheld?: ReadonlySet<ArtifactHash> | undefined;
  readonly trust?: TrustReport | undefined;
};

export type ReleaseBundles = AsyncDisposable & {
  readonly isWithheld: (sha256: ArtifactHash) => boolean;
  /** The SHA-512s of which bytes with this hash need one to be admitted; undefined where none would (ADM6). */
  readonly awaitedSha512: (sha256: ArtifactHash) => ReadonlySet<string> | undefined;
  /** Bytes that were read whole have both hashes. */
  readonly learned: (sha256: ArtifactHash, sha512: string) => void;
  /** Why an artifact is neither stored nor served; undefined if it may be. */
  readonly withheld: (sha256: ArtifactHash) => string | undefined;
  /**
   * Resolves when it is durable and judged, whatever the verdict.
   *
   * @throws `NO_ARTIFACT_CONFIG`, `BUNDLE_INVALID`, `NO_SPACE`, `NO_USABLE_DATASET`
   */
  readonly put: (bundle: string, bytes: Uint8Array) => Promise<void>;
  /** Reads and judges what is on the datasets and not known yet (RLB2). */
  readonly load: () => Promise<void>;
  /** The config has changed. */
  readonly settle: () => void;
  /** Each bundle on every dataset; what nothing needs is removed (RLB4). */
  readonly repair: (isCertain: boolean) => Promise<void>;
  readonly report: (config: ArtifactConfig | undefined) => ReleaseReport;
};
