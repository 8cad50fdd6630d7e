/** A release as described by its signed metadata, in any format and from any source. */

import type { ArtifactHash, SystemVersion } from './ids.ts';
import type { LeftOutTarget } from './left-out.ts';

/** How the artifacts of a repository are named: an artifact document (v2 or v1), or the targets themselves. */
export type ReleaseFormat = 'v2' | 'v1' | 'plain';

export type ReleaseArtifact = {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  /** The name in the signed targets; for people. */
  readonly targetName: string;
  /** 1 to 63 characters of [a-zA-Z0-9._+-]. */
  readonly version: string;
  /** What the artifact is, e.g. `{ kind: 'zone', zone_name: 'nexus' }`; unknown kinds are kept as they are. */
  readonly tags: Readonly<Record<string, string>>;
};

const HASH_VERSION_DIGITS = 16;

/**
 * The version of bytes that have none of their own: the beginning of their hash. It says nothing that the hash does not,
 * so it yields to any other version of the same bytes.
 */
export const versionByHash = ({ sha256 }: Pick<ReleaseArtifact, 'sha256'>): string =>
  sha256.slice(0, HASH_VERSION_DIGITS);

export type ReleaseDescription = {
  readonly systemVersion: SystemVersion;
  readonly format: ReleaseFormat;
  /** In the order of the document; two artifacts may share one hash (one file, two roles). */
  readonly artifacts: readonly ReleaseArtifact[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Signed targets that are no artifacts; absent for none. */
  readonly leftOut?: readonly LeftOutTarget[];
};

/** The beginning of the version that a release gets whose signers give it none (RLI3). */
export const DERIVED_VERSION_PREFIX = '0.0.0-targets.';

export const isDerivedVersion = (version: SystemVersion): boolean =>
  version.startsWith(DERIVED_VERSION_PREFIX);

export const RELEASE_ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const;
export type ReleaseRole = (typeof RELEASE_ROLES)[number];

/** When the metadata of a present release expires. */
export type ReleaseRoles = {
  readonly systemVersion: SystemVersion;
  readonly roles: readonly RoleExpiry[];
};

/** The metadata of one role that a release was recorded with. */
export type RoleExpiry = {
  readonly role: ReleaseRole;
  readonly version: number;
  readonly expiresMs: number;
};
