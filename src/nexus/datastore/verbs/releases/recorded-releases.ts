/** Reads the recorded releases and files that a new release must not contradict. */
import type { RepoId } from '../../../../core/ids.ts';
import type { ReleaseArtifact } from '../../../../core/release.ts';
import {
  filesOf,
  isReadAnew,
  recordedAs,
  requireKnownFile,
  requireSameRelease,
} from '../../decisions/release-conflicts.ts';
import { batchesOf, READ_BATCH_ROWS } from '../../paging.ts';
import type { NewRelease, RepoRecord } from '../../ports/release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Database } from '../../tables.ts';
import { readAllRepoArtifacts } from './artifact-rows.ts';

export type RecordedRelease = {
  readonly repo: RepoRecord;
  /** Its archive has other artifacts in the upload than are recorded (CN4). */
  readonly isReadAnew: boolean;
};

/**
 * The release recorded for this version, or undefined when it is new.
 *
 * @throws `RELEASE_CONFLICT`, naming both sides
 */
export const findRecordedRelease = async (
  db: Database,
  release: NewRelease,
): Promise<RecordedRelease | undefined> => {
  const { systemVersion } = release.description;
  const rows = await db
    .selectFrom('tuf_repo')
    .selectAll()
    .where(where => where.or([where('hash', '=', release.hash), where('system_version', '=', systemVersion)]))
    .execute();
  const recorded = recordedAs(rows.map(toRepoRecord), release);
  if (recorded === undefined) return undefined;
  const listed = await readAllRepoArtifacts(db, recorded.id);
  const artifacts = listed.map(({ artifact }) => artifact);
  requireSameRelease(release, recorded, { artifacts, metadata: await readMetadata(db, recorded.id) });
  return { repo: recorded, isReadAnew: isReadAnew(release, recorded, artifacts) };
};

const readMetadata = async (db: Database, repoId: RepoId): Promise<Record<string, string>> => {
  const rows = await db
    .selectFrom('tuf_repo_metadata')
    .selectAll()
    .where('tuf_repo_id', '=', repoId)
    .execute();
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
};

/**
 * Gives known files the version that they have from now on.
 *
 * @throws `ARTIFACT_CONFLICT`, naming both sides
 */
export const settleFiles = async (db: Database, artifacts: readonly ReleaseArtifact[]): Promise<void> => {
  const files = filesOf(artifacts);
  for (const batch of batchesOf([...files.keys()], READ_BATCH_ROWS)) {
    const rows = await db.selectFrom('tuf_artifact_file').selectAll().where('sha256', 'in', batch).execute();
    for (const { sha256, size_bytes, version } of rows) {
      const settled = requireKnownFile(files, sha256, { sizeBytes: size_bytes, version });
      if (settled !== undefined)
        await db
          .updateTable('tuf_artifact_file')
          .set({ version: settled })
          .where('sha256', '=', sha256)
          .execute();
    }
  }
};
