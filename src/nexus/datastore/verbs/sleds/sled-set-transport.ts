import { sql } from 'kysely';
import { chosenAddress } from '../../decisions/sled-transport.ts';
import type { SledPort } from '../../ports/sled-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { deletePlainApproval, readPlainAddress } from './plain-rows.ts';
import { readJoinedPolicy } from './policy-rows.ts';

export const sledSetTransport =
  (transactions: Transactions): SledPort['sledSetTransport'] =>
  (id, transport, { audit, signal }) =>
    transactions.write(
      'sled_set_transport',
      async (db, attempt) => {
        const approved = await readPlainAddress(db, id);
        const row = await db
          .selectFrom('sled')
          .select(['serial', 'sled_agent_address'])
          .where('id', '=', id)
          .executeTakeFirst();
        const hasJoined = (await readJoinedPolicy(db, id)) !== undefined;
        const known = { approved, agentAddress: row?.sled_agent_address, hasJoined };
        // A repeated attempt may have ended the approval of a sled of which nothing else is known.
        if (transport.kind === 'tls' && attempt.repeated && approved === undefined) return undefined;
        const address = chosenAddress(id, transport, known);
        await (address === undefined
          ? deletePlainApproval(db, id)
          : db
              .insertInto('sled_plain_approval')
              .values({ sled_id: id, address })
              .onConflict(on =>
                on.column('sled_id').doUpdateSet({ address, time_approved: sql<Date>`now()` }),
              )
              .execute());
        await appendAudit(
          db,
          audit,
          {
            kind: 'sled_transport_set',
            sledId: id,
            serial: row?.serial ?? '',
            ...(address !== undefined && { plainAddress: address }),
            ...(approved !== undefined && { previousPlainAddress: approved }),
          },
          attempt,
        );
        return address;
      },
      { signal },
    );
