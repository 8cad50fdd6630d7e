/**
 * Which Nexus a command talks to, and with which token.
 *
 *     --url ─▶ --fleet, --data ─▶ TUF_DEPOT_URL ─▶ the fleet in ./.tuf-depot ─▶ the last login ─▶ http://127.0.0.1:12220
 *     --ca-file ─▶ TUF_DEPOT_CA_FILE ─▶ the authority of that fleet or login ─▶ those of Node, for https://
 *     --token-file ─▶ TUF_DEPOT_TOKEN ─▶ TUF_DEPOT_TOKEN_FILE ─▶ the token of that fleet or login
 *
 * With --fleet no variable of the environment counts.
 *
 * TK1. A token found in a data directory is sent to the addresses found beside it, and to no other. That of a login is sent to its
 *      address, or with --fleet to a Nexus below its authority.
 * TK2. With an authority the server has to be a Nexus of the authority's fleet, whatever its address: a token is sent to no
 *      other. The authority of a login counts for its address also beside a token that is given.
 * TK3. Over plain HTTP a token goes only to an address that a person, a started fleet or a login named: any program of this
 *      machine may listen at the default one, and receive it.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { fleetOf } from '../../identity/authority-files.ts';
import { parseCertificates } from '../../identity/credentials.ts';
import { endpointUrl } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';
import {
  DEFAULT_DATA_DIRECTORY,
  type FleetRecord,
  readRunningFleet,
} from '../../local-fleet/fleet-record.ts';
import { usageError } from '../output/failure.ts';
import { type CommonOptions, type Session, withCommonOptions } from '../session/session.ts';
import { type Login, readLogins, requireLogin } from './logins.ts';

const DEFAULT_URL = endpointUrl({ scheme: 'http', host: '127.0.0.1', port: 12_220 });

export type RemoteOptions = CommonOptions & {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly data?: string;
  readonly fleet?: string;
};

export type Connection = {
  readonly url: string;
  readonly token: string | undefined;
  /** The authority, and the fleet, that the server has to be of; undefined for plain HTTP or Node's own authorities. */
  readonly trust: FleetTrust | undefined;
  /** The login whose token or authority are used. */
  readonly login?:
    | { readonly name: string; readonly url: string; readonly gives: readonly Part[] }
    | undefined;
};

type Part = 'token' | 'trust';

export type FleetTrust = { readonly authoritiesPem: string; readonly fleet: string };

/** A command that talks to a Nexus. */
export const withRemoteOptions = (command: Command, example: string): Command =>
  withCommonOptions(
    command
      .option(
        '--url <url>',
        `Nexus to talk to (TUF_DEPOT_URL; otherwise the fleet in --data, the last login, or ${DEFAULT_URL})`,
      )
      .option(
        '--token-file <file>',
        'file with the token of an operator (TUF_DEPOT_TOKEN, TUF_DEPOT_TOKEN_FILE)',
      )
      .option('--ca-file <file>', 'authority of the fleet, in PEM (TUF_DEPOT_CA_FILE)')
      .option('--fleet <name>', 'a fleet of tuf-depot login (the last one)')
      .option('--data <directory>', `data directory of a started fleet (${DEFAULT_DATA_DIRECTORY})`),
    example,
  );

type Context = Pick<Session, 'environment' | 'directory'>;

export const resolveConnection = async (options: RemoteOptions, context: Context): Promise<Connection> => {
  const { fleet, data } = options;
  if (fleet !== undefined && data !== undefined)
    throw usageError('--fleet and --data exclude each other', 'give one');
  const given = await readGiven(options, context);
  // With all of it given, neither data directory nor logins need be readable.
  if (given.url !== undefined && given.token !== undefined)
    if (given.trust !== undefined || !isSecure(given.url)) return connectionTo(given.url, given);
  const known = await findKnown(given.url, options, context);
  const url = given.url ?? known?.url;
  if (url === undefined && given.token !== undefined) throw tokenForNobody();
  const token = given.token ?? (await known?.token(given.trust));
  const trust = given.trust ?? (await known?.trust());
  const login = known?.login && {
    ...known.login,
    gives: [
      ...(given.token === undefined && token !== undefined ? (['token'] as const) : []),
      ...(given.trust === undefined && trust !== undefined ? (['trust'] as const) : []),
    ],
  };
  return connectionTo(url ?? DEFAULT_URL, { token, trust, login });
};

type Given = {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly trust: FleetTrust | undefined;
};

/** By options and by the environment. */
const readGiven = async (options: RemoteOptions, context: Context): Promise<Given> => {
  const environment = options.fleet === undefined ? context.environment : {};
  const url = options.url ?? (options.data === undefined ? nonEmpty(environment.TUF_DEPOT_URL) : undefined);
  const authority = options.caFile ?? nonEmpty(environment.TUF_DEPOT_CA_FILE);
  return {
    url: url === undefined ? undefined : parseUrl(url),
    token: await readGivenToken(options, { ...context, environment }),
    trust: authority === undefined ? undefined : await readFleetTrust(resolve(context.directory, authority)),
  };
};

