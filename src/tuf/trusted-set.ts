/**
 * What is trusted so far, and the only way to trust more: the client workflow of the TUF specification 1.0.34
 * without its input and output. The caller says where bytes come from; each update checks them and keeps them.
 *
 *     trusted root ─▶ updateRoot()* ─▶ updateTimestamp() ─▶ updateSnapshot() ─▶ updateTargets() ─▶ trusted()
 *
 * T1. One fixed time decides about expiry in all roles (5.1); of the roots only the last one's expiry counts (5.3.10).
 * T2. Root N+1 is signed by the keys of root N and by its own, and its version is exactly N+1 (5.3.4, 5.3.5).
 * T3. Each other role is signed to its threshold by the keys of the last root.
 * T4. Length, hashes and version of a file are those that the role above it signed (5.5.2, 5.5.4, 5.6.2, 5.6.4).
 * T5. No version is lower than the one remembered for this trust root (5.4.3, 5.5.5). Rotating a key of
 *     timestamp or snapshot away forgets the versions of all three roles, so that a stolen key which signed
 *     an enormous version does not lock the repository out (5.3.11).
 * T6. A failed update changes nothing, and nothing is trusted before targets is (CVE-2025-2888).
 * T7. Expiry and rollback, and only these, can be overridden; each override that was needed is recorded.
 */
import assert from 'node:assert/strict';
import { DepotError } from '../lib/errors.ts';
import { type FileMeta, type Metadata, parseMetadata, type Root, type TopLevelRole } from './metadata.ts';
import { requireThreshold } from './signatures.ts';
import { hashMismatch } from './targets.ts';

/** The version of each role that was trusted last. */
export type TrustedVersions = Readonly<Record<TopLevelRole, number>>;

/** A check that failed and was let pass because the caller allowed it. */
export type Override =
  | { readonly kind: 'expired'; readonly role: TopLevelRole; readonly expiresMs: number }
  | {
      readonly kind: 'rollback';
      readonly role: TopLevelRole;
      readonly trustedVersion: number;
      readonly version: number;
    };

export type TrustPolicy = {
  /** The time of this verification, in milliseconds since the epoch. */
  readonly nowMs: number;
  readonly allowExpired: boolean;
  /** What this trust root led to before; undefined if never. */
  readonly trustedVersions: TrustedVersions | undefined;
  readonly allowRollback: boolean;
};

export type TrustedMetadata = {
  /** From the trust root to the newest. */
  readonly roots: readonly Metadata<'root'>[];
  /** Of the newest root: whether file names carry versions and hashes. */
  readonly consistentSnapshot: boolean;
  readonly timestamp: Metadata<'timestamp'>;
  readonly snapshot: Metadata<'snapshot'>;
  readonly targets: Metadata<'targets'>;
  /** To remember for the next time (T5). Under an overridden rollback they do not fall. */
  readonly versions: TrustedVersions;
  readonly overrides: readonly Override[];
};

export type TrustedSet = {
  readonly root: () => Root;
  readonly updateRoot: (bytes: Uint8Array) => void;
  readonly updateTimestamp: (bytes: Uint8Array) => FileMeta;
  readonly updateSnapshot: (bytes: Uint8Array) => FileMeta;
  readonly updateTargets: (bytes: Uint8Array) => TrustedMetadata;
};

/**
 * Starts from a trusted root, whose expiry does not matter yet (5.2).
 *
 * @throws DepotError `METADATA_INVALID` or `UNTRUSTED_SIGNATURES` if the root does not parse or not sign itself
 */
export const createTrustedSet = (trustRoot: Uint8Array, policy: TrustPolicy): TrustedSet => {
  const roots = [parseSelfSignedRoot(trustRoot)];
  const overrides: Override[] = [];
  let timestamp: Metadata<'timestamp'> | undefined;
  let snapshot: Metadata<'snapshot'> | undefined;

  const root = (): Root => (roots.at(-1) as Metadata<'root'>).signed;

  const requireCurrent = (metadata: Metadata<TopLevelRole>): void => {
    overrides.push(...requireCurrentOrOverride(metadata, floor(metadata.role, roots, policy), policy));
  };

  return {
    root,

    updateRoot(bytes) {
      assert(timestamp === undefined, 'roots come before the timestamp');
      const next = parseMetadata('root', bytes);
      requireThreshold(root(), next);
      requireThreshold(next.signed, next);
      requireVersion(next, root().version + 1, 'the root before it');
      roots.push(next);
    },

    updateTimestamp(bytes) {
      requireCurrent(roots.at(-1) as Metadata<'root'>);
      const next = parseMetadata('timestamp', bytes);
      requireThreshold(root(), next);
      requireCurrent(next);
      timestamp = next;
      return next.signed.snapshot;
    },

    updateSnapshot(bytes) {
      assert(timestamp !== undefined, 'the timestamp comes before the snapshot');
      requireListed('snapshot', bytes, timestamp.signed.snapshot);
      const next = parseMetadata('snapshot', bytes);
      requireThreshold(root(), next);
      requireVersion(next, timestamp.signed.snapshot.version, 'the timestamp metadata');
      requireCurrent(next);
      snapshot = next;
      return next.signed.targets;
    },

    updateTargets(bytes) {
      assert(timestamp !== undefined && snapshot !== undefined, 'the snapshot comes before the targets');
      requireListed('targets', bytes, snapshot.signed.targets);
      const targets = parseMetadata('targets', bytes);
      requireThreshold(root(), targets);
      requireVersion(targets, snapshot.signed.targets.version, 'the snapshot metadata');
      requireCurrent(targets);
      const current = [roots.at(-1) as Metadata<'root'>, timestamp, snapshot, targets];
      const versions = Object.fromEntries(
        current.map(({ role, signed }) => [role, Math.max(floor(role, roots, policy), signed.version)]),
      ) as Record<TopLevelRole, number>;
      const { consistentSnapshot } = root();
      return { roots, consistentSnapshot, timestamp, snapshot, targets, versions, overrides };
    },
  };
};

