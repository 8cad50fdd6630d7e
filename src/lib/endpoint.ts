/** The address of a server, and the peer that is expected there: the one place that makes a URL of it. */

/** An IPv6 host has no brackets here; they belong to the form with a port. */
export type SocketAddress = { readonly host: string; readonly port: number };

export type Endpoint = SocketAddress & {
  readonly scheme: 'http';
  /** The id of the process that is expected to answer; undefined where any process may. */
  readonly peerId: string | undefined;
};

export const httpEndpoint = ({ host, port }: SocketAddress, peerId?: string): Endpoint => ({
  scheme: 'http',
  host,
  port,
  peerId,
});

/** `http://host:port`, without a slash at the end. */
export const endpointUrl = ({ scheme, ...address }: Endpoint): string =>
  `${scheme}://${formatAddress(address)}`;

/** `host:port`, an IPv6 address in brackets. */
export const formatAddress = ({ host, port }: SocketAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Of `host:port` or `[ip6]:port`, as a peer reported it. An invalid text becomes an address at which nothing answers. */
export const splitAddress = (text: string): SocketAddress => {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
};
