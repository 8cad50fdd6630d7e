/**
 * The heads of the audit log that sleds keep, so that a log that was cut or written anew shows without a noted head (T6a).
 *
 *     a Nexus: the newest head, and the hashes that the log has at the numbers that a sled keeps ─▶ keepHeads() ─▶ the sled
 *     every sled's heads, and the log ─▶ contradictions() ─▶ audit verify, a recovery
 *
 * AH1. A head is dropped only for a newer one that was told together with it: both are of one chain. So a log that lacks any
 *      head that was ever told lacks one that is kept.
 * AH2. Two hashes of one number are evidence, and stay.
 * AH3. The list is bounded. Beyond the bound those that were told first stay, and the newest one.
 */
import type { AuditHead } from './audit-chain.ts';

/** `timeMs`: when the sled was told it first, by its own clock. */
export type KeptHead = AuditHead & { readonly timeMs: number };

/** One is enough while the log only grows. Each cut or fork adds one or two. */
export const MAX_KEPT_HEADS = 32;

const keyOf = ({ seq, hash }: AuditHead): string => `${seq}:${hash}`;

/** @param told heads of one chain */
export const keepHeads = (
  kept: readonly KeptHead[],
  told: readonly AuditHead[],
  nowMs: number,
): readonly KeptHead[] => {
  const [newest] = told.toSorted((a, b) => b.seq - a.seq);
  if (newest === undefined) return kept;
  const known = new Set(kept.map(keyOf));
  const added = new Map(told.flatMap(head => (known.has(keyOf(head)) ? [] : [[keyOf(head), head]])));
  const all = [...kept, ...[...added.values()].map(({ seq, hash }) => ({ seq, hash, timeMs: nowMs }))];
  const isEvidence = ({ seq, hash }: AuditHead): boolean =>
    all.some(other => other.seq === seq && other.hash !== hash);
  const named = new Set(told.map(keyOf));
  const isNewest = (head: AuditHead): boolean => keyOf(head) === keyOf(newest);
  return bounded(
    all.filter(head => !named.has(keyOf(head)) || isNewest(head) || isEvidence(head)),
    isNewest,
  );
};

/** What several disks of one sled keep; one that was away may have heads that were dropped since, and are dropped again. */
export const mergeKept = (...lists: readonly (readonly KeptHead[])[]): readonly KeptHead[] => {
  const first = new Map<string, KeptHead>();
  for (const head of lists.flat()) {
    const known = first.get(keyOf(head));
    if (known === undefined || head.timeMs < known.timeMs) first.set(keyOf(head), head);
  }
  const heads = [...first.values()].sort(
    (a, b) => a.timeMs - b.timeMs || a.seq - b.seq || (a.hash < b.hash ? -1 : Number(a.hash > b.hash)),
  );
  const last = heads.at(-1);
  return bounded(heads, head => head === last);
};

/** AH3 */
const bounded = (heads: readonly KeptHead[], isNewest: (head: KeptHead) => boolean): readonly KeptHead[] => {
  if (heads.length <= MAX_KEPT_HEADS) return heads;
  const others = heads.filter(head => !isNewest(head));
  return [...others.slice(0, MAX_KEPT_HEADS - 1), ...heads.filter(isNewest)];
};

/** The numbers whose hashes a Nexus tells together with the newest head; what is evidence stays in any case (AH2). */
export const numbersToConfirm = (kept: readonly KeptHead[]): readonly number[] =>
  [...Map.groupBy(kept, ({ seq }) => seq)].flatMap(([seq, heads]) => (heads.length === 1 ? [seq] : []));

/** A head that a sled keeps and the log does not have: the log ends before it, or has another entry in its place. */
export type Contradiction<S> = AuditHead & {
  readonly kind: 'cut' | 'fork';
  /** Of the log at this number. */
  readonly logHash: string | undefined;
  readonly sleds: readonly { readonly sled: S; readonly timeMs: number }[];
};

/**
 * Sorted by number.
 *
 * @param hashAt of the log, at least at the numbers that the sleds keep; undefined beyond its end
 */
export const contradictions = <S>(
  kept: readonly { readonly sled: S; readonly heads: readonly KeptHead[] }[],
  hashAt: (seq: number) => string | undefined,
): readonly Contradiction<S>[] => {
  const told = kept.flatMap(({ sled, heads }) => heads.map(head => ({ sled, head })));
  const absent = told.filter(({ head }) => hashAt(head.seq) !== head.hash);
  return [...Map.groupBy(absent, ({ head }) => keyOf(head)).values()]
    .flatMap(([first, ...others]) => {
      if (first === undefined) return [];
      const { seq, hash } = first.head;
      const logHash = hashAt(seq);
      const kind = logHash === undefined ? ('cut' as const) : ('fork' as const);
      const sleds = [first, ...others].map(({ sled, head: { timeMs } }) => ({ sled, timeMs }));
      return [{ kind, seq, hash, logHash, sleds }];
    })
    .sort((a, b) => a.seq - b.seq || (a.hash < b.hash ? -1 : 1));
};
