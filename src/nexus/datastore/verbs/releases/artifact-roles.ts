import { sql } from 'kysely';
import type { ArtifactHash } from '../../../../core/ids.ts';
import { ifGiven } from '../../optional-clause.ts';
import { collect, readInBatches } from '../../paging.ts';
import type { ReleasePort } from '../../ports/release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Database } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { readTags } from './artifact-rows.ts';

export const artifactRoles =
  (transactions: Transactions): ReleasePort['artifactRoles'] =>
  (sha256, wait) =>
    transactions.read(
      'artifact_roles',
      async db => {
        const rows = await collect(readRoles(db, sha256));
        const tags = await readTags(
          db,
          rows.map(row => row.artifact_id),
        );
        return rows.map(row => ({
          repo: toRepoRecord(row),
          artifact: {
            sha256,
            sizeBytes: row.size_bytes,
            targetName: row.target_name,
            version: row.version,
            tags: tags.get(row.artifact_id) ?? {},
          },
        }));
      },
      wait,
    );

const readRoles = (db: Database, sha256: ArtifactHash) =>
  readInBatches(
    (after: { version_order: Buffer; position: number } | undefined, limit) =>
      db
        .selectFrom('tuf_artifact as artifact')
        .innerJoin('tuf_artifact_file as file', 'file.sha256', 'artifact.sha256')
        .innerJoin('tuf_repo_artifact as listed', 'listed.tuf_artifact_id', 'artifact.id')
        .innerJoin('tuf_repo as repo', 'repo.id', 'listed.tuf_repo_id')
        .selectAll('repo')
        .select(['artifact.id as artifact_id', 'listed.position', 'listed.target_name'])
        .select(['file.size_bytes', 'file.version'])
        .where('artifact.sha256', '=', sha256)
        .$call(
          ifGiven(after, (query, last) =>
            query.where(
              sql<boolean>`(repo.version_order, listed.position) > (${last.version_order}, ${last.position})`,
            ),
          ),
        )
        .orderBy('repo.version_order')
        .orderBy('listed.position')
        .limit(limit)
        .execute(),
    ({ version_order, position }) => ({ version_order, position }),
  );
