import { sql } from 'kysely';
import { requireAdmissible } from '../../decisions/registration.ts';
import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { readKeyHolders } from './key-rows.ts';
import { readPolicy } from './policy-rows.ts';

/** Records the key of the sled as if it had joined with it. */
export const sledAdmit =
  (transactions: Transactions): SledPort['sledAdmit'] =>
  (id, { publicKeySha256, serial }, { audit, signal }) =>
    transactions.write(
      'sled_admit',
      async (db, attempt) => {
        const holders = await readKeyHolders(db, publicKeySha256);
        const isNew = requireAdmissible(id, await readPolicy(db, id), holders);
        if (!isNew && !attempt.repeated) return false;
        if (isNew)
          await db
            .insertInto('sled_key')
            .values({
              ...{ public_key_sha256: publicKeySha256, sled_id: id, time_joined: sql<Date>`now()` },
              ...{ time_replaced: null, time_expunged: null },
            })
            .execute();
        await appendAudit(db, audit, { kind: 'sled_admitted', sledId: id, serial, publicKeySha256 }, attempt);
        return true;
      },
      { signal },
    );
