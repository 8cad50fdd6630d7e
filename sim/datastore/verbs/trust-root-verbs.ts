import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import { type RepoId, TrustRootId } from '../../../src/core/ids.ts';
import type { RoleExpiry } from '../../../src/core/release.ts';
import { sha256Hex } from '../../../src/nexus/datastore/decisions/audit-row.ts';
import {
  decideDelete,
  movedVersions,
  requirePresent,
  requireSameRoot,
  trustRootAdvanced,
} from '../../../src/nexus/datastore/decisions/trust-move.ts';
import { pageOf, parseToken, rowsFor } from '../../../src/nexus/datastore/paging.ts';
import type {
  TrustMove,
  TrustRootPort,
  TrustRootRecord,
} from '../../../src/nexus/datastore/ports/trust-root-port.ts';
import type { Page, Paged } from '../../../src/nexus/datastore/ports/verb.ts';
import {
  type MemoryState,
  type Query,
  type Step,
  type StoredTrustRoot,
  sortedByKey,
  withEntry,
} from '../state.ts';
import { withAudit } from './audit-verbs.ts';
import { recordRoles } from './release-roles.ts';

export const trustRootInsert =
  (
    { id, rootBytes }: Pick<TrustRootRecord, 'id' | 'rootBytes'>,
    audit: Parameters<TrustRootPort['trustRootInsert']>[1]['audit'],
  ): Step<TrustRootRecord> =>
  (state, moment) => {
    const known = state.trustRoots.get(id);
    if (known !== undefined) {
      if (Buffer.compare(known.first.rootBytes, rootBytes) !== 0)
        throw new Error(`trust root ${id} was inserted with other bytes`);
      return { state, answer: toRecord(known) };
    }
    const first = {
      id,
      timeCreatedMs: moment.nowMs,
      rootBytes: Buffer.from(rootBytes),
      trustedVersions: null,
    };
    const root: StoredTrustRoot = { first, timeDeletedMs: null, chain: new Map() };
    const after = withRoot(state, root);
    if (audit === undefined) return { state: after, answer: first };
    const { origin, rootVersion } = audit;
    const rootSha256 = sha256Hex(rootBytes);
    const added = { kind: 'trust_root_added', trustRootId: id, rootVersion, rootSha256 } as const;
    return { state: withAudit(after, origin, added, moment), answer: first };
  };

export const trustRootGet =
  (id: TrustRootId): Query<TrustRootRecord | undefined> =>
  state => {
    const root = presentRoot(state, id);
    return root && toRecord(root);
  };

export const trustRootList = (page: Page): Query<Paged<TrustRootRecord>> => {
  const after = parseToken(page, TrustRootId);
  return state => {
    const rows = sortedByKey(state.trustRoots).filter(
      ({ first, timeDeletedMs }) => timeDeletedMs === null && (after === undefined || first.id > after),
    );
    return pageOf(rows.slice(0, rowsFor(page)), page, toRecord, ({ first }) => first.id);
  };
};

export const trustRootChain =
  (id: TrustRootId): Query<readonly Uint8Array[] | undefined> =>
  state => {
    const root = presentRoot(state, id);
    return root && [root.first.rootBytes, ...chainInOrder(root)];
  };

export const trustRootAdvance =
  (
    id: TrustRootId,
    move: TrustMove,
    resigned: { readonly repoId: RepoId; readonly roles: readonly RoleExpiry[] } | undefined,
    audit: AuditOrigin | undefined,
  ): Step<TrustRootRecord> =>
  (state, moment) => {
    requirePresent(id, presentRoot(state, id) !== undefined);
    const before = toRecord(state.trustRoots.get(id)!);
    const moved = moveTrustRoot(state, id, move);
    const after = resigned === undefined ? moved : recordRoles(moved, resigned.repoId, resigned.roles);
    const answer = toRecord(after.trustRoots.get(id)!);
    const advanced = trustRootAdvanced(move, before, answer);
    return {
      state: advanced === undefined ? after : withAudit(after, audit, advanced, moment),
      answer,
    };
  };

export const trustRootDelete =
  (id: TrustRootId, audit: AuditOrigin | undefined): Step<boolean> =>
  (state, moment) => {
    const root = state.trustRoots.get(id);
    const decision = decideDelete(root && { deleted: root.timeDeletedMs !== null }, moment);
    if (decision !== 'delete' || root === undefined) return { state, answer: decision === 'deleted' };
    const rootSha256 = sha256Hex(toRecord(root).rootBytes);
    const deleted = { kind: 'trust_root_deleted', trustRootId: id, rootSha256 } as const;
    const after = withRoot(state, { ...root, timeDeletedMs: moment.nowMs });
    return { state: withAudit(after, audit, deleted, moment), answer: true };
  };

export const presentRoot = (state: MemoryState, id: TrustRootId): StoredTrustRoot | undefined => {
  const root = state.trustRoots.get(id);
  return root?.timeDeletedMs === null ? root : undefined;
};

/** @throws `ROOT_CHAIN_BROKEN` */
export const moveTrustRoot = (state: MemoryState, id: TrustRootId, move: TrustMove): MemoryState => {
  const root = state.trustRoots.get(id)!;
  const chain = new Map(root.chain);
  for (const added of move.roots) {
    const recorded = chain.get(added.version);
    if (recorded === undefined) chain.set(added.version, Buffer.from(added.rootBytes));
    else requireSameRoot(id, added, recorded);
  }
  const { trustedVersions: verified, forgetsVersions: forgets } = move;
  const recorded = root.first.trustedVersions;
  const trustedVersions = verified === null ? recorded : movedVersions(recorded, verified, { forgets });
  return withRoot(state, { ...root, chain, first: { ...root.first, trustedVersions } });
};

const withRoot = (state: MemoryState, root: StoredTrustRoot): MemoryState => ({
  ...state,
  trustRoots: withEntry(state.trustRoots, root.first.id, root),
});

const chainInOrder = ({ chain }: StoredTrustRoot): Uint8Array[] =>
  [...chain].sort(([a], [b]) => a - b).map(([, rootBytes]) => rootBytes);

const toRecord = (root: StoredTrustRoot): TrustRootRecord => ({
  ...root.first,
  rootBytes: chainInOrder(root).at(-1) ?? root.first.rootBytes,
});
