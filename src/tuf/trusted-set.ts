/**
 * The trusted metadata, and the only way to extend it: the client workflow of the TUF specification 1.0.34 without input
 * and output. The caller reads the bytes; each update checks and keeps them.
 *
 *     trusted root ─▶ updateRoot()* ─▶ closeRoots() ─▶ updateTimestamp() ─▶ updateSnapshot() ─▶ updateTargets()
 *                                                                                        ─▶ updateDelegated()*
 *
 * TT1. One fixed time decides about expiry in all roles (5.1); of the roots only the last one's expiry counts (5.3.10).
 * TT2. Root N+1 is signed by the keys of root N and by its own, and its version is exactly N+1 (5.3.4, 5.3.5).
 * TT3. Each other role is signed to its threshold by the keys that its delegator names: the last root for the
 *      top-level roles, for a delegated one the targets role through which it was reached, each time (5.6.7).
 * TT4. Length, hashes and version of a file are those that the role above it signed (5.5.2, 5.5.4, 5.6.2, 5.6.4);
 *      for a delegated role that is the snapshot.
 * TT5. No version is lower than the one trusted before (RB1, RB2).
 * TT6. A failed update changes nothing, and later updates can continue from the state before it (CVE-2025-2888).
 * TT7. Expiry and rollback, and only these, can be overridden; each override that was needed is recorded.
 * TT8. All work is counted against one budget (WB1), each part of it on the role that causes it.
 */
import assert from 'node:assert/strict';
import { DepotError } from '../lib/errors.ts';
import type { DelegatedRole } from './delegations.ts';
import { type FileMeta, type Metadata, parseMetadata, type Root } from './metadata.ts';
import { type Checked, checkSnapshot, checkTargets, checkTimestamp, requireVersion } from './role-checks.ts';
import type { TopLevelRole } from './role-names.ts';
import {
  type Floors,
  floorsFromFiles,
  floorsFromVersions,
  mergeFloors,
  type TrustedFiles,
  type TrustedVersions,
} from './rollback.ts';
import type { SignaturePolicy } from './signature-policy.ts';
import { requireThreshold, type Signers, validKeyIds } from './signatures.ts';
import { type Override, requireNoRollback, requireUnexpired, type TrustPolicy } from './trust-policy.ts';
import { createWorkBudget, type Spend, type WorkBudget } from './work-budget.ts';

/** A delegated role, and the targets role through which a search or a walk reached it. */
export type ReachedRole = { readonly role: DelegatedRole; readonly delegator: Metadata<'targets'> };

export type TrustedMetadata = {
  /** From the trust root to the newest. */
  readonly roots: readonly Metadata<'root'>[];
  /** The last of them. */
  readonly newestRoot: Metadata<'root'>;
  /** Of the newest root: whether file names carry versions and hashes. */
  readonly consistentSnapshot: boolean;
  readonly timestamp: Metadata<'timestamp'>;
  readonly snapshot: Metadata<'snapshot'>;
  readonly targets: Metadata<'targets'>;
  /** Those that were reached, in that order. */
  readonly delegated: readonly Metadata<'targets'>[];
  /** To store for the next time (TT5). An overridden rollback does not lower them. */
  readonly versions: TrustedVersions;
  readonly overrides: readonly Override[];
};

export type TrustedSet = {
  readonly budget: WorkBudget;
  readonly signatures: SignaturePolicy;
  readonly root: () => Root;
  readonly updateRoot: (bytes: Uint8Array) => Metadata<'root'>;
  /**
   * Ends the chain of roots, and accepts the previously trusted files. They count for TT5 as far as the last
   * root's keys still vouch for them; whether they have expired does not matter.
   */
  readonly closeRoots: (before?: {
    readonly timestamp?: Uint8Array | undefined;
    readonly snapshot?: Uint8Array | undefined;
  }) => void;
  /** False if the timestamp that was trusted before has the same version, and stays (5.4.3.1). */
  readonly updateTimestamp: (bytes: Uint8Array) => boolean;
  /** The signed entry for a role's file: in the snapshot, or for the snapshot itself in the timestamp. */
  readonly listed: (role: string) => FileMeta;
  readonly updateSnapshot: (bytes: Uint8Array) => void;
  readonly updateTargets: (bytes: Uint8Array) => Metadata<'targets'>;
  /** A delegated role that was loaded already, if this delegator vouches for it too (TT3). */
  readonly delegated: (reached: ReachedRole) => Metadata<'targets'> | undefined;
  readonly updateDelegated: (reached: ReachedRole, bytes: Uint8Array) => Metadata<'targets'>;
  readonly trusted: () => TrustedMetadata;
};

