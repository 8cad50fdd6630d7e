/** Nexus's internal API: sleds register here. Compatible with the published one; our fields are optional. */
import { z } from 'zod';
import { Generation, IncarnationId, SetDigest, SledId } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { DatasetHealth } from './sled-agent-api.ts';
import { Port, SocketAddressText } from './socket-address.ts';
import { NEXUS_INTERNAL_VERSION } from './versions.ts';
import { ByteCount, isVisible, NOT_VISIBLE } from './wire.ts';

/**
 * A registration with all that the schema allows is 200 KiB. Each is parsed in one piece, kept in the database, and read again
 * by every round.
 */
const MAX_REGISTRATION_BYTES = 256 * 1024;
/** Longer than a path that a disk is mounted at, and than a sentence on its fault. */
export const MAX_DATASET_PATH_CHARS = 1_024;
export const MAX_DATASET_MESSAGE_CHARS = 512;
const MAX_DATASETS = 64;

/** Neither empty, nor with characters that a terminal or a list would show as something else. */
export const SerialNumber = z.string().min(1).max(256).refine(isVisible, NOT_VISIBLE);

const Baseboard = z
  .object({
    serial: SerialNumber,
    part: z.string().max(256),
    revision: z.number().int().min(0).max(0xffff_ffff),
  })
  .meta({ id: 'Baseboard' });

/** A registration names the datasets; a listing may say more of them. */
const RegisteredDataset = DatasetHealth.extend({
  path: z.string().max(MAX_DATASET_PATH_CHARS),
  message: z.string().max(MAX_DATASET_MESSAGE_CHARS).optional(),
});

/** Enough for the datasets of a sled and for its kept points. */
export const MAX_HEADS = 96;

/** A point on a sled's datasets, or a kept one. */
export const SledHead = z
  .object({
    generation: Generation,
    config_digest: SetDigest,
    /** The sled has adopted a config that names its predecessor. */
    lineage: z.boolean(),
    /** Of another history, and kept until a recovery has decided on it. */
    kept: z.boolean(),
  })
  .meta({ id: 'SledHead' });
export type SledHead = z.infer<typeof SledHead>;

export const SledAgentInfo = z
  .object({
    /** The agent API's address. */
    sa_address: SocketAddressText,
    repo_depot_port: Port,
    role: z.enum(['gimlet', 'scrimlet']),
    baseboard: Baseboard,
    usable_hardware_threads: z.number().int().min(0).max(0xffff_ffff),
    usable_physical_ram: ByteCount,
    reservoir_size: ByteCount,
    cpu_family: z.enum(['unknown', 'amd_milan', 'amd_turin', 'amd_turin_dense']),
    /** Of the registration, not of the artifact config: an older one than recorded is ignored (S14). */
    generation: Generation,
    decommissioned: z.boolean(),
    // Extra to the published shape.
    incarnation_id: IncarnationId.optional(),
    datasets: z.array(RegisteredDataset).max(MAX_DATASETS).optional(),
    /** Present for a sled agent that compares the points of configs (P13). */
    heads: z.array(SledHead).max(MAX_HEADS).optional(),
  })
  .meta({ id: 'SledAgentInfo' });
export type SledAgentInfo = z.infer<typeof SledAgentInfo>;

/**
 * The header of the answer that carries the artifact config generation read from the database during that
 * request: the floor of P5. A header, since the published answer is a 204 and has no body.
 */
export const GENERATION_FLOOR_HEADER = 'artifact-generation-floor';
/** The digest of the wanted set at that generation. */
export const FLOOR_DIGEST_HEADER = 'artifact-digest-floor';
/**
 * Which of the heads in the request the database recorded: `GENERATION:DIGEST=known` or `=unknown`, with commas between
 * them. A head that is absent was not looked up.
 */
export const HEADS_HEADER = 'artifact-heads';

/** Of `REGISTRATION_STALE`: the address in the registration that counts. */
export const RECORDED_ADDRESS_DETAIL = 'recorded_address';

export const internalApi = {
  title: 'Internal API, sled registration',
  version: NEXUS_INTERNAL_VERSION,
  description: 'Sled agents register with Nexus.',
  routes: {
    sledAgentGet: defineRoute({
      operationId: 'sled_agent_get',
      audience: 'sled',
      method: 'GET',
      path: '/sled-agents/{sled_id}',
      ownId: 'sled_id',
      summary: 'The registration of a sled agent.',
      params: z.object({ sled_id: SledId }),
      status: 200,
      response: { kind: 'json', schema: SledAgentInfo },
      errors: ['NOT_FOUND'],
    }),
    sledAgentPut: defineRoute({
      operationId: 'sled_agent_put',
      audience: 'sled',
      method: 'POST',
      path: '/sled-agents/{sled_id}',
      ownId: 'sled_id',
      summary: 'Report that a sled agent has come online, or has changed.',
      params: z.object({ sled_id: SledId }),
      body: { kind: 'json', schema: SledAgentInfo, maxBytes: MAX_REGISTRATION_BYTES },
      status: 204,
      response: { kind: 'empty' },
      responseHeaders: {
        [GENERATION_FLOOR_HEADER]: 'the artifact config generation of the database, read in this request',
        [FLOOR_DIGEST_HEADER]: 'the digest of the wanted set at that generation',
        [HEADS_HEADER]: 'which of the heads in the request the database recorded',
      },
      errors: [
        'SLED_DECOMMISSIONED',
        'SLED_PENDING',
        'REGISTRATION_STALE',
        'SLED_KEY_IN_USE',
        'SLED_SERIAL_DIFFERS',
      ],
    }),
  },
} as const satisfies Api;
