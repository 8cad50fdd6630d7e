/** Uploads that are accepted: what is recorded, what is handed over, and what a second upload makes of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RepoId, SystemVersion } from '../../../core/ids.ts';
import type { TestReleaseOptions } from '../../../signing/release.fixture.ts';
import { verifyRelease } from '../../../verify/verify-release.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';
import { REPLICATION_TASK } from '../../replication/task.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
let nexus: TestNexus;
beforeEach(async () => {
  world = await createTestWorld();
  nexus = await world.startNexus();
});
afterEach(() => world[Symbol.asyncDispose]());

const trusted = async (options: TestReleaseOptions = {}) => {
  const release = await world.release(options);
  await nexus.trust(release);
  return release;
};
const roles = (version: number) => ({ timestamp: version, snapshot: version, targets: version });

const generation = async () =>
  Number(
    (await world.database.query<{ generation: string }>('SELECT generation FROM tuf_current_point'))[0]!
      .generation,
  );
const acceptedTargets = async () =>
  (
    await world.database.query<{ version: string }>(
      'SELECT accepted_targets_version AS version FROM tuf_trust_root',
    )
  )[0]!.version;
const repoIds = async () =>
  (await world.database.query<{ id: RepoId }>('SELECT id FROM tuf_repo')).map(({ id }) => id);
const localRepos = async () =>
  (await world.database.query<{ upload_id: string }>('SELECT upload_id FROM local_repo ORDER BY 1')).map(
    row => row.upload_id,
  );

test('a release is verified, recorded, held, and replication is activated (S3)', async () => {
  const release = await trusted();
  await nexus.services.driver.idle();
  const runs = nexus.services.driver.status(REPLICATION_TASK).last?.iteration ?? 0;
  const answer = await nexus.upload(release);

  expect(answer).toMatchObject({
    status: 'inserted',
    repo: {
      hash: release.sha256,
      hash_kind: 'archive',
      system_version: '1.0.0',
      file_name: 'release.zip',
      artifact_count: 3,
    },
    overrides: [],
  });
  expect(answer.report?.join('\n')).toMatch(/ZIP archive.*targets version 1.*3 artifacts.*signed hashes/s);
  expect(await generation()).toBe(2);
  const [held] = nexus.services.staging.held();
  expect(await localRepos()).toEqual([held!.uploadId]);
  expect(await nexus.staged()).toEqual(
    expect.arrayContaining([`${held!.uploadId}.zip`, `${held!.uploadId}.json`]),
  );
  for (const { sha256, bytes } of release.artifacts) {
    await using opened = await nexus.services.staging.openArtifact(held!.uploadId, sha256);
    const chunks: Uint8Array[] = [];
    for await (const chunk of opened.chunks(wait)) chunks.push(Uint8Array.from(chunk));
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    expect(Buffer.from(await opened.readRange(100, 50)).equals(bytes.subarray(100, 150))).toBe(true);
  }
  await nexus.services.driver.idle();
  expect(nexus.services.driver.status(REPLICATION_TASK).last).toMatchObject({ reason: 'signaled' });
  expect(nexus.services.driver.status(REPLICATION_TASK).last!.iteration).toBeGreaterThan(runs);
});

test('archive and sidecar are in place before the database is asked, and held only after it answered (B1, P1)', async () => {
  const seen: unknown[] = [];
  const datastore = await world.database.openDatastore();
  const watched: TestNexus = await world.startNexus({
    name: 'watched',
    replace: {
      openDatastore: async () => ({
        ...datastore,
        async releaseInsert(release, options) {
          const sidecar = join(watched.stagingDirectory, `${release.uploadId}.json`);
          seen.push(
            (await watched.staged()).toSorted(),
            JSON.parse(await readFile(sidecar, 'utf8')).acknowledged,
            watched.services.staging.held().length,
          );
          return datastore.releaseInsert(release, options);
        },
      }),
    },
  });
  await watched.upload(await trusted());
  const [held] = watched.services.staging.held();
  const { uploadId } = held!;
  expect(seen).toEqual([[`${uploadId}.json`, `${uploadId}.zip`], false, 0]);
  const sidecar = await readFile(join(watched.stagingDirectory, `${uploadId}.json`), 'utf8');
  expect(JSON.parse(sidecar)).toMatchObject({ acknowledged: true, file_name: 'release.zip' });
});

test('an override of the operator is in the answer and in the audit (B3)', async () => {
  const release = await trusted({ expired: ['timestamp', 'targets'] });
  await expect(nexus.upload(release)).rejects.toMatchObject({ code: 'METADATA_EXPIRED' });
  const { status, overrides } = await nexus.upload(release, { allow_expired: 'true' });
  expect(status).toBe('inserted');
  expect(overrides).toEqual([
    expect.stringMatching(/timestamp expired/),
    expect.stringMatching(/targets expired/),
  ]);
  const audit = await world.database.query<{ sentence: string }>(
    'SELECT sentence FROM override_audit ORDER BY position',
  );
  expect(audit.map(({ sentence }) => sentence)).toEqual(overrides);

  await nexus.upload(await world.release({ systemVersion: '2.0.0', versions: roles(5) }));
  const older = await world.release({ systemVersion: '3.0.0', versions: roles(4) });
  const rolledBack = await nexus.upload(older, { allow_rollback: 'true' });
  expect(rolledBack.overrides).toEqual([
    expect.stringMatching(/timestamp has version 4, after version 5/),
    expect.stringMatching(/snapshot has version 4/),
    expect.stringMatching(/targets has version 4/),
  ]);
  expect(await acceptedTargets()).toBe('5');
});

test('an archive that is recorded already supplies its bytes again (S3)', async () => {
  const release = await trusted();
  const first = await nexus.upload(release);
  const again = await nexus.upload(release);
  expect(again).toMatchObject({ status: 'already_exists', repo: { hash: first.repo.hash } });
  expect(nexus.services.staging.held()).toHaveLength(2);
  expect(await localRepos()).toHaveLength(2);
  expect(await generation()).toBe(2);
});

test('a recorded archive that is expired or older by now passes, and moves no rollback state (P3)', async () => {
  const expired = await trusted({ expired: ['snapshot'], versions: roles(1) });
  await nexus.upload(expired, { allow_expired: 'true' });
  await nexus.upload(await world.release({ systemVersion: '2.0.0', versions: roles(7) }));
  const again = await nexus.upload(expired);
  expect(again).toMatchObject({ status: 'already_exists', overrides: [] });
  expect(again.report?.at(-1)).toMatch(/recorded before/);
  expect(await acceptedTargets()).toBe('7');
});

test('a deleted release comes back under its old id, although it is expired by now (P3)', async () => {
  const release = await trusted({ expired: ['targets'] });
  await nexus.upload(release, { allow_expired: 'true' });
  const before = await repoIds();
  const params = { system_version: '1.0.0' };
  await nexus.operator.repositoryDelete({ params }, wait);
  await expect(nexus.operator.repositoryView({ params }, wait)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await generation()).toBe(3);

  expect(await nexus.upload(release)).toMatchObject({ status: 'already_exists' });
  expect(await repoIds()).toEqual(before);
  expect(await generation()).toBe(4);
  expect(await nexus.operator.repositoryView({ params }, wait)).toMatchObject({ hash: release.sha256 });
});

test('two uploads at once, of two releases', async () => {
  const one = await trusted();
  const two = await world.release({ systemVersion: '2.0.0' });
  const answers = await Promise.all([nexus.upload(one), nexus.upload(two)]);
  expect(answers.map(({ status }) => status)).toEqual(['inserted', 'inserted']);
  expect(nexus.services.staging.held()).toHaveLength(2);
  expect(await generation()).toBe(3);
});

test('the same release to two Nexus instances at once is recorded once and held by both', async () => {
  const release = await trusted();
  const other = await world.startNexus({ name: 'other' });
  const answers = await Promise.all([nexus.upload(release), other.upload(release)]);
  expect(answers.map(({ status }) => status).sort()).toEqual(['already_exists', 'inserted']);
  expect(answers[0]!.repo.hash).toBe(answers[1]!.repo.hash);
  expect(await repoIds()).toHaveLength(1);
  expect(nexus.services.staging.held()).toHaveLength(1);
  expect(other.services.staging.held()).toHaveLength(1);
  expect(nexus.services.staging.held()[0]!.repoId).toBe(other.services.staging.held()[0]!.repoId);
  expect(await generation()).toBe(2);
});

test('uploads over the configured limit are answered 429', async () => {
  const held = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  const slow = await world.startNexus({
    name: 'slow',
    config: { limits: { uploads_at_once: 1 } },
    replace: {
      async verifyRelease(...args) {
        waiting.resolve();
        await held.promise;
        return verifyRelease(...args);
      },
    },
  });
  const release = await trusted();
  const first = slow.upload(release);
  await waiting.promise;
  expect(slow.services.staging.uploadsInProgress()).toBe(1);
  await expect(slow.upload(release)).rejects.toMatchObject({
    code: 'TOO_MANY_UPLOADS',
    detail: expect.objectContaining({ limit: 1, retry_after_s: 10 }),
  });
  held.resolve();
  expect(await first).toMatchObject({ status: 'inserted' });
  expect(slow.services.staging.uploadsInProgress()).toBe(0);
  expect(await slow.upload(release)).toMatchObject({ status: 'already_exists' });
});

test('the operator’s lists show the uploads', async () => {
  await nexus.upload(await trusted());
  for (const [index, systemVersion] of ['1.10.0', '1.9.0', '1.10.0-rc.1'].entries())
    await nexus.upload(await world.release({ systemVersion, versions: roles(2 + index) }));
  const list = await nexus.operator.repositoryList({ query: { limit: 10 } }, wait);
  expect(list.items.map(repo => repo.system_version)).toEqual(['1.10.0', '1.10.0-rc.1', '1.9.0', '1.0.0']);
  const query = { limit: 10 };
  const artifacts = await nexus.operator.repositoryArtifacts(
    { params: { system_version: '1.9.0' }, query },
    wait,
  );
  expect(artifacts.items).toHaveLength(3);
  expect(SystemVersion.parse(artifacts.items[0]!.version)).toBe('1.9.0');
});
