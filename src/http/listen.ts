/** The address of a server, and the loopback rule. */
import { BlockList, isIP } from 'node:net';
import { formatAddress, type SocketAddress } from '../lib/endpoint.ts';
import { DepotError, systemErrorCode } from '../lib/errors.ts';

/** `host:port` or `[ip6]:port`. @throws DepotError `CONFIG_INVALID` naming `what` */
export const parseAddress = (text: string, what: string): SocketAddress => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6))
    throw new DepotError(
      'CONFIG_INVALID',
      `${what}: "${text}" is not an address such as 127.0.0.1:12345 or [::1]:12345`,
    );
  return { host, port };
};

export const isLoopback = (host: string): boolean => {
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  const family = isIP(host);
  if (family === 0) return host === 'localhost';
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
};

/** The loopback rule: without transport security no other machine may connect, unless configured. */
export const requireLoopback = (listen: SocketAddress, servesNetwork: boolean): void => {
  if (servesNetwork || isLoopback(listen.host)) return;
  throw new DepotError(
    'LISTEN_NOT_LOOPBACK',
    `refuses to listen on ${formatAddress(listen)}: requests are neither encrypted nor, without a token, ` +
      'authenticated, as on a server without TLS that other machines reach; listen on a loopback address, or serve TLS',
  );
};

export const listenError = (cause: unknown, listen: SocketAddress): DepotError => {
  const address = formatAddress(listen);
  if (systemErrorCode(cause) !== 'EADDRINUSE')
    return new DepotError('IO', `cannot listen on ${address}`, { cause });
  return new DepotError(
    'ADDRESS_IN_USE',
    `cannot listen on ${address}: another process does; stop it (ss -ltnp names it) or configure another port, 0 for any`,
    { cause, detail: { address } },
  );
};
