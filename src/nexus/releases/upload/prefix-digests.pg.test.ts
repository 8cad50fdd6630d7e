/** The prefix digests that the database has of the artifacts of a release, in whatever way the release came. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { controlPlane, v1Artifact, zone } from '../../../composite/composites.fixture.ts';
import { makeTestRepository, seededBytes } from '../../../signing/release.fixture.ts';
import { serveRepository } from '../../../source/repository-server.fixture.ts';
import { restoreBackupBefore } from '../../datastore/restore-backup.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';

const MIB = 1024 * 1024;
const wait = { signal: new AbortController().signal };
/** The first is large enough to be hashed while it arrives. */
const SIZES = [9 * MIB + 1, 2 * MIB, MIB, 10];

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

type Content = { readonly sha256: string; readonly bytes: Uint8Array };

const expected = (contents: readonly Content[]): Record<string, string> => {
  const digests = contents.map(({ sha256, bytes }) => {
    const hash = createHash('sha256');
    let ofPrefixes = '';
    for (let at = 0; at + MIB < bytes.length; at += MIB)
      ofPrefixes += hash
        .update(bytes.subarray(at, at + MIB))
        .copy()
        .digest('hex');
    return [sha256, ofPrefixes] as const;
  });
  return Object.fromEntries(digests.filter(([, ofPrefixes]) => ofPrefixes !== ''));
};

const recorded = async (): Promise<Record<string, string>> => {
  const datastore = await world.database.openDatastore();
  const { artifacts } = await datastore.wantedSet(wait);
  const found = await datastore.prefixDigests(new Set(artifacts.keys()), wait);
  return Object.fromEntries(
    [...found].map(([sha256, { unitBytes, digests }]) => {
      expect(unitBytes).toBe(MIB);
      return [sha256, Buffer.from(digests).toString('hex')];
    }),
  );
};

const uploaded = async (nexus: TestNexus) => {
  const release = await world.release({ artifacts: SIZES });
  await nexus.trust(release);
  await nexus.upload(release);
  return release;
};

test('an upload records those of each artifact above one MiB, and a restored database gets them again from the archive', async () => {
  const nexus = await world.startNexus();
  const { artifacts } = await uploaded(nexus);
  const digests = expected(artifacts);
  expect(Object.values(digests).map(({ length }) => length / 64)).toEqual([9, 1]);
  expect(await recorded()).toEqual(digests);

  await nexus[Symbol.asyncDispose]();
  await restoreBackupBefore(world.database);
  const next = await world.startNexus();
  expect(next.services.staging.held()).toHaveLength(1);
  expect(await recorded()).toEqual(digests);
});

test('a release of an earlier version has none until it is uploaded again, and wrong ones are replaced then (RPX2)', async () => {
  const nexus = await world.startNexus();
  const release = await uploaded(nexus);
  const digests = expected(release.artifacts);
  await world.database.query('DELETE FROM tuf_artifact_prefix');
  expect(await recorded()).toEqual({});
  await nexus.upload(release);
  expect(await recorded()).toEqual(digests);
  await world.database.query(
    'UPDATE tuf_artifact_prefix SET digests = set_byte(digests, 0, get_byte(digests, 0) # 1)',
  );
  expect(await recorded()).not.toEqual(digests);
  await nexus.upload(release);
  expect(await recorded()).toEqual(digests);
});

test('a composite artifact has those of its parts', async () => {
  const nexus = await world.startNexus();
  const incompressible = Buffer.from(seededBytes('large', 3 * MIB)).toString('base64');
  const plane = v1Artifact(
    'control_plane',
    controlPlane({ large: zone('large', '1.0.0', incompressible), small: zone('small', '1.0.0') }),
  );
  const release = await world.release({ format: 'v1', artifacts: [plane] });
  await nexus.trust(release);
  await nexus.upload(release);
  const [local] = nexus.services.staging.held();
  const contents: Content[] = [];
  for (const [sha256, sizeBytes] of local!.artifacts) {
    await using opened = await nexus.services.staging.openArtifact(local!.uploadId, sha256);
    contents.push({ sha256, bytes: await opened.readRange(0, sizeBytes) });
  }
  expect(contents).toHaveLength(2);
  expect(Object.keys(expected(contents))).toHaveLength(1);
  expect(await recorded()).toEqual(expected(contents));
});

test('a release of a followed source has those of its artifacts', async () => {
  await using server = await serveRepository();
  const repository = await makeTestRepository({ artifacts: [2 * MIB + 5, 10] });
  server.publish(repository.files);
  const nexus = await world.startNexus({
    config: { source: [{ name: 'vendor', url: server.url, period_secs: 86_400 }] },
  });
  await nexus.trust(repository);
  await nexus.sources.sourceSync({ body: { source: 'vendor' } }, wait);
  for (;;) {
    const { state } = await nexus.sources.sourceView({ params: { name: 'vendor' } }, wait);
    if (state === 'current') break;
    await delay(20);
  }
  expect(await recorded()).toEqual(expected(repository.artifacts));
});
