/**
 * A round examines the points that the database does not know, and raises the generation by itself if nothing is lost (P13):
 *
 *     lost points ─▶ their sets are all wanted? ─▶ the generation rises above them ─▶ the next config includes those sets
 *
 * This repairs a failover that lost only numbers, and one whose archives were recorded again. Everything else waits for a
 * recovery, on which an operator decides.
 */
import { includes } from '../../core/artifact-config.ts';
import { asGeneration } from '../../core/ids.ts';
import type { Logger } from '../../lib/log.ts';
import type { WantedSet, WantedSetPort } from '../datastore/ports/wanted-set-port.ts';
import type { Note } from '../history/history.ts';
import { type LostPoint, type ReportedPoint, readLostPoints, unknownReports } from '../sleds/lost-points.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';

type Wait = { readonly log: Logger; readonly signal: AbortSignal };

export const findLostPoints = async (
  deps: Parameters<typeof readLostPoints>[0] & { readonly datastore: Pick<WantedSetPort, 'pointsRecorded'> },
  sleds: readonly CollectedSled[],
  wait: Wait,
): Promise<readonly LostPoint[]> => {
  const kept = sleds.flatMap(keptBy);
  const own = sleds.flatMap(({ target, claim }): ReportedPoint[] =>
    claim === undefined ? [] : [{ target, claim, isKept: false }],
  );
  if (kept.length + own.length === 0) return readLostPoints(deps, [], wait);
  const claims = [...kept, ...own].map(({ claim }) => claim);
  const { lineage } = await deps.datastore.pointsRecorded(claims, wait);
  return readLostPoints(deps, unknownReports([...kept, ...own], lineage), wait);
};

const keptBy = ({ target, report }: CollectedSled): ReportedPoint[] =>
  (report?.pointsKept ?? []).map(point => ({
    target,
    claim: { ...point, hasLineage: true },
    isKept: true,
  }));

/** Returns whether the generation was raised: then this round's config is an old one. */
export const mendGeneration = async (
  { datastore, note }: { readonly datastore: Pick<WantedSetPort, 'generationMend'>; readonly note: Note },
  wanted: WantedSet,
  lost: readonly LostPoint[],
  { log, signal }: Wait,
): Promise<boolean> => {
  const mendable = lost
    .filter(({ point, artifacts }) => point.generation >= wanted.generation && isIncluded(wanted, artifacts))
    .sort((a, b) => b.point.generation - a.point.generation);
  const turns = mendable.flatMap(({ point, owners }) => owners.map(sledId => ({ point, sledId })));
  for (const { point, sledId } of turns) {
    if (point.generation === Number.MAX_SAFE_INTEGER) continue;
    const mend = { to: asGeneration(point.generation + 1), sledId };
    if ((await datastore.generationMend(mend, { signal })) === undefined) continue;
    log.warn({ from: wanted.generation, ...mend }, 'generation raised above a sled, whose set is wanted');
    note({
      kind: 'generation_recovered',
      by: 'nexus',
      generation: mend.to,
      previousGeneration: wanted.generation,
      sledId,
      foreignGeneration: point.generation,
    });
    return true;
  }
  return false;
};

const isIncluded = ({ artifacts }: WantedSet, lost: LostPoint['artifacts']): boolean =>
  lost !== undefined && includes({ artifacts }, { artifacts: lost });
