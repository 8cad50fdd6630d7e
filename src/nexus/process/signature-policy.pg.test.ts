/** RSA signatures of PKCS#1 v1.5 in a Nexus: everything that it judges goes by `accept_rsa_pkcs1v15` of its own configuration. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeRepositoryArchive } from '../../signing/assemble.ts';
import { generatePkcs1v15Key } from '../../signing/pkcs1v15-key.fixture.ts';
import { makeTestRepository } from '../../signing/release.fixture.ts';
import { createRoot, keysForAllRoles, rotateRoot } from '../../signing/sign-metadata.ts';
import { serveRepository } from '../../source/repository-server.fixture.ts';
import { restoreBackupBefore } from '../datastore/restore-backup.fixture.ts';
import { chunksOf, createTestWorld, type TestNexus, type TestWorld } from './nexus.fixture.ts';

const wait = { signal: new AbortController().signal };
const keys = keysForAllRoles([generatePkcs1v15Key()]);
const ACCEPTING = { trust: { accept_rsa_pkcs1v15: true } };
const REFUSED = {
  code: 'UNTRUSTED_SIGNATURES',
  message: expect.stringContaining('counts only where a policy accepts it'),
  detail: expect.objectContaining({
    remedy: expect.stringContaining('accept_rsa_pkcs1v15 = true in [trust]'),
  }),
};

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const versionsOf = async (nexus: TestNexus) =>
  (await nexus.operator.repositoryList({ query: {} }, wait)).items.map(item => item.system_version);
const versions = (of: number) => ({ timestamp: of, snapshot: of, targets: of });

test('a Nexus trusts such a root and takes its releases where its configuration accepts the scheme, and names the setting elsewhere', async () => {
  const release = await world.release({ keys });
  const strict = await world.startNexus({ name: 'strict' });
  await expect(strict.trust(release)).rejects.toMatchObject(REFUSED);
  const accepting = await world.startNexus({ name: 'accepting', config: ACCEPTING });
  await accepting.trust(release);
  await accepting.upload(release);
  expect(await versionsOf(accepting)).toEqual(['1.0.0']);

  // The root is in the database of both now: it vouches for nothing in a Nexus that does not accept the scheme.
  const second = await world.release({ keys, systemVersion: '2.0.0', versions: versions(2) });
  await expect(strict.upload(second)).rejects.toMatchObject(REFUSED);
  const modern = await world.release({ systemVersion: '3.0.0' });
  await strict.trust(modern);
  await strict.upload(modern);
  expect(await versionsOf(strict)).toEqual(expect.arrayContaining(['1.0.0', '3.0.0']));
});

test('an archive of roots moves such a trust root only in a Nexus that accepts the scheme', async () => {
  const options = { expiresMs: Date.UTC(2100, 0, 1), consistentSnapshot: false };
  const one = createRoot({ keys, version: 1, ...options });
  const two = rotateRoot({ bytes: one, keys: keys.root.keys }, { keys, ...options });
  const path = join(world.directory, 'roots.zip');
  const metadata = new Map([
    ['1.root.json', one],
    ['2.root.json', two],
  ]);
  await writeRepositoryArchive({ metadata, targets: new Map() }, path);
  const bytes = await readFile(path);
  const upload = (nexus: TestNexus) =>
    nexus.operator.repositoryUpload(
      { query: { file_name: 'roots.zip' }, body: { sizeBytes: bytes.length, chunks: chunksOf(bytes) } },
      wait,
    );
  const accepting = await world.startNexus({ name: 'accepting', config: ACCEPTING });
  const { id } = await accepting.trust({ trustRoot: one });
  const strict = await world.startNexus({ name: 'strict' });
  await expect(upload(strict)).rejects.toMatchObject(REFUSED);
  await upload(accepting);
  const moved = await accepting.operator.trustRootView({ params: { trust_root_id: id } }, wait);
  expect(moved.root_version).toBe(2);
});

test('a source that is signed so is followed only where the scheme is accepted, and says what is missing', async () => {
  await using server = await serveRepository();
  const repository = await makeTestRepository({ keys, artifacts: [{ sizeBytes: 1_000 }] });
  server.publish(repository.files);
  const source = [{ name: 'vendor', url: server.url, period_secs: 86_400 }];
  const look = async (nexus: TestNexus) => {
    await nexus.sources.sourceSync({ body: { source: 'vendor' } }, wait);
    for (;;) {
      const view = await nexus.sources.sourceView({ params: { name: 'vendor' } }, wait);
      if (view.state !== 'syncing' && view.state !== 'waiting') return view;
      await delay(20);
    }
  };
  const accepting = await world.startNexus({ name: 'accepting', config: { ...ACCEPTING, source } });
  await accepting.trust(repository);
  const strict = await world.startNexus({ name: 'strict', config: { source } });
  expect(await look(strict)).toMatchObject({
    state: 'refused',
    error: {
      code: 'UNTRUSTED_SIGNATURES',
      message: expect.stringContaining('accept_rsa_pkcs1v15 = true in [trust] of nexus.toml'),
    },
  });
  expect(server.requests.filter(request => request.startsWith('GET /targets/'))).toEqual([]);
  expect(await look(accepting)).toMatchObject({ state: 'current', system_version: '1.0.0' });
});

test('an archive that the database forgot is recorded again only where the scheme is still accepted, and is kept otherwise (P4)', async () => {
  const release = await world.release({ keys });
  const first = await world.startNexus({ config: ACCEPTING });
  await first.trust(release);
  await first.upload(release);
  await first[Symbol.asyncDispose]();
  await restoreBackupBefore(world.database);

  const strict = await world.startNexus();
  expect(await versionsOf(strict)).toEqual([]);
  const { reasons } = await strict.fleet.fleetStatus({}, wait);
  expect(reasons).toContainEqual(
    expect.objectContaining({
      code: 'ARCHIVE_NOT_SERVED',
      message: expect.stringContaining('accept_rsa_pkcs1v15 = true'),
    }),
  );
  await strict[Symbol.asyncDispose]();
  const again = await world.startNexus({ config: ACCEPTING });
  expect(await versionsOf(again)).toEqual(['1.0.0']);
});
