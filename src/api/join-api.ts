/** Nexus's API for machines that join: the only one that serves a caller without a certificate. Not part of the published API. */
import { z } from 'zod';
import { NexusId, SledId } from '../core/ids.ts';
import { MAX_ADMIN_KEYS } from '../core/release-trust.ts';
import { SerialNumber } from './internal-api.ts';
import { RootChains } from './release-trust-api.ts';
import { type Api, defineRoute } from './route.ts';
import { NEXUS_INTERNAL_VERSION } from './versions.ts';
import { Timestamp } from './wire.ts';

/** A token of the longest fleet name, a key and a signature are 900 bytes. */
const MAX_JOIN_BYTES = 4_096;

const Base64 = z.base64().max(256);

const Token = z.string().max(1_024);

const proof = {
  /** SubjectPublicKeyInfo in DER: a P-256 key with an uncompressed point. */
  public_key: Base64,
  /** Of that key, over the purpose, the fleet, the SHA-256 of the token and the key: src/identity/join-proof.ts. */
  signature: Base64,
};

const JoinFleet = z
  .object({
    /** Of an invitation; absent for one of the machine that has this key. */
    token: Token.optional(),
    ...proof,
    /** The sled that a certificate of the machine names already; it is compared with the one of the invitation. */
    present_sled_id: SledId.optional(),
    /** Of the configuration of the machine; it is compared with the one of the invitation. */
    serial: SerialNumber.optional(),
  })
  .meta({ id: 'JoinFleet' });

const JoinFleetAsNexus = z
  .object({
    /** Of an invitation of a Nexus. */
    token: Token,
    ...proof,
    /** The Nexus of a certificate or a staging directory of the machine; it is compared with the one of the invitation. */
    present_nexus_id: NexusId.optional(),
  })
  .meta({ id: 'JoinFleetAsNexus' });

const issued = {
  /** For the key of the request, and those between it and an authority. */
  certificate_pem: z.string().max(65_536),
  /** The authorities of the fleet. */
  ca_pem: z.string().max(262_144),
  not_after: Timestamp,
};

export const JoinedFleetAsNexus = z
  .object({ nexus_id: NexusId, ...issued })
  .meta({ id: 'JoinedFleetAsNexus' });
export type JoinedFleetAsNexus = z.infer<typeof JoinedFleetAsNexus>;

export const JoinedFleet = z
  .object({
    sled_id: SledId,
    ...issued,
    // For a token that names what the machine pins.
    /** PEM: public keys of administrators. */
    admin_keys: z.array(z.string().max(4_096)).max(MAX_ADMIN_KEYS).optional(),
    root_chains: RootChains.optional(),
  })
  .meta({ id: 'JoinedFleet' });
export type JoinedFleet = z.infer<typeof JoinedFleet>;

export const joinApi = {
  title: 'Internal API, joining',
  version: NEXUS_INTERNAL_VERSION,
  description: 'A machine joins the fleet with an invitation.',
  routes: {
    sledJoin: defineRoute({
      operationId: 'sled_join',
      audience: 'public',
      method: 'POST',
      path: '/join',
      summary: 'Use an invitation, and receive a certificate; again with the same key, it is answered again.',
      body: { kind: 'json', schema: JoinFleet, maxBytes: MAX_JOIN_BYTES },
      status: 200,
      response: { kind: 'json', schema: JoinedFleet },
      errors: [
        'INVITATION_INVALID',
        'JOIN_NOT_APPROVED',
        'JOIN_DENIED',
        'INVITATION_USED',
        'SLED_SERIAL_DIFFERS',
        'SLED_KEY_IN_USE',
        'SLED_DECOMMISSIONED',
        'NO_AUTHORITY_KEY',
      ],
    }),
    nexusJoin: defineRoute({
      operationId: 'nexus_join',
      audience: 'public',
      method: 'POST',
      path: '/join/nexus',
      summary:
        'Use an invitation of a Nexus, and receive a certificate; again with the same key, it is answered again.',
      body: { kind: 'json', schema: JoinFleetAsNexus, maxBytes: MAX_JOIN_BYTES },
      status: 200,
      response: { kind: 'json', schema: JoinedFleetAsNexus },
      errors: [
        'INVITATION_INVALID',
        'INVITATION_USED',
        'NEXUS_ID_DIFFERS',
        'NEXUS_EXPUNGED',
        'NO_AUTHORITY_KEY',
      ],
    }),
  },
} as const satisfies Api;
