import { resolve } from 'node:path';
import type { Command } from 'commander';
import { certificateSha256 } from '../../identity/certificate.ts';
import { parseCertificates } from '../../identity/credentials.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import { formOfToken } from '../../lib/operator-token.ts';
import { type Connection, readToken } from '../connection/connection.ts';
import { openDepot } from '../connection/depot-client.ts';
import { establishTrust, parseLoginAddress } from '../connection/first-trust.ts';
import { addressArgument } from '../connection/login-remedy.ts';
import { type Login, readLogins, requireLoginsFile, saveLogin } from '../connection/logins.ts';
import { usageError } from '../output/failure.ts';
import { factLines, tableLines } from '../output/table.ts';
import { readSecret } from '../session/prompt.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type LoginOptions = CommonOptions & {
  readonly list?: true;
  readonly caDigest?: string;
  readonly caFile?: string;
  readonly tokenFile?: string;
};

export const addLogin = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('login')
      .description(
        'verify the fleet of a Nexus, check your token there, and keep both for all other commands; the token is typed, or read from standard input. Nothing is sent before the fleet is verified',
      )
      .argument('[address]', 'operator_listen of a Nexus, such as 10.0.0.1:12220')
      .option(
        '--ca-digest <sha256>',
        'of the authority, as tuf-depot identity show prints it; needed without a terminal',
      )
      .option('--ca-file <file>', 'the authority itself, in PEM, instead of its digest')
      .option('--token-file <file>', 'file with the token')
      .option('--list', 'show the logins; the last one is used unless --fleet names another'),
    'tuf-depot login 10.0.0.1:12220',
  ).action(async (address: string | undefined, options: LoginOptions) => {
    if (options.list === true) return await listLogins(session, options);
    if (address === undefined)
      throw usageError('no address is given', 'give the operator_listen of a Nexus, such as 10.0.0.1:12220');
    await logIn(session, parseLoginAddress(address), options);
  });
};

const logIn = async (session: Session, url: string, options: LoginOptions): Promise<void> => {
  const { environment, directory } = session;
  // What a person has to repair is found before anything is asked or sent.
  requireLoginsFile(environment);
  await readLogins(environment);
  const caFile = options.caFile === undefined ? undefined : resolve(directory, options.caFile);
  const trust = await establishTrust(url, { caFile, caDigest: options.caDigest }, session);
  if (trust === undefined)
    session.terminal.note(
      `${url} has no TLS, so it has not proven to be a Nexus: any program of this machine could listen there.`,
    );
  const token = requireToken(
    options.tokenFile === undefined
      ? await readSecret(session, 'Type or paste your token; it is not shown:')
      : await readToken(resolve(directory, options.tokenFile)),
  );
  const self = await whoAmI({ url, token, trust }, session);
  const name = trust?.fleet ?? addressArgument(url).replace(/^http:\/\//, '');
  const login: Login = { name, url, token, ...self, ca_pem: trust?.authoritiesPem };
  const file = await saveLogin(login, environment);
  present(session, options, { ...shownLogin(login), file }, () => [
    `Logged in to ${name} at ${addressArgument(url)}.`,
    ...factLines(
      [
        ['role', self.role],
        ['token', self.token_id ?? 'break-glass token of this Nexus'],
        ['valid until', self.time_expires],
        ['kept in', file],
      ],
      session.terminal.outStyle,
    ),
  ]);
  noteStronger(session);
};

/** Nothing that a person pastes becomes another header of the request. */
const requireToken = (token: string): string => {
  const refuse = (why: string): DepotError =>
    new DepotError('UNAUTHORIZED', `${why}; nothing was sent`, {
      detail: { remedy: 'give the whole token, as tuf-depot token create printed it' },
    });
  if (token === '') throw refuse('no token was given');
  if (!/^[\x21-\x7e]+$/.test(token))
    throw refuse('this is no token: it has spaces, line breaks or other characters');
  if (formOfToken(token) === 'damaged') throw refuse('the token is damaged: its checksum is wrong');
  return token;
};

const whoAmI = async (connection: Connection, { signal }: Session) => {
  await using depot = openDepot(connection, { signal });
  try {
    return await depot.access.operatorSelf();
  } catch (error) {
    if (errorCodeOf(error) !== 'UNAUTHORIZED') throw error;
    throw new DepotError('UNAUTHORIZED', 'the token is not accepted, so nothing was kept', {
      cause: error,
      detail: { remedy: 'log in with a new token; an admin makes one with tuf-depot token create' },
    });
  }
};

/** Variables that count before a login. */
const STRONGER = ['TUF_DEPOT_URL', 'TUF_DEPOT_CA_FILE', 'TUF_DEPOT_TOKEN', 'TUF_DEPOT_TOKEN_FILE'];

const noteStronger = ({ environment, terminal }: Session): void => {
  const set = STRONGER.filter(name => (environment[name] ?? '') !== '');
  if (set.length > 0)
    terminal.note(
      `Set in the environment, and counting before this login: ${set.join(', ')}. Unset them to use it.`,
    );
};

/** Without the token. */
const shownLogin = ({ name, url, ca_pem, role, token_id, time_expires }: Login) => ({
  fleet: name,
  url,
  authority_sha256: ca_pem === undefined ? [] : parseCertificates(ca_pem, 'the login').map(certificateSha256),
  role,
  token_id: token_id ?? null,
  time_expires: time_expires ?? null,
});

const DATE_CHARS = '2026-01-02'.length;

const listLogins = async (session: Session, options: LoginOptions): Promise<void> => {
  const logins = (await readLogins(session.environment)).map(shownLogin);
  const { outStyle: style, outColumns } = session.terminal;
  const newest = logins.at(-1);
  present(session, options, logins, () =>
    newest === undefined
      ? ['There is no login. tuf-depot login ADDRESS makes one.']
      : tableLines(
          logins,
          [
            { title: 'FLEET', cell: login => login.fleet, paint: style.bold },
            { title: 'ADDRESS', cell: login => addressArgument(login.url) },
            { title: 'ROLE', cell: login => login.role },
            { title: 'EXPIRES', cell: login => login.time_expires?.slice(0, DATE_CHARS) ?? '-' },
            {
              title: 'USED',
              cell: login => (login === newest ? 'without --fleet' : `with --fleet ${login.fleet}`),
            },
          ],
          { style, width: outColumns() },
        ),
  );
  noteStronger(session);
};
