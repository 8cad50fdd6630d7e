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
          .select('upload_id')
          .where('upload_id', '=', uploadId)
          .where('nexus_id', '=', nexusId)
          .executeTakeFirst();
        const isHeld = local !== undefined;
        const nexus = await db
          .selectFrom('nexus')
          .select('round_nonce')
          .where('id', '=', nexusId)
          .executeTakeFirst();
        const stored = { ...(await readGeneration(db)), nonce: nonceOf(nexus?.round_nonce) };
        const outcome = decideDrop(isHeld, stored, planned, { repeated });
        if (outcome.kind === 'dropped' && isHeld)
          await db.deleteFrom('local_repo').where('upload_id', '=', uploadId).execute();
        return outcome;
      },
      wait,
    );

const nonceOf = (value: string | null | undefined): RoundNonce | null =>
  value === null || value === undefined ? null : RoundNonce.parse(value);
