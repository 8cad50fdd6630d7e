/**
 * Checks an audit log whole: the chain of its entries, its newest entry, a head that was noted before, and the heads that
 * sleds keep.
 *
 *     heads of the sleds ─▶ head of the database ─▶ entries, page by page ─▶ followChain ─▶ the same head?
 *                                                                          ─▶ the noted one, and those of sleds, among them?
 *
 * AUC1. The sleds are asked before the log is read, so that a head that they are told meanwhile is in what is read.
 * AUC2. A head that the database lost is explained by the entry of a recovery that names it. What explains it is shown: such
 *       an entry may be written by somebody who has taken the database over.
 */
import { createHash } from 'node:crypto';
import { type AuditHead, type AuditRow, EMPTY_LOG, followChain } from '../../core/audit-chain.ts';
import { type Contradiction, contradictions, type KeptHead } from '../../core/audit-heads.ts';
import { parseAuditContent } from '../../core/facts/audit.ts';

/** `seq` of the entry of a recovery, if one explains it. */
export type HeadFinding<S> = Contradiction<S> & { readonly explainedBy: number | undefined };

export type AuditVerdict<S = never> =
  /** `findings`: heads that sleds keep and this log does not have, each explained. */
  | { readonly state: 'whole'; readonly head: AuditHead; readonly findings: readonly HeadFinding<S>[] }
  /** The chain is whole, but is not the one that sleds know: not every finding is explained. */
  | { readonly state: 'contradicted'; readonly head: AuditHead; readonly findings: readonly HeadFinding<S>[] }
  /** `seq`: of the first wrong entry. */
  | { readonly state: 'missing' | 'altered'; readonly seq: number }
  /** The entries end before the newest one of the database. */
  | { readonly state: 'cut'; readonly head: AuditHead; readonly expected: AuditHead }
  /** No entry has the hash that was noted: entries were removed at the end, or all of them were written anew. */
  | {
      readonly state: 'forked';
      readonly head: AuditHead;
      readonly noted: string;
      readonly findings: readonly HeadFinding<S>[];
    };

type Known<S> = {
  /** The newest entry by the database, read before the entries. */
  readonly expected: AuditHead;
  /** The hash of an entry as a person wrote it down. */
  readonly noted?: string | undefined;
  /** What sleds keep, asked before (AUC1). */
  readonly kept?: readonly { readonly sled: S; readonly heads: readonly KeptHead[] }[];
};

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export const checkAuditLog = async <S = never>(
  pages: AsyncIterable<readonly AuditRow[]>,
  { expected, noted, kept = [] }: Known<S>,
): Promise<AuditVerdict<S>> => {
  let head = EMPTY_LOG;
  let hasNoted = noted === undefined || noted === EMPTY_LOG.hash;
  let hasExpected = expected.seq === 0;
  const asked = new Set(kept.flatMap(({ heads }) => heads.map(({ seq }) => seq)));
  const hashes = new Map<number, string>();
  const explained = new Map<string, number>();
  for await (const rows of pages) {
    const followed = followChain(head, rows, sha256);
    if ('fault' in followed) return { state: followed.fault.because, seq: followed.fault.seq };
    head = followed.head;
    hasNoted ||= rows.some(({ hash }) => hash === noted);
    hasExpected ||= rows.some(({ seq, hash }) => seq === expected.seq && hash === expected.hash);
    for (const row of rows) {
      if (asked.has(row.seq)) hashes.set(row.seq, row.hash);
      for (const hash of lostBy(row)) explained.set(hash, row.seq);
    }
  }
  if (!hasExpected) return { state: 'cut', head, expected };
  const findings = contradictions(kept, seq => hashes.get(seq)).map(found => ({
    ...found,
    explainedBy: explained.get(found.hash),
  }));
  if (!hasNoted && noted !== undefined) return { state: 'forked', head, noted, findings };
  const isExplained = findings.every(({ explainedBy }) => explainedBy !== undefined);
  return { state: isExplained ? 'whole' : 'contradicted', head, findings };
};

/** AUC2 */
const lostBy = ({ content }: AuditRow): readonly string[] => {
  const action = parseAuditContent(content)?.action;
  return action?.kind === 'generation_recovered' ? (action.headsLost ?? []).map(({ hash }) => hash) : [];
};
