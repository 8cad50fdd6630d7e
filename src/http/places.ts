/**
 * Places that peers take: bounded in all and for each peer, and some are kept for known peers.
 *
 * PLC1. A peer that takes many places does not affect the others. A stranger and a sled with a certificate have at most `perPeer`; a peer
 *      at a known address leaves `kept` for the others; a Nexus with a certificate has no bound. All addresses that one machine
 *      can have count as one stranger: {@link strangerOf}.
 * PLC2. Strangers together leave `kept` places free: for peers at a known address, and for those whose certificate names them,
 *       where the server is there for them (`mayTakeKept`).
 */
import { isIP } from 'node:net';
import { canonicalHost } from './request-guard.ts';

export type PlaceLimits = {
  /** In all. */
  readonly total: number;
  /** For each stranger, and for each sled that a certificate names. */
  readonly perPeer: number;
  /** Of the total, for known peers alone. */
  readonly kept: number;
};

/** A process that its certificate names. */
export type Member = {
  /** Its whole name. */
  readonly name: string;
  readonly isBounded: boolean;
  readonly mayTakeKept: boolean;
};

/** Who asks for a place: an address, or a process of the fleet; undefined for a caller in this process, which has no bound. */
export type Claimant = string | Member | undefined;

/** Canonical addresses, read anew for each decision. */
export type KnownPeers = () => ReadonlySet<string>;

const NOBODY: ReadonlySet<string> = new Set();
export const noKnownPeers: KnownPeers = () => NOBODY;

export type Place = Disposable & {
  readonly peer: string;
  /** It may take the kept places. */
  readonly isKnown: boolean;
};

export type Refusal = {
  /** `peer`: it has all that it may have; `strangers`: only the kept places are free; `all`: none is. */
  readonly because: 'peer' | 'strangers' | 'all';
  readonly peer: string;
};

export const isPlace = (taken: Place | Refusal): taken is Place => !('because' in taken);

export type Places = {
  readonly take: (claimant: Claimant) => Place | Refusal;
  readonly taken: () => number;
};

export const createPlaces = (limits: PlaceLimits, known: KnownPeers = noKnownPeers): Places => {
  const byPeer = new Map<string, number>();
  const unkept = limits.total - limits.kept;
  let strangers = 0;
  let taken = 0;

  const claimOf = (claimant: Claimant): Claim => {
    if (claimant === undefined) return { peer: '', most: limits.total, isKnown: true };
    if (typeof claimant !== 'string') {
      const { name, isBounded, mayTakeKept } = claimant;
      return { peer: name, most: isBounded ? limits.perPeer : limits.total, isKnown: mayTakeKept };
    }
    const host = canonicalHost(claimant);
    if (known().has(host)) return { peer: host, most: unkept, isKnown: true };
    return { peer: strangerOf(host), most: limits.perPeer, isKnown: false };
  };
  const refusal = ({ peer, most, isKnown }: Claim): Refusal['because'] | undefined => {
    if (taken >= limits.total) return 'all';
    if ((byPeer.get(peer) ?? 0) >= most) return 'peer';
    return !isKnown && strangers >= unkept ? 'strangers' : undefined;
  };
  const count = ({ peer, isKnown }: Claim, change: 1 | -1): void => {
    const held = (byPeer.get(peer) ?? 0) + change;
    taken += change;
    if (!isKnown) strangers += change;
    if (held === 0) byPeer.delete(peer);
    else byPeer.set(peer, held);
  };

  return {
    take(claimant) {
      const claim = claimOf(claimant);
      const { peer, isKnown } = claim;
      const refused = refusal(claim);
      if (refused !== undefined) return { because: refused, peer };
      count(claim, 1);
      let isHeld = true;
      return {
        peer,
        isKnown,
        [Symbol.dispose]() {
          if (isHeld) count(claim, -1);
          isHeld = false;
        },
      };
    },
    taken: () => taken,
  };
};

/** `most`: for this peer. */
type Claim = { readonly peer: string; readonly most: number; readonly isKnown: boolean };

/** The network of an IPv6 address, in which one machine may choose any address; of IPv4 the address itself. */
export const strangerOf = (address: string): string => {
  const host = canonicalHost(address);
  if (isIP(host) !== 6 || host === '::1') return host;
  const [head = '', tail = ''] = host.split('::');
  const groups = [head, tail].map(part => (part === '' ? [] : part.split(':')));
  const [before = [], after = []] = groups;
  const whole = [
    ...before,
    ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'),
    ...after,
  ];
  return `${whole.slice(0, 4).join(':')}::/64`;
};
