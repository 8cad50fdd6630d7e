/**
 * Checks an audit log whole: the chain of its entries, its newest entry, and a head that was noted before.
 *
 *     head of the database ─▶ entries, page by page ─▶ followChain ─▶ the same head? ─▶ the noted one among them?
 */
import { createHash } from 'node:crypto';
import { type AuditHead, type AuditRow, EMPTY_LOG, followChain } from '../../core/audit-chain.ts';

export type AuditVerdict =
  | { readonly state: 'whole'; readonly head: AuditHead }
  /** `seq`: of the first wrong entry. */
  | { readonly state: 'missing' | 'altered'; readonly seq: number }
  /** The entries end before the newest one of the database. */
  | { readonly state: 'cut'; readonly head: AuditHead; readonly expected: AuditHead }
  /** No entry has the hash that was noted: entries were removed at the end, or all of them were written anew. */
  | { readonly state: 'forked'; readonly head: AuditHead; readonly noted: string };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * @param expected the newest entry by the database, read before the entries
 * @param noted the hash of an entry as a person wrote it down
 */
export const checkAuditLog = async (
  pages: AsyncIterable<readonly AuditRow[]>,
  expected: AuditHead,
  noted: string | undefined,
): Promise<AuditVerdict> => {
  let head = EMPTY_LOG;
  let hasNoted = noted === undefined || noted === EMPTY_LOG.hash;
  let hasExpected = expected.seq === 0;
  for await (const rows of pages) {
    const followed = followChain(head, rows, sha256);
    if ('fault' in followed) return { state: followed.fault.because, seq: followed.fault.seq };
    head = followed.head;
    hasNoted ||= rows.some(({ hash }) => hash === noted);
    hasExpected ||= rows.some(({ seq, hash }) => seq === expected.seq && hash === expected.hash);
  }
  if (!hasExpected) return { state: 'cut', head, expected };
  return hasNoted || noted === undefined ? { state: 'whole', head } : { state: 'forked', head, noted };
};
