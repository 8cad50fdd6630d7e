/** A sled that lies about its copies (P9): it accepts and discards each put, lists everything, and serves wrong bytes. */
import { NOT_MODIFIED } from '../../src/http/handlers.ts';
import type { RunningSled } from './sled-machine.ts';
import type { SimSled } from './world.ts';

export const createLiar = (sled: SimSled, running: RunningSled): RunningSled => ({
  ...running,
  agent: {
    ...running.agent,
    async artifactPut(request) {
      if (!sled.isLying) return running.agent.artifactPut(request);
      for await (const _chunk of request.body.chunks);
      const datasets = sled.plan.datasets.length;
      return { datasets, successful_writes: datasets };
    },
    async artifactCopyFromDepot(request) {
      return sled.isLying ? {} : running.agent.artifactCopyFromDepot(request);
    },
    async artifactList(request) {
      const answer = await running.agent.artifactList(request);
      if (!sled.isLying || answer === NOT_MODIFIED) return answer;
      const datasets = sled.plan.datasets.length;
      const wanted = running.store.config()?.artifacts.keys() ?? [];
      return { ...answer, datasets, list: Object.fromEntries([...wanted].map(sha256 => [sha256, datasets])) };
    },
  },
  depot: {
    async artifactGetBySha256(request) {
      if (!sled.isLying) return running.depot.artifactGetBySha256(request);
      const { sha256 } = request.params;
      const sizeBytes = running.store.config()?.artifacts.get(sha256) ?? 0;
      return {
        sizeBytes,
        etag: sha256,
        read: async (target, position) =>
          target.fill(0x5a).subarray(0, Math.max(0, sizeBytes - position)).length,
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
  },
});
