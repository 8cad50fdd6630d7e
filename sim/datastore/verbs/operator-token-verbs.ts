import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import type { OperatorTokenId } from '../../../src/core/ids.ts';
import {
  isForgotten,
  LAST_USE_PRECISION_MS,
  requireRoomForToken,
  tokenState,
} from '../../../src/nexus/datastore/decisions/operator-token.ts';
import type {
  NewOperatorToken,
  OperatorTokenRecord,
  OperatorTokens,
} from '../../../src/nexus/datastore/ports/operator-token-port.ts';
import { type MemoryState, type Query, type Step, withEntry } from '../state.ts';
import { withAudit } from './audit-verbs.ts';

export const operatorTokenList: Query<OperatorTokens> = ({ operatorTokens }, { nowMs }) => ({
  databaseMs: nowMs,
  tokens: [...operatorTokens.values()]
    .filter(token => !isForgotten(token, nowMs))
    .sort((a, b) => b.timeCreatedMs - a.timeCreatedMs || (a.id < b.id ? -1 : 1)),
});

export const operatorTokenCreate =
  (
    { id, role, description, sha256, lifeMs }: NewOperatorToken,
    audit: AuditOrigin | undefined,
  ): Step<OperatorTokenRecord> =>
  (before, moment) => {
    const { nowMs } = moment;
    const known = before.operatorTokens.get(id);
    if (known !== undefined) return { state: before, answer: known };
    const kept = new Map([...before.operatorTokens].filter(([, token]) => !isForgotten(token, nowMs)));
    requireRoomForToken([...kept.values()].filter(token => tokenState(token, nowMs) === 'valid').length);
    const token: OperatorTokenRecord = {
      ...{ id, role, description, sha256 },
      timeCreatedMs: nowMs,
      timeExpiresMs: nowMs + lifeMs,
      timeRevokedMs: null,
      timeLastUsedMs: null,
    };
    const state = { ...before, operatorTokens: withEntry(kept, id, token) };
    const expiresMs = token.timeExpiresMs;
    return {
      state: withAudit(
        state,
        audit,
        { kind: 'token_created', tokenId: id, role, description, expiresMs },
        moment,
      ),
      answer: token,
    };
  };

export const operatorTokenRevoke =
  (id: OperatorTokenId, audit: AuditOrigin | undefined): Step<boolean> =>
  (before, moment) => {
    const token = before.operatorTokens.get(id);
    if (token === undefined) return { state: before, answer: false };
    if (token.timeRevokedMs !== null) return { state: before, answer: moment.repeated };
    const { role, description } = token;
    const state = withToken(before, { ...token, timeRevokedMs: moment.nowMs });
    return {
      state: withAudit(state, audit, { kind: 'token_revoked', tokenId: id, role, description }, moment),
      answer: true,
    };
  };

export const operatorTokensUsed =
  (ids: readonly OperatorTokenId[]): Step<void> =>
  (before, { nowMs }) => {
    const used = ids
      .flatMap(id => before.operatorTokens.get(id) ?? [])
      .filter(({ timeLastUsedMs }) => (timeLastUsedMs ?? -Infinity) <= nowMs - LAST_USE_PRECISION_MS);
    const state = used.reduce((seen, token) => withToken(seen, { ...token, timeLastUsedMs: nowMs }), before);
    return { state, answer: undefined };
  };

const withToken = (state: MemoryState, token: OperatorTokenRecord): MemoryState => ({
  ...state,
  operatorTokens: withEntry(state.operatorTokens, token.id, token),
});
