/** The operator's API for recoveries: a look that explains, and the same path to act. */
import { z } from 'zod';
import { ArtifactHash, Generation, SledId } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';

/** Artifacts listed in an answer; the total says how many there are. */
export const MAX_LISTED_ARTIFACTS = 1000;
/** More sleds than a fleet has. */
export const MAX_EXCLUDED_SLEDS = 256;

const HeldArtifact = z.object({ sha256: ArtifactHash, sleds: z.array(SledId) });

export const RecoverySledView = z.object({
  sled_id: SledId,
  serial: z.string(),
  /** `comes_back`: takes the database's config at the new generation; `silent`: may have diverged too. */
  state: z.enum(['agrees', 'comes_back', 'stays_diverged', 'silent', 'unbelievable']),
  excluded: z.boolean(),
  /** What it claims; null where it claims nothing that is believable. */
  generation: Generation.nullable(),
  /** Held by it, and listed by no release that the database knows. */
  unknown_artifacts: z.number().int().min(0),
  message: z.string(),
});
export type RecoverySledView = z.infer<typeof RecoverySledView>;

export const GenerationRecovery = z
  .object({
    /** `blocked`: needed, and not possible as it is; the obstacles say why. */
    state: z.enum(['not_needed', 'needed', 'blocked', 'done']),
    /** Of the database, when it was looked at. */
    generation: Generation,
    /** What it becomes, or has become. */
    to: Generation.nullable(),
    sleds: z.array(RecoverySledView),
    /** What sleds that come back let go of: listed by no release that the database knows. */
    unknown_artifacts_total: z.number().int().min(0),
    unknown_artifacts: z.array(HeldArtifact).max(MAX_LISTED_ARTIFACTS),
    /** What they let go of since only deleted releases list it. */
    deleted_artifacts_total: z.number().int().min(0),
    deleted_artifacts: z.array(HeldArtifact).max(MAX_LISTED_ARTIFACTS),
    /** What acting is refused for, with the code of the refusal. */
    obstacles: z.array(z.object({ code: z.string(), message: z.string() })),
  })
  .meta({ id: 'GenerationRecovery' });
export type GenerationRecovery = z.infer<typeof GenerationRecovery>;

export const RecoverGeneration = z
  .object({
    /** The database's generation when the recovery was looked at. */
    expected_generation: Generation,
    /** Above what every sled claims that is not excluded. */
    to: Generation,
    exclude_sleds: z.array(SledId).max(MAX_EXCLUDED_SLEDS).optional(),
    /** Artifacts that the database does not know may go. */
    confirm_unknown_artifacts: z.boolean().optional(),
  })
  .meta({ id: 'RecoverGeneration' });

/** Ids with commas between them. */
const SledIds = z
  .string()
  .max(MAX_EXCLUDED_SLEDS * 37)
  .regex(/^[0-9a-fA-F-]{36}(,[0-9a-fA-F-]{36})*$/, 'must be ids of sleds with commas between them')
  .optional();

const PATH = '/v1/system/fleet/recovery/generation';
const TAGS = ['fleet'] as const;

export const operatorRecoveryApi = {
  title: 'Operator API, recoveries',
  version: '1.0.0',
  description: 'What to do when sleds and database are at odds.',
  routes: {
    generationRecoveryView: defineRoute({
      operationId: 'generation_recovery_view',
      method: 'GET',
      path: PATH,
      summary: 'Asks every sled now, and says whether and how its generation is recovered; changes nothing',
      tags: TAGS,
      query: z.object({ exclude_sleds: SledIds }),
      status: 200,
      response: { kind: 'json', schema: GenerationRecovery },
      errors: ['NOT_FOUND'],
    }),
    generationRecover: defineRoute({
      operationId: 'generation_recover',
      method: 'POST',
      path: PATH,
      summary: 'Raises the generation above what every sled claims, so that they follow the database again',
      tags: TAGS,
      body: { kind: 'json', schema: RecoverGeneration },
      status: 200,
      response: { kind: 'json', schema: GenerationRecovery },
      errors: [
        'NOT_FOUND',
        'RECOVERY_CHANGED',
        'RECOVERY_LOSES_ARTIFACTS',
        'RECOVERY_SLED_SILENT',
        'RECOVERY_NO_GENERATION_LEFT',
      ],
    }),
  },
} as const satisfies Api;
