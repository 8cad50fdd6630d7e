import type { ArtifactHash } from '../../../../core/ids.ts';
import { batchesOf, READ_BATCH_ROWS } from '../../paging.ts';
import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';

/** Batch by batch, each with one statement and one answer of bounded size; the list of a recorded release never changes. */
export const artifactsKnown =
  (transactions: Transactions): ReleasePort['artifactsKnown'] =>
  (hashes, wait) =>
    transactions.read(
      'artifacts_known',
      async db => {
        const known = new Map<ArtifactHash, 'present' | 'deleted'>();
        for (const batch of batchesOf([...hashes], READ_BATCH_ROWS)) {
          const rows = await db
            .selectFrom('tuf_artifact as artifact')
            .innerJoin('tuf_repo_artifact as listed', 'listed.tuf_artifact_id', 'artifact.id')
            .innerJoin('tuf_repo as repo', 'repo.id', 'listed.tuf_repo_id')
            .select(({ eb, fn }) => [
              'artifact.sha256',
              fn.agg<boolean>('bool_or', [eb('repo.time_pruned', 'is', null)]).as('is_present'),
            ])
            .where('artifact.sha256', 'in', batch)
            .groupBy('artifact.sha256')
            .execute();
          for (const { sha256, is_present } of rows) known.set(sha256, is_present ? 'present' : 'deleted');
        }
        return known;
      },
      wait,
    );
