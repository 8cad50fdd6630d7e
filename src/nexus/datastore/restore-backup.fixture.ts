/** A database that forgot every release, and no trust root. */
import type { TestDatabase } from './database.fixture.ts';

/** As a backup from before every upload would leave it. */
export const restoreBackupBefore = async ({ query }: Pick<TestDatabase, 'query'>): Promise<void> => {
  for (const table of [
    'override_audit',
    'local_repo',
    'tuf_repo_artifact',
    'tuf_repo_role',
    'tuf_repo_metadata',
    'tuf_repo_bundle',
    'tuf_repo',
  ])
    await query(`DELETE FROM ${table}`);
  for (const table of ['tuf_artifact_tag', 'tuf_artifact', 'tuf_artifact_prefix', 'tuf_artifact_file'])
    await query(`DELETE FROM ${table}`);
  const digest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  await query('UPDATE tuf_current_point SET generation = 1, digest = $1', [digest]);
  await query('DELETE FROM tuf_point WHERE generation > 1');
};
