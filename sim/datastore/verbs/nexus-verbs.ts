import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import type { NexusId, RoundNonce } from '../../../src/core/ids.ts';
import { decideExpunge, heartbeatAgeMs } from '../../../src/nexus/datastore/decisions/nexus-life.ts';
import type { ExpungeRule, NexusPort, NexusRecord } from '../../../src/nexus/datastore/ports/nexus-port.ts';
import { type Query, type Step, type StoredNexus, sortedByKey, withEntry } from '../state.ts';
import { withAudit } from './audit-verbs.ts';
import { hasJoined } from './nexus-invitation-verbs.ts';
import { withRevocation } from './revocation-verbs.ts';

export const nexusHeartbeat =
  (nexus: Parameters<NexusPort['nexusHeartbeat']>[0]): Step<Pick<NexusRecord, 'policy'>> =>
  (state, { nowMs }) => {
    const { id, operatorAddress, timeStartedMs } = nexus;
    const known = state.nexuses.get(id);
    const policy = known?.policy ?? 'in_service';
    const roundNonce = known?.roundNonce ?? null;
    const timeExpungedMs = known?.timeExpungedMs;
    const row: StoredNexus = {
      id,
      policy,
      timeExpungedMs,
      operatorAddress,
      timeStartedMs,
      timeHeartbeatMs: nowMs,
      roundNonce,
    };
    return { state: { ...state, nexuses: withEntry(state.nexuses, id, row) }, answer: { policy } };
  };

export const nexusBeginRound =
  (id: NexusId, roundNonce: RoundNonce): Step<boolean> =>
  state => {
    const nexus = state.nexuses.get(id);
    if (nexus === undefined) return { state, answer: false };
    return {
      state: { ...state, nexuses: withEntry(state.nexuses, id, { ...nexus, roundNonce }) },
      answer: true,
    };
  };

export const nexusList: Query<readonly NexusRecord[]> = ({ nexuses, localRepos }, { nowMs }) => {
  const held = new Map<NexusId, number>();
  for (const { nexusId } of localRepos.values()) held.set(nexusId, (held.get(nexusId) ?? 0) + 1);
  return sortedByKey(nexuses).map(({ roundNonce: _, ...nexus }) => ({
    ...nexus,
    heartbeatAgeMs: heartbeatAgeMs(nowMs, nexus.timeHeartbeatMs),
    localRepos: held.get(nexus.id) ?? 0,
  }));
};

export const nexusExpunge =
  (id: NexusId, rule: ExpungeRule, audit: AuditOrigin | undefined): Step<void> =>
  (state, moment) => {
    const nexus = state.nexuses.get(id);
    const seen = nexus && {
      policy: nexus.policy,
      heartbeatAgeMs: heartbeatAgeMs(moment.nowMs, nexus.timeHeartbeatMs),
    };
    const isJoined = nexus === undefined && hasJoined(state, id);
    if (decideExpunge(id, seen, { rule, hasJoined: isJoined }) === 'expunged')
      return { state, answer: undefined };
    const { nowMs } = moment;
    const times = { timeStartedMs: nowMs, timeHeartbeatMs: nowMs };
    const unseen = { id, operatorAddress: '', roundNonce: null, ...times };
    const expunged: StoredNexus = { ...(nexus ?? unseen), policy: 'expunged', timeExpungedMs: nowMs };
    const nexuses = withEntry(state.nexuses, id, expunged);
    const after = withRevocation({ ...state, nexuses }, { kind: 'nexus', id }, moment);
    const { operatorAddress } = expunged;
    const action = { kind: 'nexus_expunged', expungedNexusId: id, operatorAddress } as const;
    return { state: withAudit(after, audit, action, moment), answer: undefined };
  };
