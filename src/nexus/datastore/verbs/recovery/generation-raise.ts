import {
  admitRaise,
  generationRecovered,
  requirePlannedPoint,
  wantedSetDigest,
} from '../../decisions/generation.ts';
import type { WantedSetPort } from '../../ports/wanted-set-port.ts';
import type { Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { endOpenInvitations } from '../invitations/open-invitations.ts';
import { recordPoint } from '../wanted-set/point-rows.ts';
import {
  lockGeneration,
  readGeneration,
  readPresentReleases,
  writeGeneration,
} from '../wanted-set/wanted-set-rows.ts';

/** The only write that does not check the stored digest, because it corrects it. */
export const generationRaise =
  (transactions: Transactions): WantedSetPort['generationRaise'] =>
  ({ to, accepted = [], orderedBy, planned }, { audit, signal }) =>
    transactions.write(
      'generation_raise',
      async (db, attempt) => {
        await lockGeneration(db);
        const before = await readGeneration(db);
        requirePlannedPoint(before, { planned, to }, attempt);
        const verdict = admitRaise(before.generation, to, { ...attempt, accepts: accepted.length > 0 });
        for (const point of accepted) await recordPoint(db, point, { origin: 'accepted', orderedBy });
        let after = before;
        if (verdict !== 'stay') {
          const { artifacts } = await readPresentReleases(db);
          after = { generation: to, digest: wantedSetDigest(artifacts.keys()) };
          await writeGeneration(db, before, after, { origin: 'raise', orderedBy });
        }
        const invitationsEnded = await endOpenInvitations(db);
        if (audit !== undefined) {
          const action = generationRecovered(before, { to, accepted, invitationsEnded }, audit);
          await appendAudit(db, audit.origin, action, attempt);
        }
        return { ...after, invitationsEnded };
      },
      { signal },
    );
