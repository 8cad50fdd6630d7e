import type { Datastore } from '../datastore.ts';
import { admitRaise, wantedSetDigest } from '../decisions/generation.ts';
import type { Transactions } from '../transactions.ts';
import { lockGeneration, readGeneration, readPresentReleases, writeGeneration } from '../wanted-set.ts';

/** The one write that does not ask if the stored digest is right: it makes it right. */
export const generationRaise =
  (transactions: Transactions): Datastore['generationRaise'] =>
  (to, wait) =>
    transactions.write(
      'generation_raise',
      async (db, { repeated }) => {
        await lockGeneration(db);
        const before = await readGeneration(db);
        if (admitRaise(before.generation, to, { repeated }) === 'raised') return before;
        const { artifacts } = await readPresentReleases(db);
        const after = { generation: to, digest: wantedSetDigest(artifacts.keys()) };
        await writeGeneration(db, before, after);
        return after;
      },
      wait,
    );
