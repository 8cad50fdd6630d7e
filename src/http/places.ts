/**
 * Places that peers take: bounded in all and for each peer, and some are kept for known peers.
 *
 * PLC1. A stranger has at most `perPeer` places, so that a peer that takes many costs only itself. All addresses that one
 *      machine can have count as one peer: {@link strangerOf}.
 * PLC2. Strangers together leave `kept` places free. Known peers may take these too, and have no bound of their own: those at a
 *       configured address, and those that a certificate identifies.
 */
import { isIP } from 'node:net';
import { canonicalHost } from './request-guard.ts';

export type PlaceLimits = {
  /** In all. */
  readonly total: number;
  /** For each stranger. */
  readonly perPeer: number;
  /** Of the total, for known peers alone. */
  readonly kept: number;
};

/** Canonical addresses, read anew for each decision. */
export type KnownPeers = () => ReadonlySet<string>;

const NOBODY: ReadonlySet<string> = new Set();
export const noKnownPeers: KnownPeers = () => NOBODY;

export type Place = Disposable & {
  readonly peer: string;
  readonly isKnown: boolean;
};

export type Refusal = {
  /** `peer`: the peer has all that it may have; `all`: there is none for it, whatever it has. */
  readonly because: 'peer' | 'all';
  readonly peer: string;
};

export const isPlace = (taken: Place | Refusal): taken is Place => !('because' in taken);

export type Places = {
  /** @param address undefined for a caller that counts as known, wherever it is */
  readonly take: (address: string | undefined) => Place | Refusal;
  readonly taken: () => number;
};

export const createPlaces = (limits: PlaceLimits, known: KnownPeers = noKnownPeers): Places => {
  const byStranger = new Map<string, number>();
  let strangers = 0;
  let taken = 0;

  const refusal = (peer: string, isKnown: boolean): Refusal['because'] | undefined => {
    if (!isKnown && (byStranger.get(peer) ?? 0) >= limits.perPeer) return 'peer';
    if (taken >= limits.total) return 'all';
    return !isKnown && strangers >= limits.total - limits.kept ? 'all' : undefined;
  };
  const countStranger = (peer: string, change: 1 | -1): void => {
    const count = (byStranger.get(peer) ?? 0) + change;
    strangers += change;
    if (count === 0) byStranger.delete(peer);
    else byStranger.set(peer, count);
  };

  return {
    take(address) {
      const isKnown = address === undefined || known().has(canonicalHost(address));
      const peer = isKnown ? canonicalHost(address ?? '') : strangerOf(address);
      const refused = refusal(peer, isKnown);
      if (refused !== undefined) return { because: refused, peer };
      taken += 1;
      if (!isKnown) countStranger(peer, 1);
      let isHeld = true;
      return {
        peer,
        isKnown,
        [Symbol.dispose]() {
          if (!isHeld) return;
          isHeld = false;
          taken -= 1;
          if (!isKnown) countStranger(peer, -1);
        },
      };
    },
    taken: () => taken,
  };
};

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
