import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readCredentials } from '../identity/credentials.ts';
import { derivedSledId, GENERIC_PART } from '../identity/derived-sled-id.ts';
import type { PeerIdentity } from '../identity/peer-identity.ts';
import { fleetPaths } from './data-directory.ts';
import { openFleetIdentity } from './fleet-identity.ts';

const STAGED_ID = '0d5a9a6a-90a4-4d0f-8b1c-1d5ac1a2b3c4';

const dataDirectory = async () => {
  const root = await mkdtemp(join(tmpdir(), 'fleet-identity-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const paths = fleetPaths(root);
  /** One start of the fleet: who its processes are. */
  const start = async (): Promise<readonly PeerIdentity[]> => {
    await using identity = await openFleetIdentity(paths, error => expect.unreachable(String(error)));
    const nexus = await readCredentials(await identity.nexus(paths.nexus(1)), 'nexus');
    const sled = await readCredentials(await identity.sled(paths.sled(1)), 'sled');
    return [nexus.identity, sled.identity];
  };
  return { paths, start };
};

test('a fleet that starts again has the same authority and the same names (FI1)', async () => {
  const { start, paths } = await dataDirectory();
  const first = await start();
  expect(first[1]?.id).toBe(derivedSledId(GENERIC_PART, paths.sled(1).name));
  expect(await start()).toEqual(first);
});

test('a Nexus of a directory from before identities keeps the id of its staging directory (FI1)', async () => {
  const { start, paths } = await dataDirectory();
  const { staging } = paths.nexus(1);
  await mkdir(staging, { recursive: true });
  await writeFile(join(staging, 'nexus-id'), `${STAGED_ID}\n`);
  expect((await start())[0]?.id).toBe(STAGED_ID);
});

test('a directory from before identities has no admin key, so that its sleds go on with what they have (FI2)', async () => {
  const { paths } = await dataDirectory();
  await mkdir(paths.nexus(1).staging, { recursive: true });
  for (let start = 0; start < 2; start += 1) {
    await using identity = await openFleetIdentity(paths, error => expect.unreachable(String(error)));
    expect(identity.adminKeyFile).toBeUndefined();
  }
});

test('a new fleet has an admin key, the same at each start; one from before has none (FI2)', async () => {
  const { paths } = await dataDirectory();
  const keyFile = async () => {
    await using identity = await openFleetIdentity(paths, error => expect.unreachable(String(error)));
    return identity.adminKeyFile;
  };
  const file = await keyFile();
  expect(file).toBe(join(paths.identity, 'admin-key.pub.pem'));
  const pem = await readFile(file ?? '', 'utf8');
  expect(await keyFile()).toBe(file);
  expect(await readFile(file ?? '', 'utf8')).toBe(pem);
  await rm(join(paths.identity, 'admin-key.pem'));
  await rm(file ?? '');
  expect(await keyFile()).toBeUndefined();
});