/**
 * Starts from a trusted root, whose expiry does not matter yet (5.2).
 *
 * @throws DepotError `METADATA_INVALID` or `UNTRUSTED_SIGNATURES` if the root does not parse or not sign itself
 */
export const createTrustedSet = (
  trustRoot: Uint8Array,
  policy: TrustPolicy,
  budget: WorkBudget = createWorkBudget(),
): TrustedSet => underDeadline(startSet(trustRoot, policy, budget));

const startSet = (trustRoot: Uint8Array, policy: TrustPolicy, budget: WorkBudget): TrustedSet => {
  let newestRoot = parseSelfSignedRoot(trustRoot, policy.signatures, budget.of('root'));
  const roots = [newestRoot];
  const overrides: Override[] = [];
  const delegated = new Map<string, Metadata<'targets'>>();
  let floors: Floors | undefined;
  let before: TrustedFiles = {};
  let timestamp: Metadata<'timestamp'> | undefined;
  let snapshot: Metadata<'snapshot'> | undefined;
  let targets: Metadata<'targets'> | undefined;

  const root = (): Root => newestRoot.signed;
  const { signatures } = policy;
  const checkedBy = (signers: Signers) => ({ signers, policy, budget });
  const measured = (role: TopLevelRole) => {
    assert(floors !== undefined, 'roots come before anything else');
    return { ...checkedBy(signersOf(root(), role, signatures)), floors };
  };
  const listed = (role: string): FileMeta => listedBy(timestamp, snapshot, role);
  const accept = <R extends TopLevelRole>(checked: Checked<R>): Metadata<R> => {
    overrides.push(...checked.overrides);
    return checked.metadata;
  };

  return {
    budget,
    signatures,
    root,
    listed,
    updateRoot(bytes) {
      assert(floors === undefined, 'roots come before anything else');
      newestRoot = parseNextRoot(root(), bytes, budget.of('root'), signatures);
      roots.push(newestRoot);
      return newestRoot;
    },
    closeRoots(files = {}) {
      overrides.push(...requireCurrentRoot(newestRoot, policy));
      before = stillTrustedFiles(root(), files, budget, signatures);
      floors = mergeFloors(floorsFromVersions(policy.trustedVersions, roots), floorsFromFiles(before));
    },
    updateTimestamp(bytes) {
      timestamp = accept(checkTimestamp(bytes, before.timestamp, measured('timestamp')));
      return timestamp !== before.timestamp;
    },
    updateSnapshot(bytes) {
      snapshot = accept(checkSnapshot(bytes, listed('snapshot'), measured('snapshot')));
    },
    updateTargets(bytes) {
      targets = accept(checkTargets('targets', bytes, listed('targets'), measured('targets')));
      return targets;
    },
    delegated(reached) {
      const known = delegated.get(reached.role.name);
      if (known !== undefined)
        requireThreshold(delegatedSigners(reached, signatures), known, budget.of(known.name));
      return known;
    },
    updateDelegated(reached, bytes) {
      const { name } = reached.role;
      const next = checkTargets(name, bytes, listed(name), checkedBy(delegatedSigners(reached, signatures)));
      delegated.set(name, accept(next));
      return next.metadata;
    },
    trusted() {
      assert(floors && timestamp && snapshot && targets, 'nothing is trusted before targets is');
      const versions = trustedVersions({ root: root(), timestamp, snapshot }, floors, policy);
      const files = { roots, newestRoot, timestamp, snapshot, targets, delegated: [...delegated.values()] };
      return { ...files, consistentSnapshot: root().consistentSnapshot, versions, overrides };
    },
  };
};

const listedBy = (
  timestamp: Metadata<'timestamp'> | undefined,
  snapshot: Metadata<'snapshot'> | undefined,
  role: string,
): FileMeta => {
  assert(timestamp !== undefined, 'the timestamp comes first');
  if (role === 'snapshot') return timestamp.signed.snapshot;
  assert(snapshot !== undefined, 'the snapshot comes before what it lists');
  return snapshot.signed.meta.get(role) ?? unlisted(role);
};

/** WB3 */
const underDeadline = (set: TrustedSet): TrustedSet => {
  const { timed } = set.budget;
  return {
    ...set,
    updateRoot: bytes => timed('root', () => set.updateRoot(bytes)),
    closeRoots: before => timed('root', () => set.closeRoots(before)),
    updateTimestamp: bytes => timed('timestamp', () => set.updateTimestamp(bytes)),
    updateSnapshot: bytes => timed('snapshot', () => set.updateSnapshot(bytes)),
    updateTargets: bytes => timed('targets', () => set.updateTargets(bytes)),
    delegated: reached => timed(reached.role.name, () => set.delegated(reached)),
    updateDelegated: (reached, bytes) => timed(reached.role.name, () => set.updateDelegated(reached, bytes)),
  };
};

