/**
 * The points of sleds that the database does not know: their commits were lost in a failover, or are newer than the
 * restored backup (P13).
 *
 *     diverged sleds, points that sleds keep ─▶ unknown points ─▶ the set of each, read from a sled, compared with its digest
 *
 * LP1. A set is accepted if it has the digest of its point, from any sled: no sled can forge the set of another's point.
 * LP2. A set is read once while any sled claims its point. All reads of a round share one time limit, and a sled that did
 *      not send a set is not asked again for a while (G8).
 */
import { type ArtifactHash, type Point, pointText, type SledId } from '../../core/ids.ts';
import { isKnownPoint, type PointClaim, type RecordedPoints, samePoint } from '../../core/lineage.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';

export type LostPoint = {
  readonly point: Point;
  /** The sleds that have it as their config. */
  readonly owners: readonly SledId[];
  /** Undefined until a sled has sent it. */
  readonly artifacts: ReadonlySet<ArtifactHash> | undefined;
};

/** A point that a sled reports. */
export type ReportedPoint = {
  readonly target: SledTarget;
  readonly claim: PointClaim;
  /** Of another history, beside the config that the sled has. */
  readonly isKept: boolean;
};

/** For reading the configs of all points of a round. */
const READ_TIMEOUT_MS = 10_000;
/** The pause after a sled did not send a set. */
const PAUSE_MS = 60_000;

export type LostPointsMemory = {
  /** Sets that were read before, by the texts of their points. */
  readonly sets: Map<string, ReadonlySet<ArtifactHash>>;
  /** The end of the pause of each sled, on the monotonic clock. */
  readonly pauses: Map<SledId, number>;
};

export const createLostPointsMemory = (): LostPointsMemory => ({ sets: new Map(), pauses: new Map() });

type Deps = {
  readonly connection: Pick<SledConnection, 'config'>;
  readonly clock: Clock;
  readonly memory: LostPointsMemory;
};

export const unknownReports = (
  reports: readonly ReportedPoint[],
  lineage: RecordedPoints,
): readonly ReportedPoint[] => reports.filter(({ claim }) => !isKnownPoint(claim, lineage));

/** @param reports of points that the database does not know */
export const readLostPoints = async (
  { connection, clock, memory: { sets, pauses } }: Deps,
  reports: readonly ReportedPoint[],
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<readonly LostPoint[]> => {
  const byPoint = Map.groupBy(reports, ({ claim }) => pointText(claim));
  const points = new Map(
    reports.map(({ claim: { generation, digest } }) => [
      pointText({ generation, digest }),
      { generation, digest },
    ]),
  );
  for (const text of sets.keys()) if (!byPoint.has(text)) sets.delete(text);
  const wait = AbortSignal.any([signal, clock.timeout(READ_TIMEOUT_MS)]);
  return Promise.all(
    [...points].map(async ([text, point]) => {
      const holders = byPoint.get(text) ?? [];
      for (const { target } of holders) {
        if (sets.has(text) || wait.aborted) break;
        if ((pauses.get(target.id) ?? 0) > clock.monotonicMs()) continue;
        try {
          const config = await connection.config(target, { point, signal: wait });
          if (samePoint(config, point))
            sets.set(text, config.artifacts); // LP1
          else log.error({ sled_id: target.id, point: text }, 'sled gives another set than its point has');
        } catch (error) {
          signal.throwIfAborted();
          pauses.set(target.id, clock.monotonicMs() + PAUSE_MS);
          log.warn(
            { sled_id: target.id, point: text, err: error },
            'sled does not give the set of its point',
          );
        }
      }
      const owners = holders.filter(({ isKept }) => !isKept).map(({ target }) => target.id);
      return { point, owners, artifacts: sets.get(text) };
    }),
  );
};
