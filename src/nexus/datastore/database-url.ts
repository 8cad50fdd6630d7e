/**
 * The URL of the database, as libpq writes it, read once and strictly:
 *
 *     postgresql://user:password@a:5432,[fd00::1]:5432/name?target_session_attrs=read-write&sslmode=verify-full&…
 *     postgresql:///name?host=/run/postgresql&user=depot
 *
 * DU1. An option that is not listed here is a fault. Ignoring one would run with less than the operator configured.
 * DU2. A fault names the part and never quotes it: user, password and options may hold secrets.
 * DU3. No mode falls back: `sslmode` is plain or encrypted, and never depends on the server.
 */
import { isAbsolute } from 'node:path';
import { formatAddress } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';

export type DatabaseHost = {
  /** A name, an address (IPv6 without brackets), or the absolute directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
};

const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
type TlsMode = (typeof TLS_MODES)[number];

export type DatabaseTls = {
  readonly mode: TlsMode;
  /** Absolute path of PEM certificates, or `system` for those that the operating system trusts. */
  readonly rootCertificate: string | undefined;
  /** Absolute paths of the client's own certificate and key: both or none. */
  readonly client: { readonly certificate: string; readonly key: string } | undefined;
};

export type DatabaseTarget = {
  /** At least one, tried in this order. */
  readonly hosts: readonly DatabaseHost[];
  readonly database: string;
  /** Absent ones come from PGUSER and PGPASSWORD. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly tls: DatabaseTls;
};

const DEFAULT_PORT = 5432;
/** Each silent host delays a connection by its time limit. */
const MAX_HOSTS = 8;
const OPTIONS = [
  ...['host', 'port', 'user', 'password', 'target_session_attrs'],
  ...['sslmode', 'sslrootcert', 'sslcert', 'sslkey'],
] as const;
type Option = (typeof OPTIONS)[number];

const EXAMPLE = 'postgresql://user@localhost:5432/tuf_depot';
/** userinfo, hosts, database, options. A password with `/`, `?` or `#` has to be percent-encoded. */
const URL_PARTS = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
/** A bracketed IPv6 address or a name, and a port. */
const HOST_PARTS = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:]*))(?::(\d{1,5}))?$/;

class UrlFault extends Error {}

/** @returns the target, or the fault of the URL, described without its contents */
export const parseDatabaseUrl = (url: string): DatabaseTarget | { readonly fault: string } => {
  try {
    return readParts(url);
  } catch (error) {
    if (error instanceof UrlFault) return { fault: error.message };
    throw error;
  }
};

/** @throws `CONFIG_INVALID` naming `database.url` */
export const requireDatabaseTarget = (url: string): DatabaseTarget => {
  const parsed = parseDatabaseUrl(url);
  if ('fault' in parsed) throw new DepotError('CONFIG_INVALID', `database.url: ${parsed.fault}`);
  return parsed;
};

export const isSocket = ({ host }: DatabaseHost): boolean => host.startsWith('/');

/** For people: never a user, a password or an option. */
export const hostName = (host: DatabaseHost): string => {
  if (isSocket(host)) return host.host;
  return formatAddress(host);
};

const readParts = (url: string): DatabaseTarget => {
  const parts = URL_PARTS.exec(url);
  if (parts === null) throw new UrlFault(`must be a URL such as ${EXAMPLE}`);
  const [, userinfo, authority = '', path = '', query = ''] = parts;
  // The text before it may be the rest of a password: no part of it may be mistaken for a host or the name of an option.
  if (path.includes('@') || query.includes('@'))
    throw new UrlFault(
      'has an @ after its hosts; write / ? # @ in a user, password or option as %2F %3F %23 %40',
    );
  const options = readOptions(query);
  const [user, password = ''] = splitOnce(userinfo ?? '', ':');
  const hosts = readHosts(authority, options);
  const database = decoded(path, 'database');
  if (database === '') throw new UrlFault(`names no database; write it as in ${EXAMPLE}`);
  const attributes = options.get('target_session_attrs');
  if (attributes !== undefined && attributes !== 'read-write') {
    throw new UrlFault('target_session_attrs must be read-write: Nexus needs a server that accepts writes');
  }
  return {
    hosts,
    database,
    user: once('user', decoded(user, 'user') || undefined, options.get('user')),
    password: once('password', decoded(password, 'password') || undefined, options.get('password')),
    tls: readTls(hosts, options),
  };
};

