/** The requests of Nexus that move artifacts to a sled, and how they end: part of the API of the sled agent. */
import { z } from 'zod';
import { ArtifactHash, Generation, RequestedHash, SetDigest, SledId } from '../core/ids.ts';
import { defineRoute } from './route.ts';
import { SocketAddressText } from './socket-address.ts';
import { ByteCount, queryNumber, Timestamp } from './wire.ts';

export const CopyInFlight = z.object({
  sha256: ArtifactHash,
  depot_base_url: z.string(),
  received_bytes: ByteCount,
  size_bytes: ByteCount.optional(),
  time_started: Timestamp,
});
export const CopyFailure = z.object({
  sha256: ArtifactHash,
  depot_base_url: z.string(),
  error_code: z.string(),
  message: z.string(),
  time: Timestamp,
});

export const ArtifactPutResponse = z
  .object({ datasets: z.number().int().min(0), successful_writes: z.number().int().min(0) })
  .meta({ id: 'ArtifactPutResponse' });
export type ArtifactPutResponse = z.infer<typeof ArtifactPutResponse>;

/** Below the times after which proxies and clients give a request up. */
export const MAX_COPY_WAIT_S = 45;

export const ArtifactCopyOutcome = z
  .object({
    in_flight: z.boolean(),
    /** Of the last copy of this artifact that ended; without either, none did since the start of the agent. */
    stored: ArtifactPutResponse.optional(),
    failed: CopyFailure.optional(),
  })
  .meta({ id: 'ArtifactCopyOutcome' });
export type ArtifactCopyOutcome = z.infer<typeof ArtifactCopyOutcome>;

/** A lease, or the address of a copy source. */
export const SMALL_BODY_BYTES = 16 * 1024;

/**
 * The server of a copy source, and nothing beside it: a sled that fetched any URL would be a way to whatever it can reach. No
 * name, so that what is ordered is what is connected to.
 */
const DepotBaseUrl = z
  .string()
  .max(128)
  .refine(
    url => SocketAddressText.safeParse(/^https?:\/\/([^/]*)\/?$/.exec(url)?.[1]).success,
    'must be a URL of an address and a port alone, such as http://192.0.2.1:12348',
  );

/** What a receiver compares while the bytes of an artifact arrive: its prefix digests (core/prefix-digests.ts). */
export const PrefixDigestsBody = z
  .object({
    /** Of the artifact. */
    size_bytes: ByteCount,
    unit_bytes: ByteCount,
    /** Of the first unit, of the first two, and so on: 32 bytes each, one after the other. */
    prefix_digests: z.base64(),
  })
  .meta({ id: 'PrefixDigests' });
export type PrefixDigestsBody = z.infer<typeof PrefixDigestsBody>;

export const HashParam = z.object({ sha256: RequestedHash });
const GenerationQuery = z.object({
  generation: queryNumber(Generation),
  /** Extra to the published shape: the digest of the wanted set at that generation, compared if present (P13). */
  config_digest: SetDigest.optional(),
});

export const transferRoutes = {
  artifactPut: defineRoute({
    operationId: 'artifact_put',
    audience: 'nexus',
    method: 'PUT',
    path: '/artifacts/{sha256}',
    summary: 'Store one artifact of the current config, streamed and verified.',
    params: HashParam,
    query: GenerationQuery,
    body: { kind: 'stream' },
    status: 200,
    response: { kind: 'json', schema: ArtifactPutResponse },
    errors: [
      'ARTIFACT_HASH_MISMATCH',
      'ARTIFACT_PREFIX_MISMATCH',
      'ARTIFACT_NOT_IN_CONFIG',
      'ARTIFACT_WITHHELD',
      'ARTIFACT_GENERATION',
      'AWAITING_FLOOR',
      'SLED_BUSY',
      'NO_USABLE_DATASET',
      'NO_SPACE',
    ],
  }),
  artifactPrefixesPut: defineRoute({
    operationId: 'artifact_prefixes_put',
    audience: 'nexus',
    method: 'PUT',
    path: '/artifacts/{sha256}/prefixes',
    summary:
      'Tell the prefix digests of an artifact of the current config: transfers that begin after that are compared with them, and passed on while they last.',
    params: HashParam,
    body: { kind: 'json', schema: PrefixDigestsBody },
    status: 204,
    response: { kind: 'empty' },
    errors: ['NO_ARTIFACT_CONFIG', 'ARTIFACT_NOT_IN_CONFIG'],
  }),
  artifactCopyFromDepot: defineRoute({
    operationId: 'artifact_copy_from_depot',
    audience: 'nexus',
    method: 'POST',
    path: '/artifacts/{sha256}/copy-from-depot',
    summary: "Fetch one artifact from another sled's Repo Depot; answered when the source has begun to send.",
    params: HashParam,
    query: GenerationQuery,
    body: {
      kind: 'json',
      schema: z
        .object({
          depot_base_url: DepotBaseUrl,
          /** Extra: whom the certificate of the source has to name. Required of a sled agent that has one itself. */
          source_sled_id: SledId.optional(),
          /** `plain`: the source has no identity, and serves plain HTTP at an address that an admin approved. */
          source_transport: z.enum(['tls', 'plain']).optional(),
          /** Extra: the source may still be receiving the artifact, and passes on what it has verified. */
          arriving: z.boolean().optional(),
        })
        .meta({ id: 'ArtifactCopyFromDepotBody' }),
      maxBytes: SMALL_BODY_BYTES,
    },
    status: 202,
    response: { kind: 'json', schema: z.object({}).meta({ id: 'ArtifactCopyFromDepotResponse' }) },
    errors: [
      'ARTIFACT_NOT_IN_CONFIG',
      'ARTIFACT_WITHHELD',
      'ARTIFACT_GENERATION',
      'AWAITING_FLOOR',
      'SLED_BUSY',
      'COPY_SOURCE',
      'NO_USABLE_DATASET',
      'NO_SPACE',
    ],
  }),
  artifactCopyOutcome: defineRoute({
    operationId: 'artifact_copy_outcome',
    audience: 'nexus',
    method: 'GET',
    path: '/artifacts/{sha256}/copy',
    summary: 'How the last copy of an artifact to this sled ended; waits while one is in flight.',
    params: HashParam,
    query: z.object({
      /** The longest wait, in seconds. */
      wait_s: queryNumber(z.number().int().min(0).max(MAX_COPY_WAIT_S)).default(0),
    }),
    status: 200,
    response: { kind: 'json', schema: ArtifactCopyOutcome },
    errors: [],
  }),
};
