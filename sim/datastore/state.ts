/**
 * The whole database as one immutable value. Every write makes another one that shares the unchanged parts, so that a
 * snapshot is a reference, and a restore puts the reference back.
 *
 * MS1. No value that is reachable from a state ever changes.
 * MS2. `releases` is another map exactly when a release was recorded, deleted or recorded again, or its bundle was: wanted.ts caches by the
 *      identity of the map.
 */

import type { AuditRow } from '../../src/core/audit-chain.ts';
import type {
  ArtifactHash,
  AuditEntryId,
  EventId,
  InvitationId,
  NexusId,
  OperatorTokenId,
  RepoId,
  RoundNonce,
  SledId,
  TrustRootId,
  UploadId,
} from '../../src/core/ids.ts';
import { FIRST_GENERATION, type Point, pointText } from '../../src/core/ids.ts';
import { type RecordedPoints, samePoint } from '../../src/core/lineage.ts';
import type { PrefixDigests } from '../../src/core/prefix-digests.ts';
import type { ReleaseDescription, RoleExpiry } from '../../src/core/release.ts';
import type { Revocation } from '../../src/core/revocation.ts';
import { wantedSetDigest } from '../../src/nexus/datastore/decisions/generation.ts';
import type { FileFacts } from '../../src/nexus/datastore/decisions/release-conflicts.ts';
import type { FleetEvent } from '../../src/nexus/datastore/ports/history-port.ts';
import type { InvitationRecord, SledKeyRecord } from '../../src/nexus/datastore/ports/invitation-port.ts';
import type { LocalRepoRecord } from '../../src/nexus/datastore/ports/local-repo-port.ts';
import type { NexusInvitationRecord } from '../../src/nexus/datastore/ports/nexus-invitation-port.ts';
import type { NexusRecord } from '../../src/nexus/datastore/ports/nexus-port.ts';
import type { OperatorTokenRecord } from '../../src/nexus/datastore/ports/operator-token-port.ts';
import type {
  FollowedRelease,
  RecordedBundle,
  RepoRecord,
} from '../../src/nexus/datastore/ports/release-port.ts';
import type { SledRecord } from '../../src/nexus/datastore/ports/sled-port.ts';
import type { StatementRecord } from '../../src/nexus/datastore/ports/statement-port.ts';
import type { TrustRootRecord } from '../../src/nexus/datastore/ports/trust-root-port.ts';

type StoredBundle = RecordedBundle & { readonly bytes: Uint8Array };

/** A release, present or pruned, with everything that it lists. */
export type StoredRelease = {
  readonly repo: RepoRecord;
  /** Sorts as semantic versions do. */
  readonly order: string;
  readonly description: ReleaseDescription;
  readonly hashes: ReadonlySet<ArtifactHash>;
  readonly trustRootId: TrustRootId;
  /** While it is present. */
  readonly bundle: StoredBundle | undefined;
};

export type StoredTrustRoot = {
  /** As it was added; the last of `chain` is the one that is trusted now. */
  readonly first: TrustRootRecord;
  readonly timeDeletedMs: number | null;
  /** The roots that followed, by version. */
  readonly chain: ReadonlyMap<number, Uint8Array>;
};

export type StoredNexus = Omit<NexusRecord, 'heartbeatAgeMs' | 'localRepos'> & {
  readonly roundNonce: RoundNonce | null;
};

/** A point that the wanted set had, or that a recovery decided on. */
export type StoredPoint = Point & {
  readonly origin: 'first' | 'change' | 'raise' | 'accepted';
  readonly timeCreatedMs: number;
  /** For which sled a Nexus raised the generation by itself. */
  readonly sledId?: SledId | undefined;
};

export type StoredTarget = {
  readonly generation: number;
  readonly timeRequestedMs: number;
  readonly repoId: RepoId | null;
};

/** The overrides with which one upload was accepted. */
type StoredOverrides = {
  readonly nexusId: NexusId;
  readonly repoId: RepoId;
  readonly timeCreatedMs: number;
  readonly sentences: readonly string[];
};

