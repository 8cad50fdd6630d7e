import type { AuditHead, AuditRow } from '../../../src/core/audit-chain.ts';
import { EMPTY_LOG } from '../../../src/core/audit-chain.ts';
import type { AuditAction, AuditOrigin } from '../../../src/core/facts/audit.ts';
import { auditRow } from '../../../src/nexus/datastore/decisions/audit-row.ts';
import { PositionToken, pageOf, parseToken, rowsFor } from '../../../src/nexus/datastore/paging.ts';
import type { AuditPort } from '../../../src/nexus/datastore/ports/audit-port.ts';
import type { Paged } from '../../../src/nexus/datastore/ports/verb.ts';
import type { MemoryState, Moment, Query, Step } from '../state.ts';

/** The state with an entry of the audit log; the same one without an origin, or where an earlier attempt added it. */
export const withAudit = (
  state: MemoryState,
  origin: AuditOrigin | undefined,
  action: AuditAction,
  { nowMs, repeated }: Moment,
): MemoryState => {
  if (origin === undefined) return state;
  const { entryId: id } = origin;
  if (repeated && state.audit.some(row => row.id === id)) return state;
  return { ...state, audit: [...state.audit, { ...auditRow(headOf(state), origin, action, nowMs), id }] };
};

const headOf = ({ audit }: MemoryState): AuditHead => audit.at(-1) ?? EMPTY_LOG;

export const auditAppend =
  (origin: AuditOrigin, action: AuditAction): Step<void> =>
  (state, moment) => ({
    state: withAudit(state, origin, action, { ...moment, repeated: true }),
    answer: undefined,
  });

export const auditHead: Query<AuditHead> = state => {
  const { seq, hash } = headOf(state);
  return { seq, hash };
};

export const auditList = (page: Parameters<AuditPort['auditList']>[0]): Query<Paged<AuditRow>> => {
  const after = parseToken(page, PositionToken);
  const isAscending = page.sortBy === 'seq_ascending';
  return ({ audit }) => {
    const rows = (isAscending ? audit : audit.toReversed()).filter(
      ({ seq }) => after === undefined || (isAscending ? seq > after : seq < after),
    );
    return pageOf(
      rows.slice(0, rowsFor(page)),
      page,
      ({ seq, hash, content }) => ({ seq, hash, content }),
      ({ seq }) => String(seq),
    );
  };
};
