/** Why something that is wanted cannot be requested in a round: the kinds, what is known of each, and each in English. */
import { z } from 'zod';
import { ArtifactHash, SledId } from '../ids.ts';
import { listed, plural, quoted, type Rendered, shortHash } from './phrase.ts';
import { Count, Words } from './reason.ts';

export const MAX_NAMED_SOURCES = 8;

const ofSled = { sha256: ArtifactHash, sledId: SledId, serial: Words, error: Words };

export const blockedSchemas = {
  /** No sled that answers holds it, and this Nexus has no archive of it; a sled that does not answer may have it. */
  NO_KNOWN_COPY_SLEDS_SILENT: z.object({ sha256: ArtifactHash, silentSleds: Count }),
  /** As above, but every sled answers: another Nexus may hold the archive, or the bytes are lost. */
  NO_KNOWN_COPY: z.object({ sha256: ArtifactHash }),
  /** Sleds neither store nor serve it: no metadata that they verified lists it. */
  ARTIFACT_WITHHELD: z.object({ sha256: ArtifactHash, withholdingSleds: Count }),
  /** Waits for the back-off after a failed put or copy; `sources`: the serials of sleds that hold it, and all failed. */
  TRANSFER_FAILED: z.object({ ...ofSled, sources: z.array(Words).max(MAX_NAMED_SOURCES).optional() }),
  /** The sled takes no writes now: full, or busy. */
  SLED_WRITES_PAUSED: z.object(ofSled),
  /** The sled has no identity, and copies from no sled that has one; this Nexus has no archive. */
  NO_PLAIN_SOURCE: z.object({ sha256: ArtifactHash, sledId: SledId, serial: Words }),
} as const satisfies Record<string, z.ZodType<object>>;

type BlockedCode = keyof typeof blockedSchemas;

export type Blocked<C extends BlockedCode = BlockedCode> = {
  readonly [K in C]: { readonly code: K } & Readonly<z.infer<(typeof blockedSchemas)[K]>>;
}[C];

type Renderers = { readonly [C in BlockedCode]: (blocked: Blocked<C>) => Rendered };

const renderers: Renderers = {
  NO_KNOWN_COPY_SLEDS_SILENT: ({ sha256, silentSleds }) => ({
    message: `No reachable sled has artifact ${shortHash(sha256)}. ${plural(silentSleds, 'unreachable sled')} might.`,
    remedy: 'Bring these sleds back, or upload the archive again.',
  }),
  NO_KNOWN_COPY: ({ sha256 }) => ({
    message: `No sled has artifact ${shortHash(sha256)}, and this Nexus has no archive of it. Another Nexus might.`,
    remedy: 'Upload the archive again, unless another Nexus holds it.',
  }),
  ARTIFACT_WITHHELD: ({ sha256, withholdingSleds }) => ({
    message: `Artifact ${shortHash(sha256)} is withheld by ${plural(withholdingSleds, 'sled')}: no release metadata that they verified lists it.`,
  }),
  TRANSFER_FAILED: ({ sha256, serial, error, sources }) => ({
    message: `The last transfer of artifact ${shortHash(sha256)} to sled ${serial} failed and will be retried: ${quoted(error)}${failedSources(sources)}`,
  }),
  NO_PLAIN_SOURCE: ({ sha256, serial }) => ({
    message: `Sled ${serial} speaks plain HTTP, and only sleds with an identity have artifact ${shortHash(sha256)}: it cannot copy from them.`,
    remedy: `Let sled ${serial} join, or upload the archive again.`,
  }),
  SLED_WRITES_PAUSED: ({ sha256, serial, error }) => ({
    message: `Sled ${serial} takes no writes now, so artifact ${shortHash(sha256)} waits: ${quoted(error)}`,
  }),
};

/** What a transfer could not copy from; empty where no source is named. */
export const failedSources = (sources: readonly string[] | undefined): string =>
  sources === undefined || sources.length === 0
    ? ''
    : ` No copy could be made from ${sources.length === 1 ? 'sled' : 'sleds'} ${listed(sources)}.`;

export const renderBlocked = (blocked: Blocked): Rendered =>
  (renderers[blocked.code] as (blocked: Blocked) => Rendered)(blocked);