/** A fleet or a login that speaks for an address. */
type Known = {
  readonly url: string;
  /** @param given the authority that is used instead */
  readonly token: (given: FleetTrust | undefined) => Promise<string | undefined>;
  readonly trust: () => Promise<FleetTrust | undefined>;
  readonly login?: { readonly name: string; readonly url: string };
};

/** @param url that is given: then only what speaks for it (TK1) */
const findKnown = async (
  url: string | undefined,
  options: RemoteOptions,
  { environment, directory }: Context,
): Promise<Known | undefined> => {
  if (options.fleet !== undefined) {
    const login = requireLogin(await readLogins(environment), options.fleet);
    if (url === undefined || url === login.url || login.ca_pem !== undefined) return byLogin(login);
    throw usageError(`the login to ${login.name} has no TLS, so its token is for ${login.url} alone`);
  }
  const data = resolve(directory, options.data ?? DEFAULT_DATA_DIRECTORY);
  const fleet = await readRunningFleet(data).catch((error: unknown) => {
    // Of another user, for example: where the server is named, nothing in this directory is needed.
    if (url !== undefined && options.data === undefined) return undefined;
    throw error;
  });
  if (url === undefined && fleet === undefined && options.data !== undefined)
    throw new DepotError('NOT_FOUND', `no fleet runs in ${options.data}`, {
      detail: { remedy: `start it: tuf-depot start --data ${options.data}` },
    });
  const urls = fleet?.operatorUrls.map(parseUrl) ?? [];
  const [first] = urls;
  if (fleet !== undefined && first !== undefined && (url === undefined || urls.includes(url)))
    return byFleet(fleet, url ?? first);
  if (options.data !== undefined) return undefined;
  const login = (await readLogins(environment)).findLast(each => url === undefined || each.url === url);
  return login && byLogin(login);
};

const byFleet = ({ tokenFile, authoritiesFile }: FleetRecord, url: string): Known => ({
  url,
  token: async () => (tokenFile === undefined ? undefined : await readToken(tokenFile)),
  trust: async () => (authoritiesFile === undefined ? undefined : await readFleetTrust(authoritiesFile)),
});

const byLogin = ({ name, url, token, ca_pem: authoritiesPem }: Login): Known => ({
  ...{ url, login: { name, url } },
  token: async given => (given === undefined || given.fleet === name ? token : undefined),
  trust: async () => (authoritiesPem === undefined ? undefined : { authoritiesPem, fleet: name }),
});

const isSecure = (url: string): boolean => url.startsWith('https:');

const connectionTo = (
  url: string,
  { token, trust, login }: Pick<Connection, 'token' | 'trust' | 'login'>,
): Connection => {
  if (trust === undefined || isSecure(url)) return { url, token, trust, login };
  throw usageError(
    `an authority is given, and ${url} is not encrypted`,
    `write it like ${url.replace('http:', 'https:')}`,
  );
};

/** TK3 */
const tokenForNobody = (): DepotError =>
  usageError(
    `a token is given, but no Nexus: at ${DEFAULT_URL} any program of this machine may listen, and would receive the token`,
    `name the Nexus with --url or TUF_DEPOT_URL, or log in: tuf-depot login ADDRESS; if yours is there: --url ${DEFAULT_URL}`,
  );

/** @param file the authority of a fleet. @throws `CONFIG_INVALID` naming it */
export const readFleetTrust = async (file: string): Promise<FleetTrust> => {
  const authoritiesPem = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new DepotError('CONFIG_INVALID', `cannot read the authority ${file}`, { cause });
  });
  const [certificate] = parseCertificates(authoritiesPem, file);
  const fleet = fleetOf(certificate.raw);
  if (fleet === undefined)
    throw new DepotError(
      'CONFIG_INVALID',
      `${file} is not the authority of a fleet: its only URI name must be spiffe://FLEET; give the ca.pem of identity init`,
    );
  return { authoritiesPem, fleet };
};

const readGivenToken = async (
  { tokenFile }: RemoteOptions,
  { environment, directory }: Context,
): Promise<string | undefined> => {
  if (tokenFile !== undefined) return readToken(resolve(directory, tokenFile));
  const token = nonEmpty(environment.TUF_DEPOT_TOKEN);
  if (token !== undefined) return token.trim();
  const file = nonEmpty(environment.TUF_DEPOT_TOKEN_FILE);
  return file === undefined ? undefined : readToken(resolve(directory, file));
};

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** Normalised, without a final slash. */
export const parseUrl = (text: string): string => {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw usageError(`${text} is not an HTTP address`, `write it like ${DEFAULT_URL}`);
  }
  return url.href.replace(/\/+$/, '');
};

export const readToken = async (file: string): Promise<string> => {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    const remedy =
      'name a file that holds a token: --token-file FILE or TUF_DEPOT_TOKEN_FILE; or log in: tuf-depot login ADDRESS';
    throw new DepotError('UNAUTHORIZED', `cannot read the token file ${file}`, { cause, detail: { remedy } });
  });
  const token = text.trim();
  if (token === '') throw new DepotError('UNAUTHORIZED', `the token file ${file} is empty`);
  return token;
};
