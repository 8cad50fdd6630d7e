/**
 * Recovery: what a person decides after the database lost commits, in a failover or since the backup that was restored
 * (B5, P7, P13).
 *
 *     answers of the sleds ─▶ a later read of the database ─▶ points that it does not know ─▶ the set of each, from a sled
 *       ─▶ planRecovery() ─▶ shown, or acted upon: the points become known, the generation rises above them
 *
 * RG1. It decides on the whole set that was wanted at a point, not on what a sled happens to hold: each artifact is listed
 *      by a present release, or given up by name. Anything else is an obstacle.
 * RG2. A point becomes known only if a sled that counts gave its set. Every other sled stays diverged, and keeps what it has.
 * RG3. The new generation is above every point that becomes known and is not below the present one. It stays where it is
 *      when all of them are below it.
 * RG4. A claim is believable up to a bound above the database. A sled that claims more is never followed.
 * RG5. Where no point is unknown there is nothing to do, so that acting twice is acting once.
 */
import { NAMED_ARTIFACTS, type RecoveryObstacle, type SledFinding } from './facts/recovery.ts';
import {
  type ArtifactHash,
  asGeneration,
  type Generation,
  type Point,
  pointText,
  type SledId,
} from './ids.ts';
import { isKnownPoint, type PointClaim, type RecordedPoints } from './lineage.ts';

/** RG4. More changes than a fleet sees in its life, and room above for as many again. */
export const BELIEVABLE_ABOVE = 2 ** 32;

export type AskedSled = {
  readonly id: SledId;
  readonly serial: string;
  readonly answer:
    | {
        readonly kind: 'points';
        /** Of its config; undefined before it was given one. */
        readonly own: PointClaim | undefined;
        /** Of other histories, which it keeps until they are decided on. */
        readonly kept: readonly PointClaim[];
      }
    | { readonly kind: 'silent' | 'bad_answer'; readonly message: string };
};

export type RecoveryInput = {
  /** Of a read that began after the last answer (P7). */
  readonly database: { readonly current: Point; readonly lineage: RecordedPoints };
  readonly sleds: readonly AskedSled[];
  readonly excluded: ReadonlySet<SledId>;
  /** By {@link pointText}: the sets of {@link unknownPoints} that a sled gave. */
  readonly sets: ReadonlyMap<string, ReadonlySet<ArtifactHash>>;
  /** Every hash of these sets that any release lists, and whether a present one does. */
  readonly known: ReadonlyMap<ArtifactHash, 'present' | 'deleted'>;
  readonly givenUp: ReadonlySet<ArtifactHash>;
  /** The generation that was asked for; otherwise the lowest that will do. */
  readonly to?: number | undefined;
};

type SledFate =
  /** At a point of the database, or without a config: needs no recovery. */
  | 'agrees'
  /** Its point becomes known, and it takes the next config. */
  | 'comes_back'
  | 'stays_diverged'
  /** Does not say what it holds: if its point is unknown, it stays diverged. */
  | 'silent'
  | 'unbelievable';

type RecoverySled = {
  readonly id: SledId;
  readonly serial: string;
  readonly fate: SledFate;
  readonly isExcluded: boolean;
  /** What it claims, where that is believable. */
  readonly generation: Generation | undefined;
  readonly finding: SledFinding;
};

export type RecoveryPoint = {
  readonly point: Point;
  /** That have it as their config or keep it, and count. */
  readonly sleds: readonly SledId[];
  /** How many artifacts were wanted at it; undefined when no sled gave the set. */
  readonly artifacts: number | undefined;
};

type UndecidedArtifact = {
  readonly sha256: ArtifactHash;
  /** Listed by releases that were deleted; otherwise the database knows nothing of it. */
  readonly isDeleted: boolean;
  readonly points: readonly Point[];
};

export type RecoveryPlan = {
  readonly generation: Generation;
  readonly outcome:
    | { readonly kind: 'not_needed' }
    | { readonly kind: 'recover'; readonly to: Generation }
    /** What was asked for is not above every point, or leaves no room. */
    | { readonly kind: 'refused'; readonly lowest: Generation; readonly highest: Generation };
  readonly sleds: readonly RecoverySled[];
  /** Those that the database does not know; those with a set become known (RG2). */
  readonly points: readonly RecoveryPoint[];
  /** RG1. */
  readonly undecided: readonly UndecidedArtifact[];
};

type Counted = { readonly point: Point; readonly sleds: SledId[] };

/** The points to decide on, and who has them: their sets have to be read before a plan can be made. */
export const unknownPoints = ({
  database,
  sleds,
  excluded,
}: Pick<RecoveryInput, 'database' | 'sleds' | 'excluded'>): readonly Counted[] => {
  const found = new Map<string, Counted>();
  for (const { id, answer } of sleds) {
    if (answer.kind !== 'points' || excluded.has(id)) continue;
    for (const claim of [answer.own, ...answer.kept]) {
      if (claim === undefined || isKnownPoint(claim, database.lineage) || !isBelievable(claim, database))
        continue;
      const { generation, digest } = claim;
      const counted = found.get(pointText(claim)) ?? { point: { generation, digest }, sleds: [] };
      if (!counted.sleds.includes(id)) counted.sleds.push(id);
      found.set(pointText(claim), counted);
    }
  }
  return [...found.values()].sort((a, b) => a.point.generation - b.point.generation);
};

