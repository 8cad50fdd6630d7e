import { RoundNonce } from '../../../../core/ids.ts';
import { decideDrop } from '../../decisions/drop-decision.ts';
import type { LocalRepoPort } from '../../ports/local-repo-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readGeneration } from '../wanted-set/wanted-set-rows.ts';

export const localRepoDrop =
  (transactions: Transactions): LocalRepoPort['localRepoDrop'] =>
  ({ uploadId, nexusId, planned }, wait) =>
    transactions.write(
      'local_repo_drop',
      async (db, { repeated }) => {
        const local = await db
          .selectFrom('local_repo')
          .innerJoin('tuf_repo', 'tuf_repo.id', 'local_repo.tuf_repo_id')
          .select('tuf_repo.system_version')
          .where('local_repo.upload_id', '=', uploadId)
          .where('local_repo.nexus_id', '=', nexusId)
          .executeTakeFirst();
        const held = local && { systemVersion: local.system_version };
        const nexus = await db
          .selectFrom('nexus')
          .select('round_nonce')
          .where('id', '=', nexusId)
          .executeTakeFirst();
        const stored = { ...(await readGeneration(db)), nonce: nonceOf(nexus?.round_nonce) };
        const outcome = decideDrop(held, stored, planned, { repeated });
        if (outcome.kind === 'dropped' && held !== undefined)
          await db.deleteFrom('local_repo').where('upload_id', '=', uploadId).execute();
        return outcome;
      },
      wait,
    );

const nonceOf = (value: string | null | undefined): RoundNonce | null =>
  value === null || value === undefined ? null : RoundNonce.parse(value);
