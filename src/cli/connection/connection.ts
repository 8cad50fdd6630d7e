/**
 * Which Nexus a command talks to, and with which token.
 *
 *     --url ─▶ the fleet in --data ─▶ TUF_DEPOT_URL ─▶ the fleet in ./.tuf-depot ─▶ http://127.0.0.1:12220
 *     --ca-file ─▶ TUF_DEPOT_CA_FILE ─▶ that fleet's authority, for that fleet's addresses ─▶ those of Node, for https://
 *     --token-file ─▶ TUF_DEPOT_TOKEN ─▶ TUF_DEPOT_TOKEN_FILE ─▶ that fleet's token, for that fleet's addresses
 *
 * TK1. A token found in a data directory is sent to the addresses found beside it, and to no other.
 * TK2. With an authority the server has to be a Nexus of the authority's fleet, whatever its address: a token is sent to no
 *      other.
 * TK3. Over plain HTTP a token goes only to an address that a person or a started fleet named: any program of this machine may
 *      listen at the default one, and receive it.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { fleetOf } from '../../identity/authority-files.ts';
import { parseCertificates } from '../../identity/credentials.ts';
import { endpointUrl } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';
import { DEFAULT_DATA_DIRECTORY, readRunningFleet } from '../../local-fleet/fleet-record.ts';
import { usageError } from '../output/failure.ts';
import { type CommonOptions, type Session, withCommonOptions } from '../session/session.ts';

const DEFAULT_URL = endpointUrl({ scheme: 'http', host: '127.0.0.1', port: 12_220 });

export type RemoteOptions = CommonOptions & {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly data?: string;
};

export type Connection = {
  readonly url: string;
  readonly token: string | undefined;
  /** The authority, and the fleet, that the server has to be of; undefined for plain HTTP or Node's own authorities. */
  readonly trust: FleetTrust | undefined;
};

export type FleetTrust = { readonly authoritiesPem: string; readonly fleet: string };

/** A command that talks to a Nexus. */
export const withRemoteOptions = (command: Command, example: string): Command =>
  withCommonOptions(
    command
      .option(
        '--url <url>',
        `Nexus to talk to (TUF_DEPOT_URL; otherwise the fleet in --data, or ${DEFAULT_URL})`,
      )
      .option(
        '--token-file <file>',
        'file with the token of an operator (TUF_DEPOT_TOKEN, TUF_DEPOT_TOKEN_FILE)',
      )
      .option('--ca-file <file>', 'authority of the fleet, in PEM (TUF_DEPOT_CA_FILE)')
      .option('--data <directory>', `data directory of a started fleet (${DEFAULT_DATA_DIRECTORY})`),
    example,
  );

export const resolveConnection = async (
  options: RemoteOptions,
  { environment, directory }: Pick<Session, 'environment' | 'directory'>,
): Promise<Connection> => {
  const givenUrl =
    options.url ?? (options.data === undefined ? nonEmpty(environment.TUF_DEPOT_URL) : undefined);
  const givenToken = await readGivenToken(options, { environment, directory });
  // With all options given, the data directory need not be readable.
  const givenCa = options.caFile ?? nonEmpty(environment.TUF_DEPOT_CA_FILE);
  const trust = givenCa === undefined ? undefined : await readFleetTrust(resolve(directory, givenCa));
  if (givenUrl !== undefined && givenToken !== undefined)
    return connectionTo(parseUrl(givenUrl), givenToken, trust);

  const fleet = await readRunningFleet(resolve(directory, options.data ?? DEFAULT_DATA_DIRECTORY));
  if (givenUrl === undefined && fleet === undefined && options.data !== undefined) {
    throw new DepotError('NOT_FOUND', `no fleet runs in ${options.data}`, {
      detail: { remedy: `start it: tuf-depot start --data ${options.data}` },
    });
  }
  const namedUrl = givenUrl ?? fleet?.operatorUrls[0];
  if (namedUrl === undefined && givenToken !== undefined) throw tokenForNobody();
  const url = parseUrl(namedUrl ?? DEFAULT_URL);
  const own = fleet?.operatorUrls.some(each => parseUrl(each) === url) === true ? fleet : undefined;
  const token = givenToken ?? (own?.tokenFile === undefined ? undefined : await readToken(own.tokenFile));
  const ownTrust = own?.authoritiesFile === undefined ? undefined : await readFleetTrust(own.authoritiesFile);
  return connectionTo(url, token, trust ?? ownTrust);
};

const connectionTo = (url: string, token: string | undefined, trust: FleetTrust | undefined): Connection => {
  if (trust === undefined || url.startsWith('https:')) return { url, token, trust };
  throw usageError(
    `an authority is given, and ${url} is not encrypted`,
    `write it like ${url.replace('http:', 'https:')}`,
  );
};

/** TK3 */
const tokenForNobody = (): DepotError =>
  usageError(
    `a token is given, but no Nexus: at ${DEFAULT_URL} any program of this machine may listen, and would receive the token`,
    `name the Nexus with --url or TUF_DEPOT_URL; if yours is there: --url ${DEFAULT_URL}`,
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
  { environment, directory }: Pick<Session, 'environment' | 'directory'>,
): Promise<string | undefined> => {
  if (tokenFile !== undefined) return readToken(resolve(directory, tokenFile));
  const token = nonEmpty(environment.TUF_DEPOT_TOKEN);
  if (token !== undefined) return token.trim();
  const file = nonEmpty(environment.TUF_DEPOT_TOKEN_FILE);
  return file === undefined ? undefined : readToken(resolve(directory, file));
};

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** Normalised, without a final slash. */
const parseUrl = (text: string): string => {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw usageError(`${text} is not an HTTP address`, `write it like ${DEFAULT_URL}`);
  }
  return url.href.replace(/\/+$/, '');
};

const readToken = async (file: string): Promise<string> => {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new DepotError('UNAUTHORIZED', `cannot read the token file ${file}`, { cause });
  });
  const token = text.trim();
  if (token === '') throw new DepotError('UNAUTHORIZED', `the token file ${file} is empty`);
  return token;
};
