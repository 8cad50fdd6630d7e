/** The artifacts of recorded releases, as rows and as the descriptions they came from. */
import type { ArtifactId, RepoId } from '../../../../core/ids.ts';
import type { ReleaseArtifact } from '../../../../core/release.ts';
import { batchesOf, collect, READ_BATCH_ROWS, readInBatches } from '../../paging.ts';
import type { Database } from '../../tables.ts';

export type ListedArtifact = { readonly position: number; readonly artifact: ReleaseArtifact };

/** In the order of the release's document. */
export const readRepoArtifacts = async (
  db: Database,
  repoId: RepoId,
  { after, limit }: { after: number; limit: number },
): Promise<ListedArtifact[]> => {
  const rows = await db
    .selectFrom('tuf_repo_artifact as listed')
    .innerJoin('tuf_artifact as artifact', 'artifact.id', 'listed.tuf_artifact_id')
    .innerJoin('tuf_artifact_file as file', 'file.sha256', 'artifact.sha256')
    .select(['listed.position', 'listed.target_name', 'artifact.id', 'artifact.sha256'])
    .select(['file.size_bytes', 'file.version'])
    .where('listed.tuf_repo_id', '=', repoId)
    .where('listed.position', '>', after)
    .orderBy('listed.position')
    .limit(limit)
    .execute();
  const tags = await readTags(
    db,
    rows.map(({ id }) => id),
  );
  return rows.map(row => ({
    position: row.position,
    artifact: {
      sha256: row.sha256,
      sizeBytes: row.size_bytes,
      targetName: row.target_name,
      version: row.version,
      tags: tags.get(row.id) ?? {},
    },
  }));
};

export const readAllRepoArtifacts = (db: Database, repoId: RepoId): Promise<ListedArtifact[]> =>
  collect(
    readInBatches(
      (after: number | undefined, limit) => readRepoArtifacts(db, repoId, { after: after ?? -1, limit }),
      ({ position }) => position,
    ),
  );

export const readTags = async (
  db: Database,
  ids: readonly ArtifactId[],
): Promise<Map<ArtifactId, Record<string, string>>> => {
  const tags = new Map<ArtifactId, Record<string, string>>();
  for (const batch of batchesOf([...new Set(ids)], READ_BATCH_ROWS)) {
    const rows = await db
      .selectFrom('tuf_artifact_tag')
      .selectAll()
      .where('tuf_artifact_id', 'in', batch)
      .orderBy('key')
      .execute();
    for (const { tuf_artifact_id, key, value } of rows) {
      tags.set(tuf_artifact_id, { ...tags.get(tuf_artifact_id), [key]: value });
    }
  }
  return tags;
};
