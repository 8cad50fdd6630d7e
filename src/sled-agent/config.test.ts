import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { derivedSledId } from '../identity/derived-sled-id.ts';
import { readSledAgentConfig } from './config.ts';

const read = async (text: string) => {
  const directory = await mkdtemp(join(tmpdir(), 'sled-config-'));
  try {
    const path = join(directory, 'sled.toml');
    await writeFile(path, text);
    return { directory, config: await readSledAgentConfig(path) };
  } finally {
    await rm(directory, { recursive: true });
  }
};

const MINIMAL =
  'serial = "S1"\ntransport = "plain"\nnexus = ["127.0.0.1:12221"]\ndatasets = ["m2-a", "/mnt/m2-b"]\n';

test('a minimal file is enough; relative paths are relative to it', async () => {
  const { directory, config } = await read(MINIMAL);
  expect(config).toMatchObject({
    sledId: derivedSledId('generic', 'S1'),
    baseboard: { serial: 'S1', part: 'generic', revision: 0 },
    listen: { host: '127.0.0.1', port: 12_345 },
    depotListen: { host: '127.0.0.1', port: 12_348 },
    identity: undefined,
    leftovers: [],
    nexuses: [{ scheme: 'http', host: '127.0.0.1', port: 12_221, expected: { kind: 'nexus' } }],
    allowedHosts: [],
    trust: { signatures: { rsaPkcs1v15: 'refused' } },
    store: {
      directories: [join(directory, 'm2-a'), '/mnt/m2-b'],
      deletion: { waitMs: 600_000, limitPercent: 50, limitWaitMs: 604_800_000 },
    },
    limits: { puts: 16, copies: 16 },
    runningVersionFile: undefined,
    readyFile: undefined,
  });
});

test('a sled without an identity, which judges no release, does not accept a scheme of signatures', async () => {
  await expect(read(`${MINIMAL}trust = { accept_rsa_pkcs1v15 = true }\n`)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('trust: a sled without an [identity] pins nothing'),
  });
});

test('IPv6 addresses are written in brackets', async () => {
  const { config } = await read(
    `${MINIMAL.replace('127.0.0.1:12221', '[fd00::1]:12221')}listen = "[::1]:0"\ndepot_listen = "[::1]:0"\n`,
  );
  expect(config).toMatchObject({
    nexuses: [{ host: 'fd00::1', port: 12_221 }],
    listen: { host: '::1', port: 0 },
  });
});

const IDENTITY = '[identity]\ncertificate_file = "c.pem"\nkey_file = "k.pem"\nca_file = "ca.pem"\n';

test('without an identity a file says so by name, or is an error that names the commands and the page (T1a)', async () => {
  await expect(read(MINIMAL.replace('transport = "plain"\n', ''))).rejects.toMatchObject({
    code: 'IDENTITY_REQUIRED',
    message: expect.stringMatching(
      /sled\.toml has no section \[identity\].*sled invite.*sled-agent join.*docs\/operations\.md, "A fleet without identities is upgraded"/,
    ),
  });
  await expect(read(`${MINIMAL}${IDENTITY}`)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('transport = "plain" belongs to a sled without an identity'),
  });
});

test('a setting of an earlier version has no effect, and is named at the start', async () => {
  const { config } = await read(`insecure_listen = true\n${MINIMAL}`);
  expect(config.leftovers).toEqual(['insecure_listen']);
});

test('a sled id made of part and serial is the same after every wipe, and another one for another machine', () => {
  const id = derivedSledId('913-0000019', 'BRM42220014');
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(derivedSledId('913-0000019', 'BRM42220014')).toBe(id);
  expect(derivedSledId('913-0000019', 'BRM42220015')).not.toBe(id);
});

test.each([
  ['a misspelt key', `${MINIMAL}lisen = "x"`, /sled\.toml: unknown key lisen; known here: .*listen/],
  ['a misspelt limit', `${MINIMAL}[limits]\nput = 1`, /unknown key limits\.put; known here: .*puts/],
  [
    'one identity file under two keys',
    `${MINIMAL.replace('transport = "plain"\n', '')}[identity]\ncertificate_file = "c.pem"\nkey_file = "./c.pem"\nca_file = "ca.pem"\n`,
    /sled\.toml: identity: certificate_file, key_file and ca_file have to be three files/,
  ],
  ['no Nexus', 'serial = "a"\ndatasets = ["x"]', /nexus: /],
  ['no dataset', 'serial = "a"\nnexus = ["127.0.0.1:1"]\ndatasets = []', /datasets: /],
  ['one dataset twice', MINIMAL.replace('/mnt/m2-b', './m2-a'), /datasets: .*m2-a is listed twice/],
  [
    'an address without a port',
    `${MINIMAL}listen = "127.0.0.1"`,
    /sled\.toml: listen: "127\.0\.0\.1" is not an address/,
  ],
  ['a port too high', MINIMAL.replace('12221', '99999'), /nexus\.0: .*99999/],
  ['an IPv6 address without brackets', `${MINIMAL}listen = "::1:80"`, /listen: "::1:80" is not an address/],
  [
    'artifacts without TLS on every address',
    `${MINIMAL}depot_plain_listen = "0.0.0.0:1"`,
    /sled\.toml: depot_plain_listen: 0\.0\.0\.0 is every address of this machine/,
  ],
  ...['[0:0::0]', '[::ffff:0.0.0.0]', '0', '0x0', '0.0'].map((host): [string, string, RegExp] => [
    `artifacts without TLS on every address, written as ${host}`,
    `${MINIMAL}depot_plain_listen = "${host}:1"`,
    /sled\.toml: depot_plain_listen: .* is every address of this machine/,
  ]),
  [
    'listening everywhere under no name',
    `${MINIMAL}listen = "0.0.0.0:1"\ndepot_listen = "0.0.0.0:2"`,
    /advertise_host: /,
  ],
  [
    'two hosts under no name',
    `${MINIMAL}listen = "127.0.0.2:1"`,
    /advertise_host: .*127\.0\.0\.2.*127\.0\.0\.1/,
  ],
  ['a sled id that is none', `${MINIMAL}sled_id = "x"`, /sled_id: /],
])('%s is an error that names the file and the key', async (_, text, message) => {
  await expect(read(text)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(message),
  });
});
