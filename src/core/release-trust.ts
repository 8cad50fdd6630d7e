/** What Nexus and sleds tell each other about the trust in releases; src/bundle has the bundles themselves. */
import type { SystemVersion } from './ids.ts';

/**
 * Of a bundle. The largest targets file (32 MiB) fits, also if every other of its characters has to be escaped. A release whose metadata is
 * larger, by thousands of delegated roles, has a bundle without metadata, which an admin has to exempt: tuf-depot repo exempt VERSION.
 */
export const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
/** More than a fleet has present at once. */
export const MAX_OFFERED_RELEASES = 1024;
/** Of one fleet: each is a signer of releases. */
export const MAX_ROOT_CHAINS = 64;
export const MAX_ADMIN_KEYS = 16;

/**
 * - `signed`: every artifact of the release is a signed target.
 * - `partly`: some are not, such as the parts of composite artifacts.
 * - `unsigned`: there is no metadata; the release was recorded before bundles were, or its metadata is too large.
 */
export const BUNDLE_KINDS = ['signed', 'partly', 'unsigned'] as const;
export type BundleKind = (typeof BUNDLE_KINDS)[number];

/** What vouches for a release that is recorded. */
export type ReleaseBundle = {
  readonly sha256: string;
  readonly kind: BundleKind;
  readonly bytes: Uint8Array;
};

/** A release of a config, and the bundle that vouches for it. Configs are equal whatever they say of releases. */
export type OfferedRelease = {
  readonly systemVersion: SystemVersion;
  /** SHA-256 of the bundle, in hex. */
  readonly bundle: string;
  /** Nexus's word that the release needs no signature; it counts where no admin key is pinned. */
  readonly isExempt: boolean;
};

/**
 * - `admitted`: everything that the bundle lists may be stored.
 * - `missing`: the sled does not have the bundle.
 * - `refused`: the bundle is no bundle, or no trust root of the sled vouches for it, and it is not exempted.
 * - `unexempted`: what is signed may be stored, but the bundle has unsigned artifacts too, and is not exempted.
 */
export const BUNDLE_STATES = ['admitted', 'missing', 'refused', 'unexempted'] as const;
export type BundleState = (typeof BUNDLE_STATES)[number];

/** `signature_scheme`: a root vouches by signatures of a scheme that the sled does not accept. */
export const REFUSAL_CAUSES = ['signature_scheme'] as const;
export type RefusalCause = (typeof REFUSAL_CAUSES)[number];

export type BundleReport = {
  readonly sha256: string;
  readonly state: BundleState;
  /** Of a refused one, where it has a remedy of its own. */
  readonly cause?: RefusalCause | undefined;
  readonly reason?: string | undefined;
};

/** What a sled has pinned. Hashes are SHA-256 in hex. */
export type TrustReport = {
  readonly chains: readonly {
    /** Of the root that was pinned first. */
    readonly rootSha256: string;
    /** Of the newest root. */
    readonly version: number;
    readonly newestSha256: string;
  }[];
  /** Of the SubjectPublicKeyInfo of each. */
  readonly adminKeys: readonly string[];
};