/** @throws DepotError `METADATA_INVALID` or `UNTRUSTED_SIGNATURES` */
export const parseSelfSignedRoot = (
  bytes: Uint8Array,
  signatures: SignaturePolicy,
  spend?: Spend,
): Metadata<'root'> => {
  const root = parseMetadata('root', bytes, 'root', spend);
  requireThreshold(signersOf(root.signed, 'root', signatures), root, spend);
  return root;
};

/** Whether a root that was added by itself continues another one: it is newer, and the keys of that one vouch for it (5.3.4). */
export const isSuccessor = (
  root: Metadata<'root'>,
  of: Metadata<'root'>,
  signatures: SignaturePolicy,
): boolean => {
  const { threshold } = of.signed.roles.root;
  return (
    root.signed.version > of.signed.version &&
    validKeyIds(signersOf(of.signed, 'root', signatures), root).length >= threshold
  );
};

/** TT2. */
const parseNextRoot = (
  current: Root,
  bytes: Uint8Array,
  spend: Spend,
  signatures: SignaturePolicy,
): Metadata<'root'> => {
  const next = parseMetadata('root', bytes, 'root', spend);
  requireThreshold(signersOf(current, 'root', signatures), next, spend);
  requireThreshold(signersOf(next.signed, 'root', signatures), next, spend);
  requireVersion(next, current.version + 1, 'the root before it');
  return next;
};

const requireCurrentRoot = (root: Metadata<'root'>, policy: TrustPolicy): readonly Override[] => [
  ...requireNoRollback('root', root.signed.version, policy.trustedVersions?.root ?? 0, policy),
  ...requireUnexpired(root, policy),
];

export const signersOf = (root: Root, role: TopLevelRole, signatures: SignaturePolicy): Signers => ({
  ...root.roles[role],
  keys: root.keys,
  signatures,
  saidBy: `root version ${root.version}`,
});

export const delegatedSigners = ({ role, delegator }: ReachedRole, signatures: SignaturePolicy): Signers => {
  const { delegations, version } = delegator.signed;
  assert(delegations !== undefined, 'a delegator has delegations');
  const saidBy = `the ${delegator.name} metadata version ${version}`;
  return { ...role, keys: delegations.keys, saidBy, signatures };
};

const stillTrustedFiles = (
  root: Root,
  { timestamp, snapshot }: NonNullable<Parameters<TrustedSet['closeRoots']>[0]>,
  budget: WorkBudget,
  signatures: SignaturePolicy,
): TrustedFiles => ({
  timestamp: stillTrusted('timestamp', timestamp, { root, signatures }, budget.of('timestamp')),
  snapshot: stillTrusted('snapshot', snapshot, { root, signatures }, budget.of('snapshot')),
});

/** A file that does not parse, or was signed by keys that are no longer trusted, counts as absent. */
const stillTrusted = <R extends 'timestamp' | 'snapshot'>(
  role: R,
  bytes: Uint8Array | undefined,
  { root, signatures }: { readonly root: Root; readonly signatures: SignaturePolicy },
  spend: Spend,
): Metadata<R> | undefined => {
  if (bytes === undefined) return undefined;
  try {
    const metadata = parseMetadata(role, bytes, role, spend);
    requireThreshold(signersOf(root, role, signatures), metadata, spend);
    return metadata;
  } catch (error) {
    if (error instanceof DepotError) return undefined;
    throw error;
  }
};

/** The highest versions so far: of this verification, and the stored ones. */
const trustedVersions = (
  { root, timestamp, snapshot }: Pick<TrustedMetadata, 'timestamp' | 'snapshot'> & { readonly root: Root },
  floors: Floors,
  policy: TrustPolicy,
): TrustedVersions => {
  const roles = Array.from(
    snapshot.signed.meta,
    ([name, { version }]) => [name, Math.max(version, floors.roles.get(name) ?? 0)] as const,
  );
  const delegated = new Map(roles.filter(([name]) => name !== 'targets'));
  return {
    root: Math.max(root.version, policy.trustedVersions?.root ?? 0),
    timestamp: Math.max(timestamp.signed.version, floors.timestamp),
    snapshot: Math.max(snapshot.signed.version, floors.snapshot),
    targets: roles.find(([name]) => name === 'targets')?.[1] ?? 0,
    ...(delegated.size > 0 && { delegated }),
  };
};

const unlisted = (role: string): never => {
  throw new DepotError(
    'METADATA_MISMATCH',
    `the role ${role} is delegated to, but the snapshot metadata does not list it; sign the snapshot anew`,
    { detail: { role } },
  );
};
