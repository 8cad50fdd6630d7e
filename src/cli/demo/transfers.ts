/** Which bytes came from Nexus, which has the archive, and which from other sleds. */
import { z } from 'zod';
import { RequestRecord } from '../../api/operator-fleet-api.ts';
import type { Depot } from '../connection/depot-client.ts';
import type { DemoArtifact } from './demo-releases.ts';

const TASK = 'tuf_artifact_replication';
const Details = z.object({ request_debug_ringbuf: z.array(RequestRecord) });

export type Transfers = { readonly byNexusBytes: number; readonly byPeersBytes: number };

/**
 * For artifacts that no sled held before, counted from the requests that the Nexuses remember: their puts count for Nexus,
 * the rest came from other sleds. A sled receives an artifact once and writes it to both datasets.
 */
export const countTransfers = async (
  depots: readonly Depot[],
  artifacts: readonly DemoArtifact[],
  sleds: number,
): Promise<Transfers> => {
  const sizes = new Map<string, number>(artifacts.map(({ sha256, sizeBytes }) => [sha256, sizeBytes]));
  const puts = new Set<string>();
  let byNexusBytes = 0;
  for (const depot of depots) {
    for (const { operation, error, hash, target_sled } of await requestsOf(depot)) {
      if (operation !== 'put' || error !== undefined || hash === undefined) continue;
      const key = `${target_sled}/${hash}`;
      if (!puts.has(key)) byNexusBytes += sizes.get(hash) ?? 0;
      puts.add(key);
    }
  }
  const bytes = artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { byNexusBytes, byPeersBytes: bytes * sleds - byNexusBytes };
};

const requestsOf = async (depot: Depot): Promise<readonly RequestRecord[]> => {
  const { last } = await depot.debug.bgtaskView({ params: { bgtask_name: TASK } });
  if (last.last_result === 'never_completed') return [];
  return Details.safeParse(last.details.details).data?.request_debug_ringbuf ?? [];
};
