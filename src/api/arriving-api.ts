/**
 * Arriving artifacts: what a sled has verified of an artifact that it still receives, for the other sleds of its fleet. Beside the
 * Repo Depot API, and not part of its published contract.
 */
import type { ArtifactHash } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { HashParam } from './transfer-api.ts';
import { REPO_DEPOT_VERSION } from './versions.ts';

export const arrivingApi = {
  title: 'TUF Repo Depot API, arriving artifacts',
  version: REPO_DEPOT_VERSION,
  description: 'Artifacts that a sled still receives, as far as their bytes are verified.',
  routes: {
    arrivingGetBySha256: defineRoute({
      operationId: 'arriving_get_by_sha256',
      audience: 'sled',
      method: 'GET',
      path: '/arriving/sha256/{sha256}',
      summary:
        'Fetch an artifact that this sled receives or holds: the bytes follow as they are verified, and the answer is cut if the transfer fails.',
      params: HashParam,
      status: 200,
      response: { kind: 'stream' },
      servesRanges: 'arriving_head_by_sha256',
      errors: ['ARTIFACT_NOT_HELD', 'RANGE_NOT_SATISFIABLE', 'SLED_BUSY'],
    }),
  },
} as const satisfies Api;

export const depotArrivingUrl = (depotBaseUrl: string, sha256: ArtifactHash): string =>
  `${depotBaseUrl.replace(/\/+$/, '')}/arriving/sha256/${sha256}`;
