/**
 * The addresses of configured peers, for the places that are kept for them (places.ts): addresses as they are, and names as
 * the resolver of the machine answers.
 *
 *     configured hosts ─▶ addresses ──────────────────┬─▶ known peers
 *                      └▶ names ─▶ resolver, again and again ┘
 *
 * KNH1. A start does not wait for the resolver, and nothing ends because of it.
 * KNH2. Names are looked up one after the other: a lookup that hangs takes one thread of the pool, however many names there are.
 * KNH3. A name that cannot be resolved keeps its last addresses, and is tried again.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { messageChain } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { KnownPeers } from './places.ts';
import { canonicalHost } from './request-guard.ts';

const REFRESH_MS = 60_000;
/** Of one name: more are no addresses of one process. */
const MAX_ADDRESSES = 16;

/** All addresses of a name. */
export type Resolve = (name: string) => Promise<readonly string[]>;

const systemResolve: Resolve = async name =>
  (await lookup(name, { all: true })).map(({ address }) => address);

type Deps = { readonly clock: Clock; readonly log: Logger; readonly resolve?: Resolve };

export type KnownHosts = Disposable & { readonly addresses: KnownPeers };

export const watchKnownHosts = (hosts: readonly string[], deps: Deps): KnownHosts => {
  const canonical = hosts.map(canonicalHost);
  const literal = canonical.filter(host => isIP(host) !== 0);
  const names = [...new Set(canonical.filter(host => isIP(host) === 0))];
  const resolved = new Map<string, readonly string[]>();
  const stop = new AbortController();
  let addresses: ReadonlySet<string> = new Set(literal);
  const refresh = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      for (const name of names) {
        resolved.set(name, await addressesOf(name, resolved.get(name), deps));
        addresses = new Set([...literal, ...[...resolved.values()].flat()]);
      }
      await deps.clock.sleep(REFRESH_MS, stop);
    }
  };
  if (names.length > 0)
    refresh().catch((error: unknown) => {
      if (!stop.signal.aborted)
        deps.log.error({ err: error }, 'the names of peers are not looked up any more');
    });
  return {
    addresses: () => addresses,
    [Symbol.dispose]: () => stop.abort(),
  };
};

/** KNH3 */
const addressesOf = async (
  name: string,
  before: readonly string[] | undefined,
  { log, resolve = systemResolve }: Deps,
): Promise<readonly string[]> => {
  try {
    return (await resolve(name)).slice(0, MAX_ADDRESSES).map(canonicalHost);
  } catch (error) {
    if (before === undefined)
      log.warn(
        { name, reason: messageChain(error) },
        'the name of a peer cannot be resolved; it is tried again',
      );
    return before ?? [];
  }
};
