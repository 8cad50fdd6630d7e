/** Which address, authority and token a command uses, with options, variables, a started fleet and logins in every combination. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { testFleetIdentity } from '../../identity/identity.fixture.ts';
import { writeFleetRecord } from '../../local-fleet/fleet-record.ts';
import { type RemoteOptions, resolveConnection } from './connection.ts';
import { saveLogin } from './logins.ts';

const caOf = (fleet: string): string => testFleetIdentity(fleet).authority.certificate.toString();
const FLEETS = ['old', 'last', 'option', 'variable', 'started', 'named'] as const;
const CA = Object.fromEntries(FLEETS.map(name => [name, caOf(name)]));

const URLS = {
  option: 'https://10.0.0.1:1',
  variable: 'https://10.0.0.2:1',
  started: 'https://10.0.0.3:1',
  named: 'https://10.0.0.4:1',
  old: 'https://10.0.0.5:1',
  last: 'https://10.0.0.6:1',
} as const;

/** Files, a started fleet in ./.tuf-depot and in ./named, and logins to two fleets, each with its own of everything. */
const makeHome = async ({ started = true, logins = true }) => {
  const directory = await mkdtemp(join(tmpdir(), 'precedence-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const name of FLEETS) {
    await writeFile(join(directory, `${name}.pem`), CA[name]!);
    await writeFile(join(directory, `${name}.token`), `token-${name}`);
  }
  for (const [data, name] of [
    ...(started ? [['.tuf-depot', 'started'] as const] : []),
    ['named', 'named'] as const,
  ]) {
    await mkdir(join(directory, data));
    await writeFleetRecord(join(directory, data), {
      ...{ pid: process.pid, operatorUrls: [URLS[name]], minSledReplication: 1 },
      tokenFile: join(directory, `${name}.token`),
      authoritiesFile: join(directory, `${name}.pem`),
    });
  }
  const home = { XDG_CONFIG_HOME: join(directory, 'config') };
  if (logins)
    for (const name of ['old', 'last'] as const)
      await saveLogin(
        { name, url: URLS[name], ca_pem: CA[name], token: `token-${name}`, role: 'viewer' },
        home,
      );
  return { directory, home };
};

const ENVIRONMENT = {
  TUF_DEPOT_URL: URLS.variable,
  TUF_DEPOT_CA_FILE: 'variable.pem',
  TUF_DEPOT_TOKEN_FILE: 'variable.token',
};
const only = (...names: (keyof typeof ENVIRONMENT)[]) =>
  Object.fromEntries(names.map(name => [name, ENVIRONMENT[name]]));
const OPTIONS = { url: URLS.option, caFile: 'option.pem', tokenFile: 'option.token' };
/** Where nothing of `place` is given or found. */
const NONE = undefined;
type Used = (typeof FLEETS)[number] | undefined;
type Row = readonly [
  string,
  RemoteOptions,
  Readonly<Record<string, string>>,
  { readonly started?: boolean; readonly logins?: boolean },
  { readonly url: Used; readonly trust: Used; readonly token: Used },
];
const all = (name: Used) => ({ url: name, trust: name, token: name });

const TABLE: readonly Row[] = [
  ['options come first', OPTIONS, ENVIRONMENT, {}, all('option')],
  ['--data comes before variables', { data: 'named' }, {}, {}, all('named')],
  ['… but for the address alone', { data: 'named' }, ENVIRONMENT, {}, { ...all('variable'), url: 'named' }],
  ['variables come before a started fleet and a login', {}, ENVIRONMENT, {}, all('variable')],
  ['a started fleet comes before a login', {}, {}, {}, all('started')],
  ['the last login comes last', {}, {}, { started: false }, all('last')],
  ['--fleet names another login', { fleet: 'old' }, {}, {}, all('old')],
  ['--fleet comes before all variables', { fleet: 'old' }, ENVIRONMENT, {}, all('old')],
  [
    '--fleet with --url is another Nexus of the fleet',
    ...([{ fleet: 'old', url: URLS.option }, {}, {}, { ...all('old'), url: 'option' }] as const),
  ],
  ['--url of a login uses it', { url: URLS.old }, {}, {}, all('old')],
  ['TUF_DEPOT_URL of a login uses it', {}, { TUF_DEPOT_URL: URLS.old }, {}, all('old')],
  ['another --url has no token of a login', { url: URLS.option }, {}, {}, { ...all(NONE), url: 'option' }],
  [
    'a given token is sent below the authority of the login',
    ...([{ url: URLS.old, tokenFile: 'option.token' }, {}, {}, { ...all('old'), token: 'option' }] as const),
  ],
  [
    'a variable with a token is for the last login',
    ...([
      {},
      only('TUF_DEPOT_TOKEN_FILE'),
      { started: false },
      { ...all('last'), token: 'variable' },
    ] as const),
  ],
  [
    'below the authority of another fleet the token of a login is not sent',
    ...([
      { caFile: 'option.pem' },
      {},
      { started: false },
      { url: 'last', trust: 'option', token: NONE },
    ] as const),
  ],
  ['--data excludes logins', { data: 'named', url: URLS.old }, {}, {}, { ...all(NONE), url: 'old' }],
];

test.each(TABLE)('%s (T2b, TK1)', async (_, options, variables, places, expected) => {
  const { directory, home } = await makeHome(places);
  const used = await resolveConnection(options, { environment: { ...home, ...variables }, directory });
  expect({ url: used.url, trust: used.trust?.fleet, token: used.token }).toEqual({
    url: expected.url && URLS[expected.url],
    trust: expected.trust,
    token: expected.token && `token-${expected.token}`,
  });
  if (expected.trust !== undefined) expect(used.trust?.authoritiesPem).toBe(CA[expected.trust]);
});

test('without any of them the default address is used, without a token', async () => {
  const { directory, home } = await makeHome({ started: false, logins: false });
  const used = await resolveConnection({}, { environment: home, directory });
  expect(used).toMatchObject({ url: 'http://127.0.0.1:12220', token: undefined, trust: undefined });
});

test.each([
  [{ fleet: 'none' }, 'NOT_FOUND', /no login to the fleet none$/],
  [{ fleet: 'old', data: 'named' }, 'USAGE', /--fleet and --data exclude each other/],
  [{ fleet: 'plain', url: 'http://10.0.0.9:1' }, 'USAGE', /has no TLS, so its token is for http:\/\/127/],
])('%j is refused with %s', async (options, code, message) => {
  const { directory, home } = await makeHome({});
  await saveLogin({ name: 'plain', url: 'http://127.0.0.1:1', token: 'token-plain', role: 'viewer' }, home);
  await expect(resolveConnection(options, { environment: home, directory })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});
