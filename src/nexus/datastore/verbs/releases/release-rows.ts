/** Writes the rows of a new release, in batches. Rows that other releases have written already are not changed. */
import { ArtifactId, type RepoId } from '../../../../core/ids.ts';
import type { ReleaseArtifact } from '../../../../core/release.ts';
import { derivedUuid } from '../../../../lib/derived-uuid.ts';
import { totalsOf } from '../../decisions/insert-outcome.ts';
import { renamedZone, zonesOf } from '../../decisions/release-conflicts.ts';
import { batchesOf, INSERT_BATCH_ROWS, READ_BATCH_ROWS } from '../../paging.ts';
import type { NewRelease, RepoRecord } from '../../ports/release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Database } from '../../tables.ts';
import { versionOrder } from '../../version-order.ts';
import { readTags } from './artifact-rows.ts';

/**
 * The id of an artifact, derived from its hash and its tags, which identify it. So every Nexus gives the same artifact the
 * same id, without a lookup.
 */
const artifactId = ({ sha256, tags }: Pick<ReleaseArtifact, 'sha256' | 'tags'>): ArtifactId =>
  ArtifactId.parse(derivedUuid(JSON.stringify([sha256, Object.entries(tags).sort()])));

export const insertReleaseRows = async (db: Database, release: NewRelease): Promise<RepoRecord> => {
  const { description, repoId } = release;
  const { artifacts, leftOut = [] } = description;
  const { artifactCount, totalSizeBytes } = totalsOf(artifacts);
  const repo = await db
    .insertInto('tuf_repo')
    .values({
      id: repoId,
      system_version: description.systemVersion,
      version_order: versionOrder(description.systemVersion),
      hash: release.hash,
      hash_kind: release.hashKind,
      file_name: release.fileName,
      format: description.format,
      trust_root_id: release.trustRootId,
      artifact_count: artifactCount,
      total_size_bytes: totalSizeBytes,
      left_out: leftOut.length === 0 ? null : JSON.stringify(leftOut),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  for (const batch of batchesOf(Object.entries(description.metadata), INSERT_BATCH_ROWS)) {
    await db
      .insertInto('tuf_repo_metadata')
      .values(batch.map(([key, value]) => ({ tuf_repo_id: repoId, key, value })))
      .execute();
  }
  await insertArtifacts(db, repoId, artifacts);
  return toRepoRecord(repo);
};

/** For a release whose archive is read in another way than before (CN4). */
export const replaceArtifacts = async (db: Database, repoId: RepoId, release: NewRelease): Promise<void> => {
  const { artifacts } = release.description;
  const { artifactCount, totalSizeBytes } = totalsOf(artifacts);
  await db.deleteFrom('tuf_repo_artifact').where('tuf_repo_id', '=', repoId).execute();
  await insertArtifacts(db, repoId, artifacts);
  await db
    .updateTable('tuf_repo')
    .set({ artifact_count: artifactCount, total_size_bytes: totalSizeBytes })
    .where('id', '=', repoId)
    .execute();
};

const insertArtifacts = async (
  db: Database,
  repoId: RepoId,
  artifacts: readonly ReleaseArtifact[],
): Promise<void> => {
  const listed = artifacts.map((artifact, position) => ({ artifact, position }));
  for (const batch of batchesOf(listed, INSERT_BATCH_ROWS)) await insertListed(db, repoId, batch);
};

/** After the rows of a release: gives the zones of earlier ones the name that it has for them. */
export const renameZones = async (db: Database, artifacts: readonly ReleaseArtifact[]): Promise<void> => {
  const zones = zonesOf(artifacts);
  for (const batch of batchesOf([...zones.keys()], READ_BATCH_ROWS)) {
    const rows = await db
      .selectFrom('tuf_artifact')
      .select(['id', 'sha256'])
      .where('sha256', 'in', batch)
      .execute();
    const tags = await readTags(
      db,
      rows.map(({ id }) => id),
    );
    for (const { id, sha256 } of rows) {
      const renamed = renamedZone(zones, { sha256, tags: tags.get(id) ?? {} });
      if (renamed === undefined) continue;
      await db
        .updateTable('tuf_repo_artifact')
        .set({ tuf_artifact_id: artifactId({ sha256, tags: renamed }) })
        .where('tuf_artifact_id', '=', id)
        .execute();
    }
  }
};

type Listed = { readonly artifact: ReleaseArtifact; readonly position: number };

/** Files before the artifacts that refer to them, artifacts before their tags and before what lists them. */
const insertListed = async (db: Database, repoId: RepoId, listed: readonly Listed[]): Promise<void> => {
  const withIds = listed.map(({ artifact, position }) => ({ artifact, position, id: artifactId(artifact) }));
  const files = new Map(
    listed.map(({ artifact: { sha256, sizeBytes, version } }) => [
      sha256,
      { sha256, size_bytes: sizeBytes, version },
    ]),
  );
  await db
    .insertInto('tuf_artifact_file')
    .values([...files.values()])
    .onConflict(conflict => conflict.column('sha256').doNothing())
    .execute();
  const roles = new Map(withIds.map(({ id, artifact }) => [id, artifact]));
  await db
    .insertInto('tuf_artifact')
    .values([...roles].map(([id, { sha256 }]) => ({ id, sha256 })))
    .onConflict(conflict => conflict.column('id').doNothing())
    .execute();
  const tags = [...roles].flatMap(([id, artifact]) =>
    Object.entries(artifact.tags).map(([key, value]) => ({ tuf_artifact_id: id, key, value })),
  );
  for (const batch of batchesOf(tags, INSERT_BATCH_ROWS)) {
    await db
      .insertInto('tuf_artifact_tag')
      .values(batch)
      .onConflict(conflict => conflict.columns(['tuf_artifact_id', 'key']).doNothing())
      .execute();
  }
  await db
    .insertInto('tuf_repo_artifact')
    .values(
      withIds.map(({ id, artifact, position }) => ({
        tuf_repo_id: repoId,
        position,
        tuf_artifact_id: id,
        target_name: artifact.targetName,
      })),
    )
    .execute();
};