/** RG4 */
const isBelievable = ({ generation }: Point, { current }: RecoveryInput['database']): boolean =>
  generation - current.generation <= BELIEVABLE_ABOVE;

export const planRecovery = (input: RecoveryInput): RecoveryPlan => {
  const points = unknownPoints(input).map(({ point, sleds }) => ({
    point,
    sleds,
    artifacts: input.sets.get(pointText(point))?.size,
  }));
  const outcome = decide(input, points);
  const accepted = new Set(acceptedOf(points).map(pointText));
  return {
    generation: input.database.current.generation,
    outcome,
    sleds: input.sleds.map(sled => judge(sled, accepted, input)),
    points,
    undecided: undecidedOf(input, points),
  };
};

/** RG2. */
export const acceptedOf = (points: readonly RecoveryPoint[]): readonly Point[] =>
  points.flatMap(({ point, artifacts }) => (artifacts === undefined ? [] : [point]));

/** What stands in the way of acting on a plan, as it is. */
export const recoveryObstacles = ({ points, undecided }: RecoveryPlan): readonly RecoveryObstacle[] => {
  if (points.length > 0 && acceptedOf(points).length === 0)
    return [{ code: 'RECOVERY_SLED_SILENT', points: points.map(({ point }) => point) }];
  if (undecided.length === 0) return [];
  const first = undecided.slice(0, NAMED_ARTIFACTS).map(({ sha256 }) => sha256);
  return [{ code: 'RECOVERY_LOSES_ARTIFACTS', artifacts: undecided.length, first }];
};

const decide = (
  { database, to }: RecoveryInput,
  points: readonly RecoveryPoint[],
): RecoveryPlan['outcome'] => {
  if (points.length === 0) return { kind: 'not_needed' };
  const { generation } = database.current;
  const top = Math.max(...acceptedOf(points).map(point => point.generation));
  const lowest = asGeneration(top >= generation ? top + 1 : generation);
  if (to === undefined) return { kind: 'recover', to: lowest };
  const highest = asGeneration(Math.min(Number.MAX_SAFE_INTEGER, generation + BELIEVABLE_ABOVE + 1));
  if (Number.isSafeInteger(to) && to >= lowest && to <= highest)
    return { kind: 'recover', to: asGeneration(to) };
  return { kind: 'refused', lowest, highest };
};

/** RG1 */
const undecidedOf = (
  { sets, known, givenUp }: RecoveryInput,
  points: readonly RecoveryPoint[],
): readonly UndecidedArtifact[] => {
  const undecided = new Map<ArtifactHash, Point[]>();
  for (const { point } of points) {
    for (const sha256 of sets.get(pointText(point)) ?? []) {
      if (known.get(sha256) === 'present' || givenUp.has(sha256)) continue;
      const at = undecided.get(sha256) ?? [];
      undecided.set(sha256, at);
      at.push(point);
    }
  }
  return [...undecided]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([sha256, at]) => ({ sha256, isDeleted: known.get(sha256) === 'deleted', points: at }));
};

const judge = (
  { id, serial, answer }: AskedSled,
  accepted: ReadonlySet<string>,
  { database, excluded }: RecoveryInput,
): RecoverySled => {
  const sled = { id, serial, isExcluded: excluded.has(id), generation: undefined };
  const isUnknown = (claim: PointClaim): boolean => !isKnownPoint(claim, database.lineage);
  switch (answer.kind) {
    case 'silent':
      return { ...sled, fate: 'silent', finding: { kind: 'no_answer', error: answer.message } };
    case 'bad_answer':
      return { ...sled, fate: 'unbelievable', finding: { kind: 'bad_answer', error: answer.message } };
    case 'points': {
      const { own } = answer;
      const keptPoints = answer.kept.length;
      const far = answer.kept.find(each => isUnknown(each) && !isBelievable(each, database));
      if (far !== undefined && (own === undefined || !isUnknown(own))) {
        const finding = { kind: 'unbelievable_kept_point', point: plain(far) } as const;
        return { ...sled, fate: 'unbelievable', finding };
      }
      if (own === undefined) return { ...sled, fate: 'agrees', finding: { kind: 'no_config', keptPoints } };
      const claim = { ...sled, generation: own.generation };
      const point = plain(own);
      if (!isUnknown(own))
        return { ...claim, fate: 'agrees', finding: { kind: 'known_point', point, keptPoints } };
      if (!isBelievable(own, database))
        return { ...sled, fate: 'unbelievable', finding: { kind: 'unbelievable_point', point } };
      if (accepted.has(pointText(own)))
        return { ...claim, fate: 'comes_back', finding: { kind: 'comes_back', point, keptPoints } };
      const kind = sled.isExcluded ? 'excluded' : 'set_missing';
      return { ...claim, fate: 'stays_diverged', finding: { kind, point, keptPoints } };
    }
    default:
      return answer satisfies never;
  }
};

const plain = ({ generation, digest }: Point): Point => ({ generation, digest });
