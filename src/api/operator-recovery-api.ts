/** The operator's API for recoveries: GET explains, POST acts. */
import { z } from 'zod';
import { ArtifactHash, Generation, PointName, SetDigest, SledId, SystemVersion } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, Details } from './wire.ts';

/** Artifacts listed in an answer, which also has their total. */
export const MAX_LISTED_ARTIFACTS = 1000;
/** More sleds than a fleet has. */
const MAX_EXCLUDED_SLEDS = 256;

/** `GENERATION:DIGEST` */

export const RecoverySledView = z.object({
  sled_id: SledId,
  serial: z.string(),
  /** `comes_back`: its point becomes known, and it adopts the next config; `silent`: may hold an unknown point too. */
  state: answerWord(['agrees', 'comes_back', 'stays_diverged', 'silent', 'unbelievable']),
  excluded: z.boolean(),
  /** Its claim; null without a plausible one. */
  generation: Generation.nullable(),
  message: z.string(),
  remedy: z.string().optional(),
  /** The facts that the message is made of. */
  details: Details.optional(),
});
export type RecoverySledView = z.infer<typeof RecoverySledView>;

/** A point of the wanted set that the database does not know. */
const RecoveryPointView = z.object({
  generation: Generation,
  config_digest: SetDigest,
  sleds: z.array(SledId),
  /** The size of its wanted set; null if no sled reported the set, and then it stays unknown. */
  artifacts: z.number().int().min(0).nullable(),
});

const UndecidedArtifactView = z.object({
  sha256: ArtifactHash,
  /** `deleted`: only deleted releases list it. `unknown`: no release in the database does. */
  state: answerWord(['deleted', 'unknown']),
  points: z.array(PointName),
});

export const GenerationRecovery = z
  .object({
    /** `blocked`: needed, but not possible yet; the obstacles say why. */
    state: answerWord(['not_needed', 'needed', 'blocked', 'done']),
    /** Of the database, at the time of the read. */
    generation: Generation,
    /** The new generation, planned or reached; it may be the present one. Null if there is nothing to do. */
    to: Generation.nullable(),
    sleds: z.array(RecoverySledView),
    points: z.array(RecoveryPointView),
    /** Artifacts that were wanted at these points, and that no present release lists. */
    undecided_artifacts_total: z.number().int().min(0),
    undecided_artifacts: z.array(UndecidedArtifactView).max(MAX_LISTED_ARTIFACTS),
    /** Why acting is refused, with the code of the refusal. */
    obstacles: z.array(
      z.object({
        code: z.string(),
        message: z.string(),
        remedy: z.string().optional(),
        details: Details.optional(),
      }),
    ),
    /** Sleds that this Nexus does not register, since the database does not know them. Absent for none. */
    pending_sleds: z
      .array(z.object({ id: SledId, serial: z.string(), address: z.string() }))
      .max(MAX_EXCLUDED_SLEDS)
      .optional(),
    /** Of machines, sleds and Nexuses, that nobody had used: acting ends them. Absent for none. */
    invitations_ended: z.number().int().min(1).optional(),
  })
  .meta({ id: 'GenerationRecovery' });
export type GenerationRecovery = z.infer<typeof GenerationRecovery>;

/** More names than a person types; a point or a release names all of its artifacts. */
const MAX_GIVEN_UP = 10_000;

export const RecoverGeneration = z
  .object({
    /** The database's generation at the time of the plan. */
    expected_generation: Generation,
    /** Above every point that becomes known. */
    to: Generation,
    exclude_sleds: z.array(SledId).max(MAX_EXCLUDED_SLEDS).optional(),
    /** What sleds may delete although their configs list it: artifacts, all of a point, all of a deleted release. */
    give_up: z
      .object({
        artifacts: z.array(ArtifactHash).max(MAX_GIVEN_UP).optional(),
        points: z.array(PointName).max(MAX_GIVEN_UP).optional(),
        releases: z.array(SystemVersion).max(MAX_GIVEN_UP).optional(),
      })
      .optional(),
  })
  .meta({ id: 'RecoverGeneration' });
export type RecoverGeneration = z.infer<typeof RecoverGeneration>;

/** What the original's debugger finds of the config of each sled, and in its words. */
const ReplicationCheck = z
  .object({
    /** Of the database, read after the answers. */
    generation: Generation,
    sleds: z.array(
      z.object({
        sled_id: SledId,
        serial: z.string(),
        ip: z.string(),
        state: answerWord(['ok', 'old', 'newer', 'other_artifacts', 'error']),
        /** Of the sled's config, where it answered. */
        generation: Generation.optional(),
        message: z.string(),
      }),
    ),
  })
  .meta({ id: 'ReplicationCheck' });

/** Ids with commas between them. */
const SledIds = z
  .string()
  .max(MAX_EXCLUDED_SLEDS * 37)
  .transform(text => text.split(','))
  .pipe(z.array(SledId).max(MAX_EXCLUDED_SLEDS))
  .optional();

const PATH = '/v1/system/fleet/recovery/generation';
const TAGS = ['fleet'] as const;

export const operatorRecoveryApi = {
  title: 'Operator API, recoveries',
  version: OPERATOR_VERSION,
  description:
    'Whether sleds have the config of the database, and recoveries for those with configs that it does not know.',
  routes: {
    generationRecoveryView: defineRoute({
      operationId: 'generation_recovery_view',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: PATH,
      summary: 'Ask every sled now, and plan the recovery of the generation; changes nothing',
      tags: TAGS,
      query: z.object({ exclude_sleds: SledIds }),
      status: 200,
      response: { kind: 'json', schema: GenerationRecovery },
      errors: ['NOT_FOUND'],
    }),
    replicationCheck: defineRoute({
      operationId: 'replication_check',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/fleet/replication-check',
      summary:
        'Ask every in-service sled for its config now, and compare it with the database; changes nothing',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: ReplicationCheck },
      errors: [],
    }),
    generationRecover: defineRoute({
      operationId: 'generation_recover',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: PATH,
      summary:
        'Record the points of other histories as known, so that the sleds that hold them follow the database again',
      tags: TAGS,
      body: { kind: 'json', schema: RecoverGeneration },
      status: 200,
      response: { kind: 'json', schema: GenerationRecovery },
      errors: ['NOT_FOUND', 'RECOVERY_CHANGED', 'RECOVERY_LOSES_ARTIFACTS', 'RECOVERY_SLED_SILENT'],
    }),
  },
} as const satisfies Api;
