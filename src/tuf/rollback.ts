/**
 * The lowest allowed versions, and when they are discarded.
 *
 * RB1. No version of the timestamp, the snapshot and every role in the snapshot falls, and no listed role vanishes (5.4.3,
 *      5.5.5). The trusted versions are stored as numbers, or as the files themselves.
 * RB2. Removing a key of timestamp or snapshot discards them, so that a stolen key which signed an enormous version does
 *      not lock the repository out (5.3.11). The version of root is never discarded.
 */
import type { Metadata, Root } from './metadata.ts';
import type { TopLevelRole } from './role-names.ts';

/** The version of each role that was trusted last. */
export type TrustedVersions = Readonly<Record<TopLevelRole, number>> & {
  /** Of delegated roles, by name; absent where there were none. */
  readonly delegated?: ReadonlyMap<string, number>;
};

/** The files that were trusted last; absent where there were none, or where their keys are no longer trusted. */
export type TrustedFiles = {
  readonly timestamp?: Metadata<'timestamp'> | undefined;
  readonly snapshot?: Metadata<'snapshot'> | undefined;
};

export type Floors = {
  readonly timestamp: number;
  readonly snapshot: number;
  /** Of targets and delegated roles, as a snapshot lists them. */
  readonly roles: ReadonlyMap<string, number>;
};

const NO_FLOORS: Floors = { timestamp: 0, snapshot: 0, roles: new Map() };

/** @param roots from the trusted one to the newest */
export const floorsFromVersions = (
  versions: TrustedVersions | undefined,
  roots: readonly Metadata<'root'>[],
): Floors => {
  if (versions === undefined || wereForgotten(versions.root, roots)) return NO_FLOORS;
  const { timestamp, snapshot, targets, delegated = [] } = versions;
  return { timestamp, snapshot, roles: new Map([['targets', targets], ...delegated]) };
};

export const floorsFromFiles = ({ timestamp, snapshot }: TrustedFiles): Floors => ({
  timestamp: timestamp?.signed.version ?? 0,
  snapshot: Math.max(timestamp?.signed.snapshot.version ?? 0, snapshot?.signed.version ?? 0),
  roles: new Map(Array.from(snapshot?.signed.meta ?? [], ([name, { version }]) => [name, version])),
});

/** The higher of the two everywhere. */
export const mergeFloors = (a: Floors, b: Floors): Floors => {
  const roles = new Map(a.roles);
  for (const [name, version] of b.roles) roles.set(name, Math.max(version, roles.get(name) ?? 0));
  return {
    timestamp: Math.max(a.timestamp, b.timestamp),
    snapshot: Math.max(a.snapshot, b.snapshot),
    roles,
  };
};

/** RB2, of one step in the chain of roots. */
export const dropsOnlineKeys = (before: Root, after: Root): boolean => {
  const identities = (root: Root, role: TopLevelRole): Set<string> =>
    new Set(
      root.roles[role].keyIds.map(keyId => {
        const key = root.keys.get(keyId);
        return key?.isUsable ? key.identity : `unusable ${keyId}`;
      }),
    );
  return (['timestamp', 'snapshot'] as const).some(
    role => !identities(before, role).isSubsetOf(identities(after, role)),
  );
};

/**
 * Steps up to the stored root took effect when it was trusted; counting them again would discard the versions every time.
 */
const wereForgotten = (rememberedRootVersion: number, roots: readonly Metadata<'root'>[]): boolean =>
  roots.some(({ signed }, index) => {
    const before = roots[index - 1]?.signed;
    return before !== undefined && signed.version > rememberedRootVersion && dropsOnlineKeys(before, signed);
  });
