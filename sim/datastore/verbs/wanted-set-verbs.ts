import type { Generation, Point, SledId } from '../../../src/core/ids.ts';
import type { PointClaim } from '../../../src/core/lineage.ts';
import {
  admitMend,
  admitRaise,
  generationRecovered,
  MEND_PERIOD_MS,
  requirePlannedPoint,
} from '../../../src/nexus/datastore/decisions/generation.ts';
import type { Raised, WantedSetPort } from '../../../src/nexus/datastore/ports/wanted-set-port.ts';
import { type MemoryState, movedTo, type Query, recordedPoints, type Step, withPoint } from '../state.ts';
import { presentDigest, wantedSetOf } from '../wanted.ts';
import { withAudit } from './audit-verbs.ts';
import { withoutOpenInvitations } from './invitation-verbs.ts';

export const currentGeneration: Query<Point> = state => state.stored;

export const pointsRecorded =
  (claims: readonly PointClaim[]): Query<Awaited<ReturnType<WantedSetPort['pointsRecorded']>>> =>
  state => ({ current: state.stored, lineage: recordedPoints(state, claims) });

/** The only write that does not check the stored digest, because it corrects it. */
export const generationRaise =
  (
    { to, accepted = [], planned }: Parameters<WantedSetPort['generationRaise']>[0],
    audit: Parameters<WantedSetPort['generationRaise']>[1]['audit'],
  ): Step<Raised> =>
  (before, moment) => {
    const { nowMs, repeated } = moment;
    requirePlannedPoint(before.stored, { planned, to }, { repeated });
    const verdict = admitRaise(before.stored.generation, to, { repeated, accepts: accepted.length > 0 });
    const accepting = accepted.reduce(
      (seen, point) => withPoint(seen, { ...point, origin: 'accepted', timeCreatedMs: nowMs }),
      before,
    );
    const { state, ended: invitationsEnded } = withoutOpenInvitations(accepting, moment);
    const withEntry = (after: MemoryState): MemoryState =>
      audit === undefined
        ? after
        : withAudit(
            after,
            audit.origin,
            generationRecovered(before.stored, { to, accepted, invitationsEnded }, audit),
            moment,
          );
    if (verdict === 'stay') return { state: withEntry(state), answer: { ...state.stored, invitationsEnded } };
    const stored = { generation: to, digest: presentDigest(state) };
    const raised = movedTo(state, stored, { origin: 'raise', timeCreatedMs: nowMs });
    return { state: withEntry(raised), answer: { ...stored, invitationsEnded } };
  };

export const generationMend =
  ({ to, sledId }: { readonly to: Generation; readonly sledId: SledId }): Step<Point | undefined> =>
  (state, { nowMs, repeated }) => {
    const { generation, digest } = wantedSetOf(state);
    const hadOneRecently = [...state.points.values()].some(
      point => point.sledId === sledId && point.timeCreatedMs > nowMs - MEND_PERIOD_MS,
    );
    if (repeated && generation === to && hadOneRecently) return { state, answer: { generation, digest } };
    if (!admitMend(generation, to, { hadOneRecently })) return { state, answer: undefined };
    const stored = { generation: to, digest };
    const how = { origin: 'raise', timeCreatedMs: nowMs, sledId } as const;
    return { state: movedTo(state, stored, how), answer: stored };
  };
