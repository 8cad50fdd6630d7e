import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readNexusConfig } from './config.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nexus-config-'));
});
afterEach(() => rm(directory, { recursive: true }));

const LEAST = 'staging_directory = "staging"\n[database]\nurl = "postgresql:///depot?host=/run/pg"\n';

const read = async (text: string) => {
  const path = join(directory, 'nexus.toml');
  await writeFile(path, text);
  return readNexusConfig(path);
};

test('a file needs only the staging directory and the database', async () => {
  expect(await read(LEAST)).toMatchObject({
    stagingDirectory: join(directory, 'staging'),
    tokenFile: join(directory, 'nexus-token'),
    operatorListen: { host: '127.0.0.1', port: 12220 },
    insecureListen: false,
    allowedHosts: [],
    limits: { repositoryBytes: 4 * 1024 ** 3, artifactBytes: 2 * 1024 ** 3 },
    replication: { periodMs: 60_000, minSledReplication: 3, disable: false },
  });
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

const IDENTITY = '[identity]\ncertificate_file = "c.pem"\nkey_file = "k.pem"\nca_file = "ca.pem"\n';

test('with an identity operators connect by TLS unless the file says otherwise, and its paths are relative to the file', async () => {
  expect(await read(LEAST)).toMatchObject({ identity: undefined, operatorTransport: 'plain' });
  const config = await read(`${LEAST}${IDENTITY}authority_directory = "fleet-ca"\n`);
  expect(config).toMatchObject({
    identity: {
      certificateFile: join(directory, 'c.pem'),
      keyFile: join(directory, 'k.pem'),
      authoritiesFile: join(directory, 'ca.pem'),
    },
    authorityDirectory: join(directory, 'fleet-ca'),
    operatorTransport: 'tls',
  });
  const plain = await read(`operator_transport = "plain"\n${LEAST}${IDENTITY}`);
  expect(plain.operatorTransport).toBe('plain');
});

test.each([
  ['without the section', `operator_transport = "tls"\n${LEAST}`, /operator_transport: "tls" needs/],
  ['a file under two keys', `${LEAST}${IDENTITY.replace('k.pem', './c.pem')}`, /have to be three files/],
  ['without a key', `${LEAST}${IDENTITY.replace('key_file = "k.pem"\n', '')}`, /identity\.key_file/],
  ['with an empty path', `${LEAST}${IDENTITY.replace('"ca.pem"', '""')}`, /identity\.ca_file/],
  ['with another key', `${LEAST}${IDENTITY}ca = "x"\n`, /unknown key identity\.ca; known here: .*ca_file/],
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
