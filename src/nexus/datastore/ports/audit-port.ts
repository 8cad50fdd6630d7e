/**
 * The audit log: changes by persons, in a chain of hashes (core/audit-chain.ts). Verbs that change something append the entry
 * in their own transaction, when they are given an {@link Audited} origin.
 */
import type { AuditHead, AuditRow } from '../../../core/audit-chain.ts';
import type { AuditAction, AuditOrigin } from '../../../core/facts/audit.ts';
import type { Page, Paged, Wait } from './verb.ts';

/** The options of a verb that changes something; without an origin it is no change by a person. */
export type Audited = Wait & { readonly audit?: AuditOrigin | undefined };

/** The same, where the entry says more than the verb needs. */
export type AuditedWith<F extends object> = Wait & {
  readonly audit?: (F & { readonly origin: AuditOrigin }) | undefined;
};

export type AuditPort = {
  /** Appends an entry alone, before a change that is not in the database. An entry whose id exists is not added again. */
  readonly auditAppend: (origin: AuditOrigin, action: AuditAction, wait: Wait) => Promise<void>;
  readonly auditHead: (wait: Wait) => Promise<AuditHead>;
  readonly auditList: (
    page: Page & { readonly sortBy: 'seq_ascending' | 'seq_descending' },
    wait: Wait,
  ) => Promise<Paged<AuditRow>>;
};
