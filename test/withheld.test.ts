/**
 * A database that lies, with real processes: whoever owns it plants an artifact, and the sleds, which have pinned a trust root,
 * neither store nor serve it.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestInput } from '../src/core/artifact-config.ts';
import { ArtifactHash } from '../src/core/ids.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { activateReplication, artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const TIMEOUT_MS = 180_000;

let directory: string;
let releases: readonly [TestRelease, TestRelease, TestRelease];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-withheld-'));
  const first = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [30_000, 2_000] });
  const { keys } = first;
  const later = (systemVersion: string, version: number) =>
    makeTestRelease(directory, {
      systemVersion,
      artifacts: [10_000, 500],
      keys,
      versions: { timestamp: version, snapshot: version, targets: version },
    });
  releases = [first, await later('2.0.0', 2), await later('3.0.0', 3)];
  await writeFile(join(directory, 'root.json'), first.trustRoot);
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** As the owner of the database can: release 1.0.0 lists one file more, and the wanted set is right again. */
const plant = async ({ database }: TestFleet, bytes: Uint8Array): Promise<ArtifactHash> => {
  const sha256 = ArtifactHash.parse(createHash('sha256').update(bytes).digest('hex'));
  const artifactId = randomUUID();
  await database.query('INSERT INTO tuf_artifact_file (sha256, size_bytes, version) VALUES ($1, $2, $3)', [
    sha256,
    bytes.length,
    '1.0.0',
  ]);
  await database.query('INSERT INTO tuf_artifact (id, sha256) VALUES ($1, $2)', [artifactId, sha256]);
  await database.query(
    `INSERT INTO tuf_repo_artifact (tuf_repo_id, position, tuf_artifact_id, target_name)
     SELECT id, artifact_count, $1, 'planted.bin' FROM tuf_repo WHERE system_version = '1.0.0'`,
    [artifactId],
  );
  const wanted = await database.query<{ sha256: ArtifactHash }>(
    `SELECT DISTINCT artifact.sha256 FROM tuf_repo_artifact listed
     JOIN tuf_artifact artifact ON artifact.id = listed.tuf_artifact_id`,
  );
  const digest = createHash('sha256')
    .update(digestInput(wanted.map(row => row.sha256)))
    .digest('hex');
  await database.query(
    `INSERT INTO tuf_point (generation, digest, origin) SELECT generation + 1, $1, 'change' FROM tuf_current_point`,
    [digest],
  );
  await database.query('UPDATE tuf_current_point SET generation = generation + 1, digest = $1', [digest]);
  return sha256;
};

test(
  'an artifact that is planted in the database is stored and served by no sled, costs its release alone, and the status says why (T3)',
  async () => {
    await using fleet = await startTestFleet({
      sleds: 3,
      minSledReplication: 3,
      sled: () => ({ config: { trust: { root_files: [join(directory, 'root.json')] } } }),
    });
    const nexus = fleet.nexuses[0]!;
    const [first, second, third] = releases;
    await nexus.trust(first);
    await nexus.upload(first);
    await nexus.upload(second);
    await waitComplete(nexus, '1.0.0');
    await waitComplete(nexus, '2.0.0');

    const planted = Buffer.from('what nobody signed');
    const sha256 = await plant(fleet, planted);
    await activateReplication(nexus);
    const seen = await nexus.fleet.releaseReplication({ params: { system_version: '1.0.0' } }, wait);
    expect(seen.complete).toBe(false);
    expect(seen.bundle).toMatchObject({ kind: 'signed', exempted: false });
    const reason = seen.reasons.find(({ code }) => code === 'RELEASE_WITHHELD');
    expect(reason?.message).toContain('1 artifact is withheld by 3 sleds (sled-1, sled-2, sled-3)');
    expect(reason?.message).toContain('the database was changed');
    expect(reason?.remedy).toContain('Find out who changed the database');

    // A Nexus that lies sends the bytes itself.
    for (const sled of fleet.sleds) {
      await using agent = sled.agent();
      const { generation, withheld, require_signed, bundles } = await agent.artifactList({}, wait);
      expect(require_signed).toBe(true);
      expect(withheld).toEqual([sha256]);
      expect(bundles?.map(({ state }) => state)).toEqual(['admitted', 'admitted']);
      const put = agent.artifactPut(
        {
          params: { sha256 },
          query: { generation },
          body: { sizeBytes: planted.length, chunks: Readable.from([planted]) },
        },
        wait,
      );
      await expect(put).rejects.toMatchObject({ code: 'ARTIFACT_WITHHELD' });
    }

    await nexus.upload(third);
    await waitComplete(nexus, '3.0.0');
    const honest = hashesOf(first, second, third);
    for (const dataset of fleet.sleds.flatMap(({ datasets }) => datasets))
      await until(async () => {
        expect(await artifactsOnDisk(dataset)).toEqual(honest);
        return true;
      }, `${dataset} has what was signed, and nothing else`);
  },
  TIMEOUT_MS,
);
