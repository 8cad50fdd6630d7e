/** Heads of the audit log, as a Nexus sends them to a sled, and as a sled returns them. */
import type { AuditHeadsBody, KeptAuditHeads } from '../api/sled-agent-api.ts';
import type { AuditHead } from '../core/audit-chain.ts';
import type { KeptHead } from '../core/audit-heads.ts';
import { isoTime } from '../lib/clock.ts';

export const auditHeadsBody = (heads: readonly AuditHead[]): AuditHeadsBody => ({
  heads: heads.map(({ seq, hash }) => ({ seq, hash })),
});

export const keptHeadsBody = (heads: readonly KeptHead[]): KeptAuditHeads => ({
  heads: heads.map(({ seq, hash, timeMs }) => ({ seq, hash, time: isoTime(timeMs) })),
});

export const keptHeadsOf = ({ heads }: KeptAuditHeads): readonly KeptHead[] =>
  heads.map(({ time, ...head }) => ({ ...head, timeMs: Date.parse(time) }));
