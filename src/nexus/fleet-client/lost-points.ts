/**
 * What sleds hold configs of that the database does not know: commits that it lost in a failover, or since the backup that
 * was restored (P13).
 *
 *     diverged sleds, points that sleds keep ─▶ unknown points ─▶ the set of each, read from a sled, compared with its digest
 *
 * LP1. A set is believed when it has the digest of its point, whoever sent it: no sled can make up the set of another's.
 * LP2. It is read once for as long as a sled claims it; a sled that does not give it costs a bounded wait (G8).
 */
import { type ArtifactHash, type Point, pointText, type SledId } from '../../core/ids.ts';
import { isKnownPoint, type PointClaim, type RecordedPoints, samePoint } from '../../core/lineage.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, SledTarget } from './sled-connection.ts';

export type LostPoint = {
  readonly point: Point;
  /** That have it as their config, or keep it. */
  readonly sleds: readonly SledId[];
  /** Undefined while no sled has given it. */
  readonly artifacts: ReadonlySet<ArtifactHash> | undefined;
};

/** A point that a sled reports, for whatever reason. */
export type ReportedPoint = { readonly target: SledTarget; readonly claim: PointClaim };

/** For the config of one point. */
const READ_TIMEOUT_MS = 10_000;

type Deps = {
  readonly connection: Pick<SledConnection, 'config'>;
  readonly clock: Clock;
  /** Sets that were read before, by the texts of their points. */
  readonly sets: Map<string, ReadonlySet<ArtifactHash>>;
};

export const unknownReports = (
  reports: readonly ReportedPoint[],
  lineage: RecordedPoints,
): readonly ReportedPoint[] => reports.filter(({ claim }) => !isKnownPoint(claim, lineage));

/** @param reports of points that the database does not know */
export const readLostPoints = async (
  { connection, clock, sets }: Deps,
  reports: readonly ReportedPoint[],
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<readonly LostPoint[]> => {
  const byPoint = Map.groupBy(reports, ({ claim }) => pointText(claim));
  for (const text of sets.keys()) if (!byPoint.has(text)) sets.delete(text);
  return Promise.all(
    [...byPoint].map(async ([text, holders]) => {
      const { generation, digest } = holders[0]!.claim;
      const point = { generation, digest };
      for (const { target } of holders) {
        if (sets.has(text)) break;
        try {
          const wait = AbortSignal.any([signal, clock.timeout(READ_TIMEOUT_MS)]);
          const config = await connection.config(target, { point, signal: wait });
          if (samePoint(config, point))
            sets.set(text, config.artifacts); // LP1
          else log.error({ sled_id: target.id, point: text }, 'sled gives another set than its point has');
        } catch (error) {
          signal.throwIfAborted();
          log.warn(
            { sled_id: target.id, point: text, err: error },
            'sled does not give the set of its point',
          );
        }
      }
      return { point, sleds: holders.map(({ target }) => target.id), artifacts: sets.get(text) };
    }),
  );
};
