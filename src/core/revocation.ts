/** Identities whose certificates do not count any more: those that began no later than the time of the revocation. */

export type Revocation = {
  readonly kind: 'nexus' | 'sled';
  /** A UUID in lower case. */
  readonly id: string;
  readonly timeMs: number;
};

/** That a process remembers. */
export const MAX_REVOCATIONS = 16_384;

export const revocationKey = ({ kind, id }: Pick<Revocation, 'kind' | 'id'>): string => `${kind}/${id}`;

/** The latest time of each identity, in the order of their names. */
export const mergeRevocations = (...lists: readonly (readonly Revocation[])[]): readonly Revocation[] => {
  const latest = new Map<string, Revocation>();
  for (const each of lists.flat()) {
    const known = latest.get(revocationKey(each));
    if (known === undefined || known.timeMs < each.timeMs) latest.set(revocationKey(each), each);
  }
  return [...latest.values()].sort((a, b) => compare(revocationKey(a), revocationKey(b)));
};

/**
 * At most {@link MAX_REVOCATIONS}: what is known stays, so that no flood of made-up identities makes a process forget, and of the
 * others the newest are taken.
 *
 * @returns `refused`: the number of those that found no room
 */
export const addRevocations = (
  known: readonly Revocation[],
  added: readonly Revocation[],
): { readonly list: readonly Revocation[]; readonly refused: number } => {
  const names = new Set(known.map(revocationKey));
  const merged = mergeRevocations(known, added);
  const [kept, others] = [true, false].map(isKnown =>
    merged.filter(each => names.has(revocationKey(each)) === isKnown),
  ) as [Revocation[], Revocation[]];
  const taken = others
    .sort((a, b) => b.timeMs - a.timeMs)
    .slice(0, Math.max(0, MAX_REVOCATIONS - kept.length));
  return { list: mergeRevocations(kept, taken), refused: others.length - taken.length };
};

/** Whether `known` says all that `others` say. */
export const includesRevocations = (known: readonly Revocation[], others: readonly Revocation[]): boolean => {
  const times = new Map(known.map(each => [revocationKey(each), each.timeMs]));
  return others.every(each => (times.get(revocationKey(each)) ?? Number.NEGATIVE_INFINITY) >= each.timeMs);
};

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
