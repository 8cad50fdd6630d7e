/** What a recovery finds of each sled, and what stands in its way: the kinds, and each in English. */
import { z } from 'zod';
import { ArtifactHash } from '../ids.ts';
import { shortPoint } from '../lineage.ts';
import { listed, plural, quoted, type Rendered, sentences } from './phrase.ts';
import { Count, PointFact, Words } from './reason.ts';

/** `keptPoints`: how many points of other histories it keeps beside its config. */
const withConfig = z.object({ point: PointFact, keptPoints: Count });

export const sledFindingSchemas = {
  no_answer: z.object({ error: Words }),
  bad_answer: z.object({ error: Words }),
  no_config: z.object({ keptPoints: Count }),
  /** Its point is known to the database. */
  known_point: withConfig,
  /** Its config, or one that it keeps, is too far above the database to be believed. */
  unbelievable_point: z.object({ point: PointFact }),
  unbelievable_kept_point: z.object({ point: PointFact }),
  /** Its point becomes known. */
  comes_back: withConfig,
  excluded: withConfig,
  /** No sled gave the set of its point. */
  set_missing: withConfig,
} as const satisfies Record<string, z.ZodType<object>>;

type SledFindingKind = keyof typeof sledFindingSchemas;

export type SledFinding<K extends SledFindingKind = SledFindingKind> = {
  readonly [E in K]: { readonly kind: E } & Readonly<z.infer<(typeof sledFindingSchemas)[E]>>;
}[K];

export const obstacleSchemas = {
  RECOVERY_LOSES_ARTIFACTS: z.object({
    artifacts: Count,
    /** The first of them. */ first: z.array(ArtifactHash).readonly(),
  }),
  RECOVERY_SLED_SILENT: z.object({ points: z.array(PointFact).readonly() }),
} as const satisfies Record<string, z.ZodType<object>>;

type ObstacleCode = keyof typeof obstacleSchemas;

export type RecoveryObstacle<C extends ObstacleCode = ObstacleCode> = {
  readonly [K in C]: { readonly code: K } & Readonly<z.infer<(typeof obstacleSchemas)[K]>>;
}[C];

/** How many artifacts an obstacle names. */
export const NAMED_ARTIFACTS = 3;

type FindingRenderers = { readonly [K in SledFindingKind]: (finding: SledFinding<K>) => Rendered };

const findingRenderers: FindingRenderers = {
  no_answer: ({ error }) => ({
    message: `It does not answer: ${quoted(error)} It may hold an unknown point too.`,
  }),
  bad_answer: ({ error }) => ({ message: `It sent an invalid answer: ${quoted(error)}` }),
  no_config: ({ keptPoints }) => ({ message: sentences('It has no config yet.', keeps(keptPoints)) }),
  known_point: ({ point, keptPoints }) => ({
    message: sentences(`It is at ${shortPoint(point)}, which the database knows.`, keeps(keptPoints)),
  }),
  unbelievable_point: ({ point }) => ({
    message: `It claims generation ${point.generation}, which is too far above the database to be believed.`,
    remedy: 'Reset it on its machine: tuf-depot sled-agent reset --config FILE.',
  }),
  unbelievable_kept_point: ({ point }) => ({
    message: `It keeps a config of generation ${point.generation}, which is too far above the database to be believed.`,
    remedy: `Give it up on its machine: tuf-depot sled-agent reset --config FILE --give-up ${shortPoint(point)}`,
  }),
  comes_back: finding => ({
    message: sentences(unknown(finding), 'It follows the database once that is decided on.'),
  }),
  excluded: finding => ({ message: sentences(unknown(finding), 'It is excluded and keeps its artifacts.') }),
  set_missing: finding => ({
    message: sentences(unknown(finding), 'No sled gave the set of that point, so it keeps its artifacts.'),
  }),
};

export const renderFinding = (finding: SledFinding): Rendered =>
  (findingRenderers[finding.kind] as (finding: SledFinding) => Rendered)(finding);

const unknown = ({ point, keptPoints }: SledFinding<'comes_back' | 'excluded' | 'set_missing'>): string =>
  sentences(`It holds ${shortPoint(point)}, which the database does not know.`, keeps(keptPoints));

const keeps = (keptPoints: number): string | undefined =>
  keptPoints === 0 ? undefined : `It keeps ${plural(keptPoints, 'point')} of other histories.`;

type ObstacleRenderers = { readonly [C in ObstacleCode]: (obstacle: RecoveryObstacle<C>) => Rendered };

const obstacleRenderers: ObstacleRenderers = {
  RECOVERY_LOSES_ARTIFACTS: ({ artifacts, first }) => ({
    message: `No present release lists ${plural(artifacts, 'artifact')} that sleds were told to hold: ${named(first, artifacts)}.`,
    remedy: 'Upload the releases that list them, or give them up by name.',
  }),
  RECOVERY_SLED_SILENT: ({ points }) => ({
    message: `No sled gave the set of ${listed(points.map(shortPoint))}.`,
    remedy: 'Start a sled that holds it, or reset the sled on its machine.',
  }),
};

export const renderObstacle = (obstacle: RecoveryObstacle): Rendered =>
  (obstacleRenderers[obstacle.code] as (obstacle: RecoveryObstacle) => Rendered)(obstacle);

const named = (first: readonly string[], total: number): string =>
  total > first.length ? `${first.join(', ')} and ${total - first.length} more` : first.join(', ');
