import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { expect, onTestFinished, test } from 'vitest';
import { identityPaths } from '../identity/authority-files.ts';
import { fleetPaths, fleetSizeOf, removeFleet } from './data-directory.ts';
import { makeDemoDirectory } from './demo-directory.ts';
import { minSledReplication } from './fleet-size.ts';
import { freeAddress, readPorts, writePorts } from './ports.ts';
import { writeNexusConfig, writeSledConfig } from './process-config.ts';

const temporaryDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-fleet-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
};

test('a release is safe on three sleds, or on all where there are fewer (S24)', () => {
  expect([1, 2, 3, 4, 32].map(minSledReplication)).toEqual([1, 2, 3, 3, 3]);
});

test('a data directory remembers how large its fleet was', async () => {
  const root = await temporaryDirectory();
  expect(await fleetSizeOf(join(root, 'absent'))).toEqual({ nexuses: 0, sleds: 0 });
  for (const name of ['nexus-1', 'sled-1', 'sled-2', 'sled-10', 'logs', 'sled-x'])
    await mkdir(join(root, name));
  expect(await fleetSizeOf(root)).toEqual({ nexuses: 1, sleds: 10 });
});

test('removing a fleet removes its database, also one that lies elsewhere', async () => {
  const [root, elsewhere] = [await temporaryDirectory(), await temporaryDirectory()];
  const { postgres } = fleetPaths(join(root, 'fleet'));
  await mkdir(postgres, { recursive: true });
  await mkdir(join(elsewhere, 'database-1', 'data'), { recursive: true });
  await symlink(join(elsewhere, 'database-1', 'data'), join(postgres, 'data'));
  await removeFleet(join(root, 'fleet'));
  expect([...(await readdir(root)), ...(await readdir(elsewhere))]).toEqual([]);
});

test('ports of the last run are used again if they are free', async () => {
  const path = join(await temporaryDirectory(), 'ports.json');
  expect(await readPorts(path)).toEqual({});
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const taken = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  expect(await freeAddress(taken)).toBe('127.0.0.1:0');
  server.close();
  await once(server, 'close');
  await writePorts(path, { 'nexus-1': [taken, '127.0.0.1:0'] });
  expect(await freeAddress((await readPorts(path))['nexus-1']?.[0])).toBe(taken);
  expect(await freeAddress(undefined)).toBe('127.0.0.1:0');
  await writeFile(path, 'not json');
  expect(await readPorts(path)).toEqual({});
});

test('processes are configured by files that only their owner reads', async () => {
  const paths = fleetPaths(await temporaryDirectory());
  const [nexus, sled] = [paths.nexus(1), paths.sled(2)];
  await mkdir(nexus.home);
  await mkdir(sled.home);
  await writeNexusConfig(nexus, paths, {
    identity: identityPaths(nexus.identity),
    adminKeyFile: join(paths.identity, 'admin-key.pub.pem'),
    listen: ['127.0.0.1:1', '127.0.0.1:2'],
    acceptsRsaPkcs1v15: true,
    databaseUrl: 'postgresql:///postgres?host=%2Ftmp&port=5432&user=x',
    minSledReplication: 2,
  });
  await writeSledConfig(sled, {
    identity: identityPaths(sled.identity),
    adminKeyFile: join(paths.identity, 'admin-key.pub.pem'),
    listen: ['127.0.0.1:3', '127.0.0.1:0'],
    nexusAddresses: ['127.0.0.1:2'],
    acceptsRsaPkcs1v15: true,
  });
  expect((await stat(nexus.config)).mode & 0o777).toBe(0o600);
  expect(parse(await readFile(nexus.config, 'utf8'))).toMatchObject({
    staging_directory: nexus.staging,
    internal_listen: '127.0.0.1:2',
    trust: { accept_rsa_pkcs1v15: true },
    tuf_artifact_replication: { min_sled_replication: 2 },
  });
  expect(parse(await readFile(sled.config, 'utf8'))).toMatchObject({
    serial: 'sled-2',
    identity: { key_file: join(sled.identity, 'key.pem') },
    nexus: ['127.0.0.1:2'],
    datasets: sled.datasets,
    trust: { accept_rsa_pkcs1v15: true },
  });
});

test('the demo reports the space that it needs when there is none, and leaves nothing behind', async () => {
  const fallback = await temporaryDirectory();
  await expect(makeDemoDirectory(2 ** 60, fallback)).rejects.toThrow(
    /needs 11529\d+ bytes of free disk space/,
  );
  let path: string;
  {
    await using directory = await makeDemoDirectory(0, fallback);
    path = directory.path;
    await writeFile(join(path, 'file'), 'x');
  }
  await expect(stat(path)).rejects.toThrow('ENOENT');
});
