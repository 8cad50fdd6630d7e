/** The Repo Depot API: artifacts by hash, for other sleds and for any HTTP client. */
import { z } from 'zod';
import { type ArtifactHash, RequestedHash } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { REPO_DEPOT_VERSION } from './versions.ts';

/** The default port of a sled's Repo Depot. */
export const REPO_DEPOT_PORT = 12348;

export const depotApi = {
  title: 'TUF Repo Depot API',
  version: REPO_DEPOT_VERSION,
  description:
    'Fetches artifacts by their SHA-256. Range, HEAD, ETag (the hash) and Content-Length as in RFC 9110.',
  routes: {
    artifactGetBySha256: defineRoute({
      operationId: 'artifact_get_by_sha256',
      audience: 'member',
      method: 'GET',
      path: '/artifact/sha256/{sha256}',
      summary: 'Fetch an artifact from the depot.',
      params: z.object({ sha256: RequestedHash }),
      status: 200,
      response: { kind: 'stream' },
      servesRanges: 'artifact_head_by_sha256',
      errors: ['ARTIFACT_NOT_HELD', 'RANGE_NOT_SATISFIABLE', 'SLED_BUSY'],
    }),
  },
} as const satisfies Api;

export const depotArtifactUrl = (depotBaseUrl: string, sha256: ArtifactHash): string =>
  `${depotBaseUrl.replace(/\/+$/, '')}/artifact/sha256/${sha256}`;
