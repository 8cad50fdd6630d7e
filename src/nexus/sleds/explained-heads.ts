/** Heads of the audit log that the database lost and a recovery names in its entry: they contradict the log for a known reason. */
import type { AuditHead, AuditRow } from '../../core/audit-chain.ts';
import { parseAuditContent } from '../../core/facts/audit.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';

const PAGE_ROWS = 500;

export type ExplainedHeads = {
  /** The hashes that recoveries name, up to this head. Each entry is read once while the log only grows. */
  readonly read: (
    head: Pick<AuditHead, 'seq'>,
    options: { readonly signal: AbortSignal },
  ) => Promise<ReadonlySet<string>>;
};

export const createExplainedHeads = (datastore: Pick<AuditPort, 'auditList'>): ExplainedHeads => {
  let last = 0;
  let hashes = new Set<string>();
  return {
    async read({ seq }, { signal }) {
      if (seq < last) {
        // A database that was restored once more: its entries count.
        last = 0;
        hashes = new Set();
      }
      while (last < seq) {
        const page = { limit: PAGE_ROWS, pageToken: String(last), sortBy: 'seq_ascending' } as const;
        const { items } = await datastore.auditList(page, { signal });
        for (const row of items) for (const hash of lostBy(row)) hashes.add(hash);
        last = items.at(-1)?.seq ?? seq;
      }
      return hashes;
    },
  };
};

const lostBy = ({ content }: AuditRow): readonly string[] => {
  const action = parseAuditContent(content)?.action;
  return action?.kind === 'generation_recovered' ? (action.headsLost ?? []).map(({ hash }) => hash) : [];
};
