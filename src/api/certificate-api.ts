/** Nexus's certificate API: a process renews the certificate that it presents. Not part of the published API. */
import { z } from 'zod';
import { type Api, defineRoute } from './route.ts';
import { NEXUS_INTERNAL_VERSION } from './versions.ts';
import { Timestamp } from './wire.ts';

const RenewedCertificate = z
  .object({
    /** For the name and the key of the presented one, and those between it and an authority. */
    certificate_pem: z.string().max(65_536),
    not_after: Timestamp,
  })
  .meta({ id: 'RenewedCertificate' });

export const certificateApi = {
  title: 'Internal API, certificates',
  version: NEXUS_INTERNAL_VERSION,
  description: 'A sled agent, or a Nexus without the key of the authority, renews its certificate.',
  routes: {
    certificateRenew: defineRoute({
      operationId: 'certificate_renew',
      audience: 'member',
      servesExpired: true,
      method: 'POST',
      path: '/certificate/renew',
      summary: 'Issue the presented certificate anew: for the same name and the same key.',
      status: 200,
      response: { kind: 'json', schema: RenewedCertificate },
      errors: ['NOT_FOUND', 'SLED_DECOMMISSIONED', 'NEXUS_EXPUNGED'],
    }),
  },
} as const satisfies Api;