export type MemoryState = {
  readonly trustRoots: ReadonlyMap<TrustRootId, StoredTrustRoot>;
  readonly releases: ReadonlyMap<RepoId, StoredRelease>;
  /** By source. */
  readonly followed: ReadonlyMap<
    string,
    Omit<FollowedRelease, 'systemVersion'> & { readonly untilMs: number }
  >;
  /** The metadata that each release has now, by role. */
  readonly roles: ReadonlyMap<RepoId, ReadonlyMap<RoleExpiry['role'], RoleExpiry>>;
  /** Of all releases that the database ever had. */
  readonly files: ReadonlyMap<ArtifactHash, FileFacts>;
  /** Of wanted artifacts. */
  readonly prefixes: ReadonlyMap<ArtifactHash, PrefixDigests>;
  readonly stored: Point;
  /** Every point that the database ever had, by its text (P13). */
  readonly points: ReadonlyMap<string, StoredPoint>;
  /** The latest last. */
  readonly targets: readonly [StoredTarget, ...StoredTarget[]];
  readonly sleds: ReadonlyMap<SledId, SledRecord>;
  /** The addresses at which sleds are approved to speak plain HTTP. */
  readonly plainSleds: ReadonlyMap<SledId, string>;
  /** The SHA-256 of the key with which each sled registered. */
  readonly registeredKeys: ReadonlyMap<SledId, string>;
  readonly nexuses: ReadonlyMap<NexusId, StoredNexus>;
  readonly localRepos: ReadonlyMap<UploadId, LocalRepoRecord>;
  readonly overrides: ReadonlyMap<UploadId, StoredOverrides>;
  readonly events: ReadonlyMap<EventId, FleetEvent>;
  readonly operatorTokens: ReadonlyMap<OperatorTokenId, OperatorTokenRecord>;
  readonly invitations: ReadonlyMap<InvitationId, InvitationRecord>;
  /** By the SHA-256 of each key. */
  /** When, by the SHA-256 of the key. */
  readonly deniedKeys: ReadonlyMap<string, number>;
  readonly nexusInvitations: ReadonlyMap<InvitationId, NexusInvitationRecord>;
  readonly sledKeys: ReadonlyMap<string, SledKeyRecord>;
  /** Of each identity, by its key. */
  readonly revocations: ReadonlyMap<string, Revocation>;
  /** By the SHA-256 of each. */
  readonly statements: ReadonlyMap<string, StatementRecord>;
  /** The oldest first. */
  readonly audit: readonly (AuditRow & { readonly id: AuditEntryId })[];
};

/** The state of a new database. */
export const emptyState = (nowMs: number): MemoryState => {
  const stored = { generation: FIRST_GENERATION, digest: wantedSetDigest([]) };
  return {
    trustRoots: new Map(),
    releases: new Map(),
    followed: new Map(),
    roles: new Map(),
    files: new Map(),
    prefixes: new Map(),
    stored,
    points: new Map([[pointText(stored), { ...stored, origin: 'first', timeCreatedMs: nowMs }]]),
    targets: [{ generation: 1, timeRequestedMs: nowMs, repoId: null }],
    sleds: new Map(),
    plainSleds: new Map(),
    registeredKeys: new Map(),
    nexuses: new Map(),
    localRepos: new Map(),
    overrides: new Map(),
    events: new Map(),
    operatorTokens: new Map(),
    invitations: new Map(),
    deniedKeys: new Map(),
    nexusInvitations: new Map(),
    sledKeys: new Map(),
    revocations: new Map(),
    statements: new Map(),
    audit: [],
  };
};

/** The state at a next point, which is recorded for good (P13). The same point is not recorded again. */
export const movedTo = (
  state: MemoryState,
  stored: Point,
  how: Pick<StoredPoint, 'origin' | 'timeCreatedMs' | 'sledId'>,
): MemoryState =>
  samePoint(state.stored, stored) ? state : { ...withPoint(state, { ...stored, ...how }), stored };

/** A point that is recorded already stays as it is. */
export const withPoint = (state: MemoryState, point: StoredPoint): MemoryState =>
  state.points.has(pointText(point))
    ? state
    : { ...state, points: withEntry(state.points, pointText(point), point) };

/** The recorded points that matter for some claims. */
export const recordedPoints = ({ points }: MemoryState, claims: readonly Point[]): RecordedPoints => ({
  first: [...points.values()].find(({ origin }) => origin === 'first')!.generation,
  recorded: new Set(claims.map(pointText).filter(text => points.has(text))),
});

/** The whole transaction of one verb, as a pure function. */
export type Step<T> = (state: MemoryState, moment: Moment) => Written<T>;
type Written<T> = { readonly state: MemoryState; readonly answer: T };
export type Query<T> = (state: MemoryState, moment: Moment) => T;

export type Moment = {
  /** By the database's clock. */
  readonly nowMs: number;
  /** An earlier attempt of the same step may have been committed. */
  readonly repeated: boolean;
};

export const withEntry = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> =>
  new Map(map).set(key, value);

export const withoutKey = <K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> => {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
};

/** The entries in the order of their keys, as tables are listed. */
export const sortedByKey = <K extends string, V>(map: ReadonlyMap<K, V>): V[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
