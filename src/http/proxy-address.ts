/** The address of a proxy, as people and environments write it: with a scheme, or as most tools take it, without. */
import { DepotError } from '../lib/errors.ts';

const DEFAULT_SCHEME = 'http:';

/** Undefined for what names no HTTP proxy. */
export const parseProxy = (text: string): string | undefined => {
  const address = text.includes('://') ? text : `${DEFAULT_SCHEME}//${text}`;
  if (!URL.canParse(address)) return undefined;
  const { protocol, hostname } = new URL(address);
  return hostname !== '' && /^https?:$/.test(protocol) ? address : undefined;
};

/** @throws `CONFIG_INVALID` without the text, which may have a password */
export const proxyAddress = (text: string, origin: string): string => {
  const address = parseProxy(text);
  if (address !== undefined) return address;
  const scheme = /^([a-z0-9+.-]+):\/\//i.exec(text)?.[1];
  const what =
    scheme === undefined || /^https?$/i.test(scheme) ? 'no address of a proxy' : `a ${scheme} proxy`;
  throw new DepotError(
    'CONFIG_INVALID',
    `${origin} names ${what}: use host:port, or http://user:password@host:port`,
    { detail: { remedy: `correct ${origin}, or unset it if no proxy is needed` } },
  );
};

type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment names for each scheme; the lower case goes first, as with curl(1). @throws `CONFIG_INVALID` */
export const environmentProxies = (environment: Environment): { httpProxy?: string; httpsProxy?: string } => {
  const http = fromEnvironment(environment, ['http_proxy', 'HTTP_PROXY']);
  const https = fromEnvironment(environment, ['https_proxy', 'HTTPS_PROXY']);
  return {
    ...(http !== undefined && { httpProxy: http }),
    ...(https !== undefined && { httpsProxy: https }),
  };
};

const fromEnvironment = (environment: Environment, names: readonly string[]): string | undefined => {
  const name = names.find(each => environment[each] !== undefined);
  const text = name === undefined ? undefined : environment[name]?.trim();
  return name === undefined || text === undefined || text === '' ? undefined : proxyAddress(text, name);
};
