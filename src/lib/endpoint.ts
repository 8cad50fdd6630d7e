/** The address of a server, and the peer that is expected there: the one place that makes a URL of it. */

/** An IPv6 host has no brackets here; they belong to the form with a port. */
export type SocketAddress = { readonly host: string; readonly port: number };

export type Scheme = 'http' | 'https';

/** Without an id, any process of that kind in the fleet. */
export type ExpectedProcess = { readonly kind: 'nexus' | 'sled'; readonly id?: string };

export type Endpoint = SocketAddress & {
  readonly scheme: Scheme;
  /** The process that is expected to answer. With `https` its certificate has to name it. */
  readonly expected: ExpectedProcess;
};

export const endpoint = (
  scheme: Scheme,
  { host, port }: SocketAddress,
  expected: ExpectedProcess,
): Endpoint => ({ scheme, host, port, expected });

/** `http://host:port` or `https://host:port`, without a slash at the end. */
export const endpointUrl = ({ scheme, ...address }: Pick<Endpoint, 'scheme' | 'host' | 'port'>): string =>
  `${scheme}://${formatAddress(address)}`;

/** `host:port`, an IPv6 address in brackets. */
export const formatAddress = ({ host, port }: SocketAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Of `host:port` or `[ip6]:port`, as a peer reported it. An invalid text becomes an address at which nothing answers. */
export const splitAddress = (text: string): SocketAddress => {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
};