const readOptions = (query: string): ReadonlyMap<Option, string> => {
  const options = new Map<Option, string>();
  for (const pair of query.split('&').filter(text => text !== '')) {
    const [key = '', value] = splitOnce(pair, '=');
    const option = OPTIONS.find(known => known === key);
    const shown = /^[a-z_]{1,40}$/.test(key) && value !== undefined ? `option ${key}` : 'option';
    if (option === undefined) throw new UrlFault(`unknown ${shown}; known here: ${OPTIONS.join(', ')}`);
    if (!value) throw new UrlFault(`option ${option} has no value`);
    if (options.has(option)) throw new UrlFault(`option ${option} occurs twice`);
    options.set(option, decoded(value, `option ${option}`));
  }
  return options;
};

const readHosts = (authority: string, options: ReadonlyMap<Option, string>): DatabaseHost[] => {
  const listed = options.get('host');
  if (listed !== undefined && authority !== '') {
    throw new UrlFault('hosts are given both before the database and in the option host; keep one');
  }
  const hosts =
    listed === undefined
      ? authority.split(',').map(readHost)
      : listed.split(',').map(host => ({ host, port: undefined }));
  if (hosts.length > MAX_HOSTS) throw new UrlFault(`names ${hosts.length} hosts; at most ${MAX_HOSTS}`);
  const ports = options.get('port')?.split(',').map(readPort) ?? [];
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new UrlFault(`option port names ${ports.length} ports for ${hosts.length} hosts`);
  }
  return hosts.map(({ host, port }, index) => {
    const its = ports[index] ?? ports[0];
    if (port !== undefined && its !== undefined)
      throw new UrlFault('ports are given both behind the hosts and in the option port; keep one');
    if (host === '' && hosts.length > 1) throw new UrlFault('one of the hosts is empty');
    return { host: host || 'localhost', port: port ?? its ?? DEFAULT_PORT };
  });
};

const readHost = (text: string): { host: string; port: number | undefined } => {
  const parts = HOST_PARTS.exec(text);
  if (parts === null) {
    throw new UrlFault('a host must be name:port, address:port or [IPv6 address]:port');
  }
  const [, address, name = '', port] = parts;
  return {
    host: address ?? decoded(name, 'host'),
    port: port === undefined ? undefined : readPort(port),
  };
};

const readPort = (text: string): number => {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new UrlFault('a port must be a number from 1 to 65535');
};

const readTls = (hosts: readonly DatabaseHost[], options: ReadonlyMap<Option, string>): DatabaseTls => {
  const asked = options.get('sslmode') ?? 'disable';
  const mode = TLS_MODES.find(known => known === asked);
  if (mode === undefined) {
    throw new UrlFault(
      `sslmode must be one of ${TLS_MODES.join(', ')}: the modes allow and prefer send plain text when the server asks for it`,
    );
  }
  const files = {
    root: options.get('sslrootcert'),
    cert: options.get('sslcert'),
    key: options.get('sslkey'),
  };
  for (const [name, path] of Object.entries(files)) {
    if (path === undefined) continue;
    if (mode === 'disable')
      throw new UrlFault(`certificates need an sslmode of ${TLS_MODES.slice(1).join(', ')}`);
    if (!isAbsolute(path) && !(name === 'root' && path === 'system')) {
      throw new UrlFault('sslrootcert, sslcert and sslkey must be absolute paths');
    }
  }
  if ((files.cert === undefined) !== (files.key === undefined)) {
    throw new UrlFault('sslcert and sslkey belong together; one is missing');
  }
  if (mode.startsWith('verify') && files.root === undefined) {
    throw new UrlFault(`sslmode ${mode} needs sslrootcert: a file of certificates, or system`);
  }
  if (files.root === 'system' && mode !== 'verify-full') {
    throw new UrlFault(
      'sslrootcert=system needs sslmode=verify-full: anyone can get a certificate from those authorities',
    );
  }
  if (mode !== 'disable' && hosts.every(isSocket)) {
    throw new UrlFault('sslmode has no effect on a Unix socket; leave it out');
  }
  const client = files.cert !== undefined &&
    files.key !== undefined && { certificate: files.cert, key: files.key };
  return { mode, rootCertificate: files.root, client: client || undefined };
};

const once = (name: string, first: string | undefined, second: string | undefined): string | undefined => {
  if (first !== undefined && second !== undefined) throw new UrlFault(`the ${name} occurs twice`);
  return first ?? second;
};

const splitOnce = (text: string, separator: string): [string, string?] => {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
};

const decoded = (text: string, what: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UrlFault(`the ${what} has a % without two hex digits; write a plain % as %25`);
  }
};
