import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readNexusConfig, readNexusSettings } from './config.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nexus-config-'));
});
afterEach(() => rm(directory, { recursive: true }));

const IDENTITY = '[identity]\ncertificate_file = "c.pem"\nkey_file = "k.pem"\nca_file = "ca.pem"\n';
const BARE = 'staging_directory = "staging"\n[database]\nurl = "postgresql:///depot?host=/run/pg"\n';
const LEAST = `${BARE}${IDENTITY}`;

const read = async (text: string) => {
  const path = join(directory, 'nexus.toml');
  await writeFile(path, text);
  return readNexusConfig(path);
};

test('a file needs only the staging directory, the database and an identity', async () => {
  expect(await read(LEAST)).toMatchObject({
    stagingDirectory: join(directory, 'staging'),
    tokenFile: join(directory, 'nexus-token'),
    operatorListen: { host: '127.0.0.1', port: 12220 },
    plainListen: undefined,
    debugListen: undefined,
    leftovers: [],
    allowedHosts: [],
    signatures: { rsaPkcs1v15: 'refused' },
    limits: { repositoryBytes: 4 * 1024 ** 3, artifactBytes: 2 * 1024 ** 3 },
    replication: { periodMs: 60_000, minSledReplication: 3, disable: false },
  });
});

test('the state of background tasks is read without a token at a named address alone', async () => {
  const at = (address: string) => read(`${LEAST}[debug]\nplain_listen = "${address}"\n`);
  expect((await at('127.0.0.1:12232')).debugListen).toEqual({ host: '127.0.0.1', port: 12232 });
  for (const every of ['0.0.0.0:12232', '[::]:12232', '0:12232'])
    await expect(at(every)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('debug.plain_listen'),
    });
});

test('the time for 64 KiB is a setting, of clients and of each source (B13)', async () => {
  const source = '[[source]]\nname = "vendor"\nurl = "https://example.com/repo"\n';
  const standard = await read(`${LEAST}${source}`);
  expect([standard.progress.intervalMs, standard.sources[0]?.progress.intervalMs]).toEqual([10_000, 10_000]);
  const slow = await read(`${LEAST}[limits]\nstall_s = 120\n${source}stall_s = 60\n`);
  expect([slow.progress.intervalMs, slow.sources[0]?.progress.intervalMs]).toEqual([120_000, 60_000]);
});

test('retention is off unless both of its settings are there (B19)', async () => {
  expect((await read(LEAST)).pruner.policy).toBeUndefined();
  const both = 'nkeep_extra_target_releases = 0\nnkeep_extra_newly_uploaded = 4\n';
  expect((await read(`${LEAST}[tuf_repo_pruner]\n${both}`)).pruner.policy).toEqual({
    keepTargetReleases: 2,
    keepUploads: 5,
  });
  for (const [line, missing] of [
    ['nkeep_extra_newly_uploaded = 4', 'nkeep_extra_target_releases'],
    ['nkeep_extra_target_releases = 0', 'nkeep_extra_newly_uploaded'],
  ])
    await expect(read(`${LEAST}[tuf_repo_pruner]\n${line}\n`)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`nexus.toml: tuf_repo_pruner.${missing} is missing`),
    });
});

test('without an identity nothing is served, and the error names the commands and the page; a migration needs none (T1a)', async () => {
  await expect(read(BARE)).rejects.toMatchObject({
    code: 'IDENTITY_REQUIRED',
    message: expect.stringMatching(
      /nexus\.toml has no section \[identity\].*identity init.*identity issue.*docs\/operations\.md, "A fleet without identities is upgraded"/,
    ),
  });
  expect(await readNexusSettings(join(directory, 'nexus.toml'))).toMatchObject({ identity: undefined });
});

test('a setting of an earlier version has no effect, and is named at the start', async () => {
  expect(await read(`insecure_listen = true\n${LEAST}`)).toMatchObject({ leftovers: ['insecure_listen'] });
});

test('with an identity operators connect by TLS unless the file says otherwise, and its paths are relative to the file', async () => {
  const config = await read(`${LEAST}authority_directory = "fleet-ca"\n`);
  expect(config).toMatchObject({
    identity: {
      certificateFile: join(directory, 'c.pem'),
      keyFile: join(directory, 'k.pem'),
      authoritiesFile: join(directory, 'ca.pem'),
    },
    authorityDirectory: join(directory, 'fleet-ca'),
    operatorTransport: 'tls',
    metricsAccess: 'operator',
  });
  const plain = await read(`operator_transport = "plain"\n${LEAST}`);
  expect(plain.operatorTransport).toBe('plain');
});

test.each([
  ['a file under two keys', `${BARE}${IDENTITY.replace('k.pem', './c.pem')}`, /have to be three files/],
  ['without a key', `${BARE}${IDENTITY.replace('key_file = "k.pem"\n', '')}`, /identity\.key_file/],
  ['with an empty path', `${BARE}${IDENTITY.replace('"ca.pem"', '""')}`, /identity\.ca_file/],
  ['with another key', `${LEAST}ca = "x"\n`, /unknown key identity\.ca; known here: .*ca_file/],
])('an identity %s is an error that names the file and the key', async (_, text, message) => {
  await expect(read(text)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(message),
  });
  await expect(read(text)).rejects.toThrow('nexus.toml');
});

test('an unknown key is an error that names the file, the key and the known keys', async () => {
  await expect(read(`${LEAST}[tuf_artifact_replication]\nmin_sleds = 1\n`)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(
      /nexus\.toml: unknown key tuf_artifact_replication\.min_sleds; known here: .*min_sled_replication/,
    ),
  });
});

test('implausible values are refused by key', async () => {
  await expect(read(LEAST.replace('postgresql', 'mysql'))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('database.url: must be a URL such as postgresql://'),
  });
  await expect(read(`${LEAST}[tuf_artifact_replication]\nmin_sled_replication = 0\n`)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('tuf_artifact_replication.min_sled_replication'),
  });
  await expect(read(`operator_listen = "localhost"\n${LEAST}`)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('operator_listen'),
  });
});
