/**
 * The chain of the audit log: each entry has a hash over the one before it.
 *
 *     hash of entry N = SHA-256( hash of entry N-1, N, content of entry N )
 *
 * AC1. A changed, removed, added or moved entry breaks the chain at that entry, or at the next one.
 * AC2. Two things leave a chain whole: entries removed at its end, and a chain computed anew from some entry on. Both show
 *      against a head that was noted before: its hash no longer occurs.
 */

/** The place and the hash of an entry. */
export type AuditHead = { readonly seq: number; readonly hash: string };
/** `content`: the text that the hash covers, as `auditContent` of facts/audit.ts makes it. */
export type AuditRow = AuditHead & { readonly content: string };

/** SHA-256 of a text, in lower-case hex. */
type Sha256 = (text: string) => string;

/** Before the first entry, which has the number 1. */
export const EMPTY_LOG: AuditHead = { seq: 0, hash: '0'.repeat(64) };

export const nextAuditRow = (head: AuditHead, content: string, sha256: Sha256): AuditRow => {
  const seq = head.seq + 1;
  return { seq, content, hash: sha256(`${head.hash}\n${seq}\n${content}`) };
};

/** Where a chain is broken. */
export type ChainFault = {
  /** The number of the first entry that is wrong, or missing. */
  readonly seq: number;
  readonly because: 'missing' | 'altered';
};

/** @returns the head after these rows, or the first fault */
export const followChain = (
  head: AuditHead,
  rows: readonly AuditRow[],
  sha256: Sha256,
): { readonly head: AuditHead } | { readonly fault: ChainFault } => {
  let last = head;
  for (const row of rows) {
    const { seq, hash } = nextAuditRow(last, row.content, sha256);
    if (row.seq !== seq) return { fault: { seq, because: 'missing' } };
    if (row.hash !== hash) return { fault: { seq, because: 'altered' } };
    last = { seq, hash };
  }
  return { head: last };
};
