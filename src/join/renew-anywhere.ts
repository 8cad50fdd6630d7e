/**
 * The certificate of this process, renewed by the first Nexus that answers.
 *
 * RNA1. Whether the certificate of that Nexus has ended is judged by the clock alone: the present certificate may begin in the future by
 *      a fault of who issued it, and is renewed for that. What comes back is believed for the authority that issued it (RJ1).
 */
import { certificateApi } from '../api/certificate-api.ts';
import { createApiClient } from '../http/client.ts';
import { securePeers } from '../http/peers.ts';
import type { CredentialSource } from '../identity/credentials.ts';
import { type Endpoint, endpointUrl } from '../lib/endpoint.ts';
import { errorCodeOf } from '../lib/errors.ts';

/** A certificate in PEM. @throws the error of the Nexus that says most; `NOT_FOUND` if none has the authority's key */
export const renewAnywhere = async (
  nexuses: readonly Endpoint[],
  { current, revocations }: CredentialSource,
  { signal }: { signal: AbortSignal },
): Promise<string> => {
  await using peers = securePeers({ current, revocations, nowMs: () => Number.NEGATIVE_INFINITY }); // RNA1
  let failure: unknown;
  for (const nexus of nexuses) {
    const dispatcher = peers.dispatcher(nexus.expected);
    const client = createApiClient(certificateApi, { baseUrl: endpointUrl(nexus), dispatcher });
    try {
      return (await client.certificateRenew({}, { signal })).certificate_pem;
    } catch (error) {
      // That one Nexus has no authority says less than the fault of one that may have it.
      if (failure === undefined || errorCodeOf(error) !== 'NOT_FOUND') failure = error;
    }
  }
  throw failure;
};
