/** Identities whose certificates do not count any more: those that began no later than the time of the revocation. */

export type Revocation = {
  readonly kind: 'nexus' | 'sled';
  /** A UUID in lower case. */
  readonly id: string;
  readonly timeMs: number;
};

/** Of a fleet. A revocation is needed for as long as a certificate from before it may be valid, so the newest ones are kept. */
export const MAX_REVOCATIONS = 16_384;

export const revocationKey = ({ kind, id }: Pick<Revocation, 'kind' | 'id'>): string => `${kind}/${id}`;

/** The latest time of each identity, in the order of their names; at most {@link MAX_REVOCATIONS}, the newest. */
export const mergeRevocations = (...lists: readonly (readonly Revocation[])[]): readonly Revocation[] => {
  const latest = new Map<string, Revocation>();
  for (const each of lists.flat()) {
    const known = latest.get(revocationKey(each));
    if (known === undefined || known.timeMs < each.timeMs) latest.set(revocationKey(each), each);
  }
  return [...latest.values()]
    .sort((a, b) => b.timeMs - a.timeMs || compare(revocationKey(a), revocationKey(b)))
    .slice(0, MAX_REVOCATIONS)
    .sort((a, b) => compare(revocationKey(a), revocationKey(b)));
};

/** Whether `known` says all that `others` say. */
export const includesRevocations = (known: readonly Revocation[], others: readonly Revocation[]): boolean => {
  const times = new Map(known.map(each => [revocationKey(each), each.timeMs]));
  return others.every(each => (times.get(revocationKey(each)) ?? Number.NEGATIVE_INFINITY) >= each.timeMs);
};

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
