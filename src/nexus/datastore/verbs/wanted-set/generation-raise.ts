import { admitRaise, requirePlannedPoint, wantedSetDigest } from '../../decisions/generation.ts';
import type { WantedSetPort } from '../../ports/wanted-set-port.ts';
import type { Transactions } from '../../transactions.ts';
import { recordPoint } from './point-rows.ts';
import { lockGeneration, readGeneration, readPresentReleases, writeGeneration } from './wanted-set-rows.ts';

/** The only write that does not check the stored digest, because it corrects it. */
export const generationRaise =
  (transactions: Transactions): WantedSetPort['generationRaise'] =>
  ({ to, accepted = [], orderedBy, planned }, wait) =>
    transactions.write(
      'generation_raise',
      async (db, { repeated }) => {
        await lockGeneration(db);
        const before = await readGeneration(db);
        requirePlannedPoint(before, { planned, to }, { repeated });
        const verdict = admitRaise(before.generation, to, { repeated, accepts: accepted.length > 0 });
        for (const point of accepted) await recordPoint(db, point, { origin: 'accepted', orderedBy });
        if (verdict === 'stay') return before;
        const { artifacts } = await readPresentReleases(db);
        const after = { generation: to, digest: wantedSetDigest(artifacts.keys()) };
        await writeGeneration(db, before, after, { origin: 'raise', orderedBy });
        return after;
      },
      wait,
    );
