/**
 * Refuses requests that were meant for another server, or that two readers would understand differently.
 *
 * RQG1. `Host` names this server: the address at which the connection arrived, the one that the server listens on, or a
 *      configured one. A web page whose own name resolves to this server (DNS rebinding) sends that name.
 *      Ports are not compared: a tunnel, or a mapped port, has another one.
 * RQG2. A page of another site is refused, as its browser reports it: `Sec-Fetch-Site`, or `Origin`.
 * RQG3. A header that decides where a request ends, or who sent it, occurs once. `Transfer-Encoding` is `chunked` alone, and
 *      never beside `Content-Length`.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { z } from 'zod';
import { DepotError } from '../lib/errors.ts';
import { isLoopback } from './listen.ts';

/** RQG3. A parser that keeps the first of two values, or joins them, hides the second one. */
const SINGLE_HEADERS = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'authorization',
  'expect',
  'origin',
  'sec-fetch-site',
]);

/** What a browser says of a request that no other site caused. */
const OWN_SITE = new Set(['same-origin', 'none']);

/** Of a long or hostile header, in a message. */
const MAX_QUOTED_CHARS = 80;

/** More names than one process has. */
const MAX_ALLOWED_HOSTS = 64;

/** The setting of a configuration file. */
export const AllowedHosts = z
  .array(
    z
      .string()
      .max(253)
      .regex(/^[\w.:-]+$/, 'must be a name or an address, without a port or brackets'),
  )
  .max(MAX_ALLOWED_HOSTS)
  .optional();

export type GuardedRequest = Pick<IncomingMessage, 'headers' | 'rawHeaders'> & {
  readonly socket: Pick<IncomingMessage['socket'], 'localAddress'>;
};

/**
 * @param hosts names and addresses of this server, without ports, in lower case
 * @throws DepotError `INVALID_REQUEST`, `HOST_NOT_SERVED`, `CROSS_SITE_REQUEST`
 */
export const guardRequest = (
  { headers, rawHeaders, socket }: GuardedRequest,
  hosts: ReadonlySet<string>,
): void => {
  requireSingleHeaders(rawHeaders);
  requireOneLength(headers);
  const host = requireHost(headers.host);
  requireServed(host, socket.localAddress, hosts);
  requireOwnSite(headers, host);
};

const requireSingleHeaders = (rawHeaders: readonly string[]): void => {
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    if (!SINGLE_HEADERS.has(name)) continue;
    if (seen.has(name)) throw invalid(`the header ${name} occurs twice; send it once`);
    seen.add(name);
  }
};

const requireOneLength = (headers: GuardedRequest['headers']): void => {
  const encoding = headers['transfer-encoding'];
  if (encoding === undefined) return;
  if (encoding.trim().toLowerCase() !== 'chunked')
    throw invalid(`Transfer-Encoding ${quoted(encoding)} is not supported; only chunked is`);
  if (headers['content-length'] !== undefined)
    throw invalid('Content-Length and Transfer-Encoding exclude each other; send one of them');
};

type Host = { readonly name: string; readonly text: string };

const requireHost = (text: string | undefined): Host => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]\\]+))(?::\d{0,5})?$/i.exec(text ?? '');
  const name = match?.[1] ?? match?.[2];
  if (text === undefined || name === undefined || (match?.[1] !== undefined && isIP(name) !== 6))
    throw invalid(`Host ${quoted(text ?? '')} is not a host name or address, with or without a port`);
  return { name: canonicalHost(name), text: text.toLowerCase() };
};

/** RQG1 */
const requireServed = (host: Host, localAddress: string | undefined, hosts: ReadonlySet<string>): void => {
  if (hosts.has(host.name)) return;
  const arrivedAt = canonicalHost(localAddress ?? '');
  if (host.name === arrivedAt) return;
  if (host.name === 'localhost' && isLoopback(arrivedAt)) return;
  throw new DepotError(
    'HOST_NOT_SERVED',
    `this server does not serve the host ${quoted(host.name)}; use its address, or add that name to allowed_hosts in its configuration`,
    { detail: { host: host.name.slice(0, MAX_QUOTED_CHARS) } },
  );
};

/** RQG2 */
const requireOwnSite = (headers: GuardedRequest['headers'], host: Host): void => {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && !OWN_SITE.has(String(site)))
    throw crossSite(`Sec-Fetch-Site is ${quoted(String(site))}`);
  const { origin } = headers;
  if (origin === undefined || sameHost(origin, host)) return;
  throw crossSite(`Origin is ${quoted(origin)}`);
};

const sameHost = (origin: string, { text }: Host): boolean => {
  if (!URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  // A URL omits the port of its scheme.
  return (
    (protocol === 'http:' && (host === text || `${host}:80` === text)) ||
    (protocol === 'https:' && (host === text || `${host}:443` === text))
  );
};

/** Lower case, without the dot at the end, and an IPv4 address never as an IPv6 one. */
export const canonicalHost = (host: string): string => {
  const name = host.toLowerCase().replace(/\.$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(name)?.[1];
  if (mapped !== undefined) return mapped;
  return isIP(name) === 6 ? new URL(`http://[${name.replace(/%.*$/, '')}]`).hostname.slice(1, -1) : name;
};

const quoted = (text: string): string => JSON.stringify(text.slice(0, MAX_QUOTED_CHARS));

const invalid = (message: string): DepotError => new DepotError('INVALID_REQUEST', message);

const crossSite = (what: string): DepotError =>
  new DepotError(
    'CROSS_SITE_REQUEST',
    `${what}: a page of another site in a browser caused this request, which this server does not accept`,
  );
