/** Requests of Nexus to a sled about the trust in releases: bundles of signed metadata, and trust roots. */
import { z } from 'zod';
import { Sha256Hex, SystemVersion } from '../core/ids.ts';
import {
  BUNDLE_STATES,
  MAX_ADMIN_KEYS,
  MAX_BUNDLE_BYTES,
  MAX_OFFERED_RELEASES,
  MAX_ROOT_CHAINS,
  REFUSAL_CAUSES,
} from '../core/release-trust.ts';
import { defineRoute } from './route.ts';
import { answerWord } from './wire.ts';

export const WireOfferedRelease = z
  .object({
    system_version: SystemVersion,
    /** SHA-256 of the bundle that vouches for it. */
    bundle: Sha256Hex,
    /** Nexus's word that the release needs no signature; it counts where no admin key is pinned. */
    exempt: z.boolean(),
  })
  .meta({ id: 'OfferedRelease' });

/** Of a reason, which quotes errors of metadata. */
export const MAX_BUNDLE_REASON_CHARS = 1_024;

export const WireBundleReport = z
  .object({
    sha256: Sha256Hex,
    state: answerWord(BUNDLE_STATES),
    /** Of a refused one: no root vouches for it by signatures of a scheme that this sled accepts. */
    cause: answerWord(REFUSAL_CAUSES).optional(),
    reason: z.string().max(MAX_BUNDLE_REASON_CHARS).optional(),
  })
  .meta({ id: 'BundleReport' });

export const WireTrustReport = z
  .object({
    chains: z
      .array(
        z.object({
          /** Of the root that was pinned first. */
          root_sha256: Sha256Hex,
          /** Of the newest root. */
          version: z.number().int().min(1),
          newest_sha256: Sha256Hex,
        }),
      )
      .max(MAX_ROOT_CHAINS),
    /** SHA-256 of the SubjectPublicKeyInfo of each. */
    admin_keys: z.array(Sha256Hex).max(MAX_ADMIN_KEYS),
  })
  .meta({ id: 'TrustReport' });

/** A root has at most 1 MiB; real ones have a few KiB. */
const MAX_CHAINS_BODY_BYTES = 32 * 1024 * 1024;

/** A signer that rotates its root each month fills a chain in 85 years. */
const MAX_CHAIN_ROOTS = 1_024;

/** The texts of the roots of each chain, the oldest first, without a gap. */
export const RootChains = z.array(z.array(z.string()).min(1).max(MAX_CHAIN_ROOTS)).max(MAX_ROOT_CHAINS);

export const TrustRootChains = z.object({ chains: RootChains }).meta({ id: 'TrustRootChains' });
export type TrustRootChains = z.infer<typeof TrustRootChains>;

export const releaseTrustRoutes = {
  releaseMetadataPut: defineRoute({
    operationId: 'release_metadata_put',
    audience: 'nexus',
    method: 'PUT',
    path: '/release-metadata/{sha256}',
    summary: `Keep a bundle of signed metadata that the config in force names (at most ${MAX_OFFERED_RELEASES} of them). Its hash is compared; whether it is admitted, the list says.`,
    params: z.object({ sha256: Sha256Hex }),
    body: { kind: 'stream', maxBytes: MAX_BUNDLE_BYTES },
    status: 204,
    response: { kind: 'empty' },
    errors: [
      'BUNDLE_INVALID',
      'BODY_TOO_LARGE',
      'NO_ARTIFACT_CONFIG',
      'SLED_BUSY',
      'NO_USABLE_DATASET',
      'NO_SPACE',
    ],
  }),
  trustRootsGet: defineRoute({
    operationId: 'trust_roots_get',
    audience: 'nexus',
    method: 'GET',
    path: '/trust-roots',
    summary: 'The chains of trust roots that this sled has pinned.',
    status: 200,
    response: { kind: 'json', schema: TrustRootChains },
    errors: [],
  }),
  trustRootsPut: defineRoute({
    operationId: 'trust_roots_put',
    audience: 'nexus',
    method: 'PUT',
    path: '/trust-roots',
    summary:
      'Extend chains of trust roots, each root signed by the one before. A new chain needs a statement of an admin where a key is pinned.',
    body: { kind: 'json', schema: TrustRootChains, maxBytes: MAX_CHAINS_BODY_BYTES },
    status: 204,
    response: { kind: 'empty' },
    errors: ['UNTRUSTED_SIGNATURES', 'ROOT_CHAIN_BROKEN', 'METADATA_INVALID', 'NO_SPACE'],
  }),
} as const;
