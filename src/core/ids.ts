/** The branded identifiers of the system, parsed once at the edge. */
import { z } from 'zod';

const HASH_PATTERN = /^[0-9a-f]{64}$/;

export const Sha256Hex = z.string().regex(HASH_PATTERN, 'must be a SHA-256 in 64 lower-case hex digits');

/** The name of an artifact. */
export const ArtifactHash = Sha256Hex.brand<'ArtifactHash'>();
export type ArtifactHash = z.infer<typeof ArtifactHash>;
/** In a request, where the published APIs take hex digits of either case; inside it is lower case. */
export const RequestedHash = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, 'must be a SHA-256 in 64 hex digits')
  .toLowerCase()
  .brand<'ArtifactHash'>();
export const isArtifactHash = (text: string): text is ArtifactHash => HASH_PATTERN.test(text);

/**
 * Rises whenever the wanted set changes. The wire type is an unsigned 64-bit integer; above 2^53 - 1 a value
 * is implausible (P7) and is refused, never rounded: JSON.parse maps every larger integer to at least 2^53.
 */
export const Generation = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).brand<'Generation'>();
export type Generation = z.infer<typeof Generation>;
export const asGeneration = (value: number): Generation => Generation.parse(value);
/** The generation of a database in which nothing was ever wanted. */
export const FIRST_GENERATION = asGeneration(1);

/** Of a wanted set: of `digestInput` in artifact-config.ts. */
export const SetDigest = Sha256Hex;

/** One state of the wanted set; lineage.ts has the rules (P13). */
export type Point = { readonly generation: Generation; readonly digest: string };

/** `GENERATION:DIGEST`, as in queries, headers and messages. */
export const pointText = ({ generation, digest }: Point): string => `${generation}:${digest}`;

/** The texts that a name matches: the whole text, or a prefix that includes some of the digest. */
export const pointsNamed = (texts: Iterable<string>, name: string): string[] =>
  name.includes(':') ? [...texts].filter(text => text.startsWith(name)) : [];

/** A point that stays a text. */
export const PointName = z
  .string()
  .regex(/^\d{1,16}:[0-9a-f]{64}$/, 'must be GENERATION:DIGEST')
  .refine(
    text => Generation.safeParse(Number(text.split(':')[0])).success,
    'its generation is beyond 2^53 - 1',
  );
export const PointText = PointName.transform((text): Point => {
  const [generation, digest] = text.split(':') as [string, string];
  return { generation: Generation.parse(Number(generation)), digest };
});

const uuid = <B extends string>() => z.guid().toLowerCase().brand<B>();

export const SledId = uuid<'SledId'>();
export type SledId = z.infer<typeof SledId>;
export const NexusId = uuid<'NexusId'>();
export type NexusId = z.infer<typeof NexusId>;
export const RepoId = uuid<'RepoId'>();
export type RepoId = z.infer<typeof RepoId>;
/** Made anew for each upload, so that two uploads of one archive are two local repos (P1). */
export const UploadId = uuid<'UploadId'>();
export type UploadId = z.infer<typeof UploadId>;
export const ArtifactId = uuid<'ArtifactId'>();
export type ArtifactId = z.infer<typeof ArtifactId>;
export const TrustRootId = uuid<'TrustRootId'>();
export type TrustRootId = z.infer<typeof TrustRootId>;
export const DatasetId = uuid<'DatasetId'>();
export type DatasetId = z.infer<typeof DatasetId>;
/** Of one event of the history: made by Nexus, or derived from a sled's report, so that it is recorded once. */
export const EventId = uuid<'EventId'>();
export type EventId = z.infer<typeof EventId>;
/** A sled's life between two wipes: a sled that lost all its datasets has a new one (P5). */
export const IncarnationId = uuid<'IncarnationId'>();
export type IncarnationId = z.infer<typeof IncarnationId>;
/** Made anew for each round of replication (P13). */
export const RoundNonce = uuid<'RoundNonce'>();
export type RoundNonce = z.infer<typeof RoundNonce>;
/** Chosen by the holder of the lease, so that a repeated request renews it (P11). */
export const LeaseId = uuid<'LeaseId'>();
export type LeaseId = z.infer<typeof LeaseId>;
/** Of the token of an operator: public, unlike the token. */
export const OperatorTokenId = uuid<'OperatorTokenId'>();
export type OperatorTokenId = z.infer<typeof OperatorTokenId>;
/** Of an invitation: public, unlike its token. */
export const InvitationId = uuid<'InvitationId'>();
export type InvitationId = z.infer<typeof InvitationId>;
/** Of one entry of the audit log, so that a repeated transaction adds no second one (P4). */
export const AuditEntryId = uuid<'AuditEntryId'>();
export type AuditEntryId = z.infer<typeof AuditEntryId>;

/** Semantic version 2.0.0, as in the published contract. */
export const SYSTEM_VERSION_PATTERN =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/;
export const SystemVersion = z
  .string()
  .max(64)
  .regex(SYSTEM_VERSION_PATTERN, 'must be a semantic version such as 1.2.3 or 2.0.0-rc.1')
  .brand<'SystemVersion'>();
export type SystemVersion = z.infer<typeof SystemVersion>;

/** The bytes that the hash of a release covers: its archive or, without one, its signed targets metadata (S18). */
export const HashKind = z.enum(['archive', 'targets']);
export type HashKind = z.infer<typeof HashKind>;
