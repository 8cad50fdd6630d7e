/**
 * Expiry and rollback: the two checks that a caller may override.
 *
 * Each override that was needed is recorded, so that the operator who allowed it sees its effect.
 */
import { DepotError } from '../lib/errors.ts';
import type { Metadata } from './metadata.ts';
import type { TrustedVersions } from './rollback.ts';
import type { SignaturePolicy } from './signature-policy.ts';

export type TrustPolicy = {
  /** The time of this verification, in milliseconds since the epoch. */
  readonly nowMs: number;
  readonly allowExpired: boolean;
  /** The versions last accepted under this trust root; undefined before the first. */
  readonly trustedVersions: TrustedVersions | undefined;
  readonly allowRollback: boolean;
  readonly signatures: SignaturePolicy;
};

/** For a chain of roots and nothing else: signatures alone make it, since a root that was replaced may have expired. */
export const rootsAlone = (signatures: SignaturePolicy): TrustPolicy => ({
  signatures,
  nowMs: 0,
  allowExpired: true,
  allowRollback: true,
  trustedVersions: undefined,
});

/** A failed check that the caller allowed. `role` is a name, also of a delegated one. */
export type Override =
  | { readonly kind: 'expired'; readonly role: string; readonly expiresMs: number }
  | {
      readonly kind: 'rollback';
      readonly role: string;
      readonly trustedVersion: number;
      /** 0 for a role that the snapshot no longer lists. */
      readonly version: number;
    };

/** @returns the override that was needed, if any */
export const requireUnexpired = (
  { name: role, signed: { expiresMs } }: Metadata,
  { nowMs, allowExpired }: TrustPolicy,
): readonly Override[] => {
  if (expiresMs > nowMs) return [];
  if (allowExpired) return [{ kind: 'expired', role, expiresMs }];
  const expired = new Date(expiresMs).toISOString();
  throw new DepotError(
    'METADATA_EXPIRED',
    `the ${role} metadata expired at ${expired}; have the repository signed anew, or allow expired metadata`,
    { detail: { role, expired } },
  );
};

/**
 * @param version 0 for a role that the snapshot no longer lists
 * @returns the override that was needed, if any
 */
export const requireNoRollback = (
  role: string,
  version: number,
  trustedVersion: number,
  { allowRollback }: TrustPolicy,
): readonly Override[] => {
  if (version >= trustedVersion) return [];
  if (allowRollback) return [{ kind: 'rollback', role, trustedVersion, version }];
  const problem =
    version === 0
      ? `the snapshot metadata no longer lists the role ${role}, of which`
      : `the ${role} metadata has version ${version}, but`;
  throw new DepotError(
    'METADATA_ROLLBACK',
    `${problem} version ${trustedVersion} was trusted before; use the newer repository, or allow the rollback`,
    { detail: { role, version, trusted_version: trustedVersion } },
  );
};
