/** Where a server is reached, and who is expected there: the one place that turns it into a URL. */

/** An IPv6 host is bare here, and in brackets as soon as a port stands behind it. */
export type SocketAddress = { readonly host: string; readonly port: number };

export type Endpoint = SocketAddress & {
  readonly scheme: 'http';
  /** The id of the process that is expected to answer; undefined where any that listens there is the right one. */
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

/** Of `host:port` or `[ip6]:port`, as a peer reported it: what is no address becomes one that nothing answers at. */
export const splitAddress = (text: string): SocketAddress => {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
};