/** @throws DepotError `METADATA_INVALID` or `UNTRUSTED_SIGNATURES` */
export const parseSelfSignedRoot = (bytes: Uint8Array): Metadata<'root'> => {
  const root = parseMetadata('root', bytes);
  requireThreshold(root.signed, root);
  return root;
};

/** The version that a role must have at least: of root the remembered one, of the others until a rotation (T5). */
const floor = (
  role: TopLevelRole,
  roots: readonly Metadata<'root'>[],
  { trustedVersions }: TrustPolicy,
): number => {
  if (trustedVersions === undefined) return 0;
  const forgotten = role !== 'root' && onlineKeysRotated(roots, trustedVersions.root);
  return forgotten ? 0 : trustedVersions[role];
};

/**
 * Whether a key that timestamp or snapshot had in the remembered root is missing from the newest one. Rotations
 * up to the remembered root took effect when it was trusted; counting them again would forget for ever.
 */
const onlineKeysRotated = (roots: readonly Metadata<'root'>[], rememberedRootVersion: number): boolean => {
  const since = roots.findLast(({ signed }) => signed.version <= rememberedRootVersion) ?? roots[0];
  const identities = (root: Root | undefined, role: TopLevelRole): Set<string> =>
    new Set(root?.roles[role].keyIds.map(keyId => root.keys.get(keyId)?.identity ?? `unusable ${keyId}`));
  const newest = roots.at(-1)?.signed;
  return (['timestamp', 'snapshot'] as const).some(
    role => !identities(since?.signed, role).isSubsetOf(identities(newest, role)),
  );
};

/** T5 and T1: throws, or returns what the policy let pass. */
const requireCurrentOrOverride = (
  { role, signed: { version, expiresMs } }: Metadata<TopLevelRole>,
  trustedVersion: number,
  policy: TrustPolicy,
): readonly Override[] => {
  const found: Override[] = [];
  if (version < trustedVersion) found.push({ kind: 'rollback', role, trustedVersion, version });
  if (expiresMs <= policy.nowMs) found.push({ kind: 'expired', role, expiresMs });
  for (const override of found) refuseUnlessAllowed(override, policy);
  return found;
};

const refuseUnlessAllowed = (override: Override, policy: TrustPolicy): void => {
  switch (override.kind) {
    case 'expired': {
      if (policy.allowExpired) return;
      const expired = new Date(override.expiresMs).toISOString();
      throw new DepotError(
        'METADATA_EXPIRED',
        `the ${override.role} metadata expired at ${expired}; have the repository signed anew, or allow expired metadata`,
        { detail: { role: override.role, expired } },
      );
    }
    case 'rollback': {
      if (policy.allowRollback) return;
      const { role, version, trustedVersion } = override;
      throw new DepotError(
        'METADATA_ROLLBACK',
        `the ${role} metadata has version ${version}, but version ${trustedVersion} was trusted before; ` +
          'use the newer repository, or allow the rollback',
        { detail: { role, version, trusted_version: trustedVersion } },
      );
    }
    default:
      override satisfies never;
  }
};

const requireVersion = (metadata: Metadata<TopLevelRole>, version: number, source: string): void => {
  if (metadata.signed.version === version) return;
  throw mismatch(
    metadata.role,
    `has version ${metadata.signed.version}, but ${source} asks for version ${version}`,
  );
};

const requireListed = (role: TopLevelRole, bytes: Uint8Array, { lengthBytes, hashes }: FileMeta): void => {
  if (lengthBytes !== undefined && bytes.length !== lengthBytes) {
    throw mismatch(role, `has ${bytes.length} bytes, but ${lengthBytes} were signed`);
  }
  const wrong = hashes === undefined ? undefined : hashMismatch(bytes, hashes);
  if (wrong !== undefined) throw mismatch(role, wrong);
};

const mismatch = (role: TopLevelRole, problem: string): DepotError =>
  new DepotError(
    'METADATA_MISMATCH',
    `the ${role} metadata ${problem}; the repository's files are of different ages`,
    {
      detail: { role },
    },
  );
