/** The leases in memory: the end of those in force, on the monotonic clock, and those that have ended. */
import { MAX_LEASE_TERM_S } from '../../../api/sled-agent-api.ts';
import type { ArtifactHash, LeaseId } from '../../../core/ids.ts';
import { type Clock, isoTime } from '../../../lib/clock.ts';
import type { LeasesContent, LeasesRead } from '../files/leases-file.ts';
import type { Lease, LeaseInForce, Use } from '../store.ts';
import { type Counted, MAX_LEASES } from './lease-limits.ts';

const MAX_TERM_MS = MAX_LEASE_TERM_S * 1_000;
/** How many ended leases are remembered (LE4); a forgotten one may come back for a term. */
const MAX_ENDED = 4 * MAX_LEASES;

export type LeaseBook = {
  readonly find: (sha256: ArtifactHash, id: LeaseId) => Lease | undefined;
  readonly of: (sha256: ArtifactHash) => readonly LeaseInForce[];
  readonly inUse: (sha256: ArtifactHash) => Use | undefined;
  readonly total: () => number;
  /** For the limits: each lease in force, and the machine that took it. */
  readonly counted: () => readonly Counted[];
  /** The leases in force, without one or with one more. */
  readonly content: (change?: { without?: Lease; with?: Lease }) => LeasesContent;
  /** From now on for its whole term. */
  readonly put: (lease: Lease, peer?: string) => LeaseInForce;
  readonly end: (lease: Lease) => void;
  /** Removes and returns the expired leases. */
  readonly expire: () => { readonly leases: readonly Lease[]; readonly everything: boolean };
  /** When the next one expires, in milliseconds from now. */
  readonly nextEndMs: () => number | undefined;
  /** LE3, LE4: the leases of a file, except those known to have ended. */
  readonly learn: (read: LeasesRead) => void;
  /** LE5 */
  readonly holdEverything: () => void;
};

type Entry = Lease & { readonly untilMs: number; readonly peer: string | undefined };

const isSet = (ms: number | undefined): ms is number => ms !== undefined;
const keyOf = ({ sha256, id }: Pick<Lease, 'sha256' | 'id'>): string => `${sha256}/${id}`;
const leaseOf = ({ untilMs: _, peer: __, ...lease }: Entry): Lease => lease;

export const createLeaseBook = (clock: Clock): LeaseBook => {
  const entries = new Map<string, Entry>();
  const ended = new Set<string>();
  let everythingUntilMs: number | undefined;

  const isRunning = (untilMs: number | undefined): boolean =>
    untilMs !== undefined && untilMs > clock.monotonicMs();
  const running = (): Entry[] => [...entries.values()].filter(({ untilMs }) => isRunning(untilMs));
  const inForce = (entry: Entry): LeaseInForce => {
    const remainingMs = Math.max(0, entry.untilMs - clock.monotonicMs());
    return { ...leaseOf(entry), remainingMs, timeExpiresMs: clock.nowMs() + remainingMs };
  };
  const of = (sha256: ArtifactHash): LeaseInForce[] =>
    running()
      .filter(entry => entry.sha256 === sha256)
      .sort((a, b) => b.untilMs - a.untilMs)
      .map(inForce);
  const end = (lease: Lease): void => {
    entries.delete(keyOf(lease));
    remember(ended, keyOf(lease));
  };
  const put = (lease: Lease, peer?: string): LeaseInForce => {
    const entry = { ...lease, peer, untilMs: clock.monotonicMs() + lease.termMs };
    ended.delete(keyOf(lease));
    entries.set(keyOf(lease), entry);
    return inForce(entry);
  };

  return {
    find: (sha256, id) => running().find(entry => entry.sha256 === sha256 && entry.id === id),
    of,
    inUse(sha256) {
      const leases = of(sha256);
      const [first, ...others] = leases;
      if (first !== undefined) return { reason: reasonOf(first, others), leases };
      if (everythingUntilMs === undefined || !isRunning(everythingUntilMs)) return undefined;
      const until = isoTime(clock.nowMs() + everythingUntilMs - clock.monotonicMs());
      return { reason: `leases of this sled were lost, so everything is kept until ${until}`, leases };
    },
    total: () => running().length,
    counted: running,
    content(change = {}) {
      const content = new Map(running().map(entry => [keyOf(entry), leaseOf(entry)]));
      if (change.without !== undefined) content.delete(keyOf(change.without));
      if (change.with !== undefined) content.set(keyOf(change.with), change.with);
      const leases = [...content].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, lease]) => lease);
      return { leases, everything: isRunning(everythingUntilMs) };
    },
    put,
    end,
    expire() {
      const leases = [...entries.values()].filter(({ untilMs }) => !isRunning(untilMs)).map(leaseOf);
      for (const lease of leases) end(lease);
      const everything = everythingUntilMs !== undefined && !isRunning(everythingUntilMs);
      if (everything) everythingUntilMs = undefined;
      return { leases, everything };
    },
    nextEndMs() {
      const ends = [everythingUntilMs, ...[...entries.values()].map(each => each.untilMs)].filter(isSet);
      return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends) - clock.monotonicMs());
    },
    learn(read) {
      if (read.kind !== 'whole') return;
      for (const lease of read.body.leases)
        if (!entries.has(keyOf(lease)) && !ended.has(keyOf(lease))) put(lease);
    },
    holdEverything() {
      everythingUntilMs = clock.monotonicMs() + MAX_TERM_MS;
    },
  };
};

/** The oldest are forgotten beyond the limit. */
const remember = (ended: Set<string>, key: string): void => {
  ended.add(key);
  for (const oldest of ended) {
    if (ended.size <= MAX_ENDED) return;
    ended.delete(oldest);
  }
};

const reasonOf = (first: LeaseInForce, others: readonly LeaseInForce[]): string => {
  const holder = first.holder ?? `the holder of lease ${first.id}`;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  return `in use by ${holder}${more}, until ${isoTime(first.timeExpiresMs)} unless returned or renewed`;
};
