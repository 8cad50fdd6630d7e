/** Nexus's API for machines that join: the only one that serves a caller without a certificate. Not part of the published API. */
import { z } from 'zod';
import { SledId } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { Timestamp } from './wire.ts';

/** A token of the longest fleet name, a key and a signature are 900 bytes. */
const MAX_JOIN_BYTES = 4_096;

const Base64 = z.base64().max(256);

export const JoinFleet = z
  .object({
    /** Of an invitation; absent for one of the machine that has this key. */
    token: z.string().max(1_024).optional(),
    /** SubjectPublicKeyInfo in DER: a P-256 key with an uncompressed point. */
    public_key: Base64,
    /** Of that key, over the purpose, the fleet, the SHA-256 of the token and the key: src/identity/join-proof.ts. */
    signature: Base64,
    /** The sled that a certificate of the machine names already; it is compared with the one of the invitation. */
    present_sled_id: SledId.optional(),
  })
  .meta({ id: 'JoinFleet' });

export const JoinedFleet = z
  .object({
    sled_id: SledId,
    /** For the key of the request, and those between it and an authority. */
    certificate_pem: z.string().max(65_536),
    /** The authorities of the fleet. */
    ca_pem: z.string().max(262_144),
    not_after: Timestamp,
  })
  .meta({ id: 'JoinedFleet' });
export type JoinedFleet = z.infer<typeof JoinedFleet>;

export const joinApi = {
  title: 'Internal API, joining',
  version: '1.0.0',
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
        'INVITATION_USED',
        'SLED_KEY_IN_USE',
        'SLED_DECOMMISSIONED',
        'NO_AUTHORITY_KEY',
      ],
    }),
  },
} as const satisfies Api;
