import { sql } from 'kysely';
import { admitMend, MEND_PERIOD_MS } from '../../decisions/generation.ts';
import type { WantedSetPort } from '../../ports/wanted-set-port.ts';
import type { Transactions } from '../../transactions.ts';
import { lockGeneration, readWantedSet, writeGeneration } from './wanted-set-rows.ts';

export const generationMend =
  (transactions: Transactions): WantedSetPort['generationMend'] =>
  ({ to, sledId }, wait) =>
    transactions.write(
      'generation_mend',
      async (db, { repeated }) => {
        await lockGeneration(db);
        const before = await readWantedSet(db);
        const recent = await db
          .selectFrom('tuf_point')
          .select('generation')
          .where('sled_id', '=', sledId)
          .where('time_created', '>', sql<number>`now() - ${MEND_PERIOD_MS / 1000} * interval '1 second'`)
          .executeTakeFirst();
        const { generation, digest } = before;
        if (repeated && generation === to && recent !== undefined) return { generation, digest };
        if (!admitMend(generation, to, { hadOneRecently: recent !== undefined })) return undefined;
        const after = { generation: to, digest };
        await writeGeneration(db, before, after, { origin: 'raise', sledId });
        return after;
      },
      wait,
    );
