/**
 * Connections to other processes of the fleet: plain, or TLS to an expected identity.
 *
 * PE1. Connections to different identities are never shared, even at one address: each has a pool of its own.
 * PE2. New connections use the present certificate and authorities; open ones go on with theirs.
 */
import { Agent, buildConnector, type Dispatcher } from 'undici';
import type { CredentialSource } from '../identity/credentials.ts';
import type { ExpectedPeer } from '../identity/peer-identity.ts';
import { type ClientCredentials, type ClientTls, clientTls } from '../identity/tls.ts';
import type { ExpectedProcess, Scheme } from '../lib/endpoint.ts';
import { type ClientTimeouts, createDispatcher, DEFAULT_CLIENT_TIMEOUTS, POOL_LIMITS } from './client.ts';

export type Peers = AsyncDisposable & {
  readonly scheme: Scheme;
  /** The connections for calls to `expected`. */
  readonly dispatcher: (expected: ExpectedProcess) => Dispatcher;
  /** For one connection to `expected`; undefined without TLS. */
  readonly tls: (expected: ExpectedProcess) => ClientTls | undefined;
};

type Timeouts = Pick<ClientTimeouts, 'connectTimeoutMs'>;

/** Nobody is identified: the network itself is trusted. */
export const plainPeers = (timeouts: Timeouts = DEFAULT_CLIENT_TIMEOUTS): Peers => {
  const dispatcher = createDispatcher(timeouts);
  return {
    scheme: 'http',
    dispatcher: () => dispatcher,
    tls: () => undefined,
    [Symbol.asyncDispose]: () => dispatcher.close(),
  };
};

/** A pool without connections is small; beyond this, the one that was used least recently is closed. */
const MAX_POOLS = 16_384;

export const securePeers = (
  credentials: Pick<CredentialSource, 'current'>,
  timeouts: Timeouts = DEFAULT_CLIENT_TIMEOUTS,
): Peers => {
  const { fleet } = credentials.current().identity;
  const pools = new Map<string, Dispatcher>();
  const poolOf = (expected: ExpectedPeer): Dispatcher => {
    const key = `${expected.kind}/${expected.id ?? '*'}`;
    const pool = pools.get(key) ?? secureDispatcher(() => credentials.current(), expected, timeouts);
    // The order of a map is the order of its insertions.
    pools.delete(key);
    pools.set(key, pool);
    if (pools.size > MAX_POOLS) closeOldest(pools);
    return pool;
  };
  return {
    scheme: 'https',
    dispatcher: expected => poolOf({ fleet, ...expected }),
    tls: expected => clientTls(credentials.current(), { fleet, ...expected }),
    async [Symbol.asyncDispose]() {
      await Promise.all([...pools.values()].map(pool => pool.close()));
    },
  };
};

/** Requests in flight end first. */
const closeOldest = (pools: Map<string, Dispatcher>): void => {
  for (const [key, pool] of pools) {
    pools.delete(key);
    void pool.close().catch(() => undefined);
    return;
  }
};

/** @param credentials is called for each new connection */
export const secureDispatcher = (
  credentials: () => ClientCredentials,
  expected: ExpectedPeer,
  { connectTimeoutMs }: Timeouts = DEFAULT_CLIENT_TIMEOUTS,
): Dispatcher => {
  let last: { readonly of: ClientCredentials; readonly connect: buildConnector.connector } | undefined;
  const connectorOf = (of: ClientCredentials): buildConnector.connector => {
    if (last?.of !== of) {
      const tls = { ...clientTls(of, expected), maxCachedSessions: 0, allowH2: false };
      last = { of, connect: buildConnector({ ...tls, timeout: connectTimeoutMs }) };
    }
    return last.connect;
  };
  return new Agent({
    ...POOL_LIMITS,
    connect: (options, callback) => connectorOf(credentials())(options, callback),
  });
};
