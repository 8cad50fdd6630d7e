/**
 * The number and the digest of the wanted set: the stored ones, and the next ones.
 *
 * W1. The set that is read is compared with the stored digest in the same transaction, so that tables changed by another
 *     program are an error and not a config that conflicts with an earlier one (DB1).
 * W2. The generation rises by one exactly when the set of hashes changes (B4).
 */
import { createHash } from 'node:crypto';
import { digestInput, MAX_CONFIG_ARTIFACTS } from '../../../core/artifact-config.ts';
import type { AuditAction } from '../../../core/facts/audit.ts';
import { type ArtifactHash, asGeneration, type Generation, type Point } from '../../../core/ids.ts';
import { samePoint, shortPoint } from '../../../core/lineage.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { RecoveryDecision } from '../ports/wanted-set-port.ts';

export const wantedSetDigest = (hashes: Iterable<ArtifactHash>): string =>
  createHash('sha256').update(digestInput(hashes)).digest('hex');

/**
 * W1.
 *
 * @param digest of what the present releases list
 * @throws `WANTED_SET_DIGEST`
 */
export const requireRecordedDigest = (stored: Point, digest: string): void => {
  if (digest === stored.digest) return;
  throw new DepotError(
    'WANTED_SET_DIGEST',
    `at generation ${stored.generation} the database wants artifacts of digest ${digest}, but recorded ${stored.digest}: its tables were changed by another program`,
    { detail: { generation: stored.generation, digest, recorded_digest: stored.digest } },
  );
};

/**
 * W2: the number and the digest of this set, given those of the previous one.
 *
 * @throws `WANTED_SET_TOO_LARGE` when no sled would take the config
 */
export const nextGeneration = (
  { generation, digest: before }: Point,
  hashes: ReadonlySet<ArtifactHash>,
): Point => {
  const digest = wantedSetDigest(hashes);
  if (digest === before) return { generation, digest };
  if (hashes.size > MAX_CONFIG_ARTIFACTS) {
    throw new DepotError(
      'WANTED_SET_TOO_LARGE',
      `with this release ${hashes.size} artifacts would be wanted, more than the ${MAX_CONFIG_ARTIFACTS} of a config: delete a release first`,
      { detail: { artifacts: hashes.size, max: MAX_CONFIG_ARTIFACTS } },
    );
  }
  if (generation === Number.MAX_SAFE_INTEGER) {
    throw new DepotError(
      'DATABASE_CONTENT',
      `the generation is ${generation}, the highest possible one: the wanted set cannot change any more`,
    );
  }
  return { generation: asGeneration(generation + 1), digest };
};

/**
 * Whether a recovery may set the generation (P7).
 *
 * @param repeated an earlier attempt of the same raise may have been committed
 * @param accepts it records points of another history, which may need no other generation
 * @returns `stay` when the generation is right already
 * @throws `INVALID_REQUEST` for anything but a rise
 */
export const admitRaise = (
  before: Generation,
  to: Generation,
  { repeated, accepts }: { readonly repeated: boolean; readonly accepts: boolean },
): 'raise' | 'stay' => {
  if ((repeated || accepts) && before === to) return 'stay';
  if (to > before) return 'raise';
  throw new DepotError(
    'INVALID_REQUEST',
    `the generation is ${before} and never falls: it cannot become ${to}`,
  );
};

/**
 * Checks that the database is at the point of the recovery's plan: it may have changed since, or failed over (P7).
 *
 * @param repeated an earlier attempt of the same raise may have been committed
 * @throws `INVALID_REQUEST`
 */
export const requirePlannedPoint = (
  before: Point,
  { planned, to }: { readonly planned: Point | undefined; readonly to: Generation },
  { repeated }: { readonly repeated: boolean },
): void => {
  if (planned === undefined || samePoint(before, planned)) return;
  if (repeated && before.generation === to) return;
  throw new DepotError(
    'INVALID_REQUEST',
    `the database is at ${shortPoint(before)}, but the recovery was planned at ${shortPoint(planned)}`,
  );
};

/** The audited action. */
export const generationRecovered = (
  before: Point,
  {
    to,
    accepted,
    invitationsEnded,
  }: { readonly to: Generation; readonly accepted: readonly Point[]; readonly invitationsEnded: number },
  { excludedSleds, givenUp, givenUpTotal, headsLost = [] }: RecoveryDecision,
): AuditAction<'generation_recovered'> => ({
  kind: 'generation_recovered',
  generation: to,
  previousGeneration: before.generation,
  accepted: accepted.map(({ generation, digest }) => ({ generation, digest })),
  ...{ excludedSleds, givenUp, givenUpTotal },
  ...(headsLost.length > 0 && { headsLost }),
  ...(invitationsEnded > 0 && { invitationsEnded }),
});

/**
 * What a Nexus may raise by itself for one sled, whose set the wanted set includes (P13). A sled that lies about its
 * generation must not make every plan void again and again (G8).
 */
export const MAX_MEND = 1_000;
export const MEND_PERIOD_MS = 24 * 60 * 60 * 1_000;

/** @param hadOneRecently the generation was raised for this sled within {@link MEND_PERIOD_MS} */
export const admitMend = (
  before: Generation,
  to: Generation,
  { hadOneRecently }: { readonly hadOneRecently: boolean },
): boolean => !hadOneRecently && to > before && to - before <= MAX_MEND;
