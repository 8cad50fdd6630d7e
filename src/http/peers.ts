/**
 * Connections to other processes of the fleet: plain, or TLS to an expected identity.
 *
 * PE1. Connections to different identities are never shared, even at one address: each has a pool of its own.
 * PE2. New connections use the present certificate and authorities; open ones go on with theirs.
 * PE3. After a revocation no connection from before is used for a new request. What a caller was given stays usable.
 */
import { TLSSocket } from 'node:tls';
import { Agent, buildConnector, Dispatcher } from 'undici';
import { identityOf } from '../identity/certificate.ts';
import type { CredentialSource } from '../identity/credentials.ts';
import type { ExpectedPeer, PeerIdentity } from '../identity/peer-identity.ts';
import { type ClientCredentials, type ClientTls, clientTls, type Judge } from '../identity/tls.ts';
import type { ExpectedProcess, Scheme } from '../lib/endpoint.ts';
import { type ClientTimeouts, createDispatcher, DEFAULT_CLIENT_TIMEOUTS, POOL_LIMITS } from './client.ts';

export type Peers = AsyncDisposable & {
  readonly scheme: Scheme;
  /** The connections for calls to `expected`. */
  readonly dispatcher: (expected: ExpectedProcess) => Dispatcher;
  /** Of the processes that were connected to: when the certificate that each presented last expires. */
  readonly certificates: () => readonly SeenCertificate[];
  /** For one connection to `expected`; undefined without TLS. */
  readonly tls: (expected: ExpectedProcess) => ClientTls | undefined;
};

export type SeenCertificate = { readonly identity: PeerIdentity; readonly notAfterMs: number };

type Timeouts = Pick<ClientTimeouts, 'connectTimeoutMs'>;

/** No process is identified: the network itself is trusted. */
export const plainPeers = (timeouts: Timeouts = DEFAULT_CLIENT_TIMEOUTS): Peers => {
  const dispatcher = createDispatcher(timeouts);
  return {
    scheme: 'http',
    dispatcher: () => dispatcher,
    certificates: () => [],
    tls: () => undefined,
    [Symbol.asyncDispose]: () => dispatcher.close(),
  };
};

type Pool = { readonly dispatcher: RenewableDispatcher; seen: SeenCertificate | undefined };

/** Callers keep it; the connections below it come and go. */
class RenewableDispatcher extends Dispatcher {
  readonly #make: () => Dispatcher;
  #present: Dispatcher;

  constructor(make: () => Dispatcher) {
    super();
    this.#make = make;
    this.#present = make();
  }

  override dispatch(...[options, handler]: Parameters<Dispatcher['dispatch']>): boolean {
    return this.#present.dispatch(options, handler);
  }

  /** Requests in flight end on the connections that they have; later ones get new connections. */
  renew(): void {
    const before = this.#present;
    this.#present = this.#make();
    before.close().catch(() => undefined);
  }

  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | void {
    if (callback === undefined) return this.#present.close();
    this.#present.close(callback);
  }
}

/** A connection is replaced after a day, so that a peer that no longer renews its certificate is noticed. */
const CONNECTION_LIFE_MS = 86_400_000;
/** A pool without connections is small; beyond this, the one that was used least recently is closed. */
const MAX_POOLS = 16_384;

export const securePeers = (
  credentials: Judge & Pick<CredentialSource, 'current'>,
  timeouts: Timeouts = DEFAULT_CLIENT_TIMEOUTS,
): Peers => {
  const { revocations } = credentials;
  const { fleet } = credentials.current().identity;
  const pools = new Map<string, Pool>();
  const makePool = (expected: ExpectedPeer): Pool => {
    const pool: Pool = {
      seen: undefined,
      dispatcher: new RenewableDispatcher(() =>
        secureDispatcher(
          () => credentials.current(),
          expected,
          timeouts,
          certificate => {
            pool.seen = certificate;
          },
          credentials,
        ),
      ),
    };
    return pool;
  };
  const poolOf = (expected: ExpectedPeer): Dispatcher => {
    const key = `${expected.kind}/${expected.id ?? '*'}`;
    const pool = pools.get(key) ?? makePool(expected);
    // The order of a map is the order of its insertions.
    pools.delete(key);
    pools.set(key, pool);
    if (pools.size > MAX_POOLS) dropOldest(pools);
    return pool.dispatcher;
  };
  const change = revocations.onChange(() => {
    for (const { dispatcher } of pools.values()) dispatcher.renew(); // PE3
  });
  return {
    scheme: 'https',
    dispatcher: expected => poolOf({ fleet, ...expected }),
    certificates: () => [...pools.values()].flatMap(({ seen }) => seen ?? []),
    tls: expected => clientTls(credentials.current(), { fleet, ...expected }, credentials),
    async [Symbol.asyncDispose]() {
      change[Symbol.dispose]();
      await Promise.all([...pools.values()].map(({ dispatcher }) => dispatcher.close()));
    },
  };
};

/** Its connections close when they are idle; whoever kept it gets new ones. */
const dropOldest = (pools: Map<string, Pool>): void => {
  for (const [key, { dispatcher }] of pools) {
    pools.delete(key);
    dispatcher.renew();
    return;
  }
};

/**
 * @param credentials is called for each new connection
 * @param onPeer receives the certificate of each peer that was accepted
 */
export const secureDispatcher = (
  credentials: () => ClientCredentials,
  expected: ExpectedPeer,
  { connectTimeoutMs }: Timeouts = DEFAULT_CLIENT_TIMEOUTS,
  onPeer?: (certificate: SeenCertificate) => void,
  by?: Judge,
): Dispatcher => {
  let last: { readonly of: ClientCredentials; readonly connect: buildConnector.connector } | undefined;
  const connectorOf = (of: ClientCredentials): buildConnector.connector => {
    if (last?.of !== of) {
      const tls = { ...clientTls(of, expected, by), maxCachedSessions: 0, allowH2: false };
      last = { of, connect: buildConnector({ ...tls, timeout: connectTimeoutMs }) };
    }
    return last.connect;
  };
  return new Agent({
    ...POOL_LIMITS,
    clientTtl: CONNECTION_LIFE_MS,
    connect: (options, callback) =>
      connectorOf(credentials())(options, (...result) => {
        const [, socket] = result;
        const seen = onPeer && socket instanceof TLSSocket ? certificateOf(socket) : undefined;
        if (seen !== undefined) onPeer?.(seen);
        callback(...result);
      }),
  });
};

const certificateOf = (socket: TLSSocket): SeenCertificate | undefined => {
  const certificate = socket.getPeerX509Certificate();
  const identity = certificate && identityOf(certificate);
  return identity && certificate && { identity, notAfterMs: certificate.validToDate.getTime() };
};
