/**
 * A sled agent without lineage: it registers no points, judges configs by their numbers, and leaves the fields of lineage out
 * of its answers (P13). It runs the product's store, which judges by numbers as long as no config names a predecessor.
 */
import type { Rng } from '../../src/core/rng.ts';
import { DepotError } from '../../src/lib/errors.ts';
import { chance } from '../time/streams.ts';
import type { RunningSled } from './sled-machine.ts';
import { wholeList } from './whole-list.ts';

/** `without_digest`: the original's sled agent; `without_points`: an older one of this product. */
export type AgentVersion = 'current' | 'without_points' | 'without_digest';

export const drawAgent = (rng: Rng, olderProbability: number): AgentVersion => {
  if (!chance(rng, olderProbability)) return 'current';
  return rng.below(2) === 0 ? 'without_points' : 'without_digest';
};

export const asOlderAgent = (version: AgentVersion, running: RunningSled): RunningSled => {
  if (version === 'current') return running;
  const { agent } = running;
  return {
    ...running,
    arriving: { arrivingGetBySha256: noSuchRoute },
    agent: {
      ...agent,
      artifactConfigGet: request => agent.artifactConfigGet({ ...request, query: { point: undefined } }),
      artifactConfigPut: ({ body: { succeeds: _, ...body }, ...request }) =>
        agent.artifactConfigPut({ ...request, body }),
      artifactPut: ({ query: { generation }, ...request }) =>
        agent.artifactPut({ ...request, query: { generation } }),
      artifactCopyFromDepot: ({ query: { generation }, body: { arriving: _, ...body }, ...request }) =>
        agent.artifactCopyFromDepot({ ...request, query: { generation }, body }),
      statementsPut: noSuchRoute,
      artifactPrefixesPut: noSuchRoute,
      artifactCopyOutcome: noSuchRoute,
      async artifactList(request) {
        const { lineage: _, points_kept: __, deletions_held: ___, ...list } = await wholeList(agent, request);
        if (version === 'without_points') return list;
        const { config_digest: ____, ...plain } = list;
        return plain;
      },
    },
  };
};

const noSuchRoute = async (): Promise<never> => {
  throw new DepotError('NOT_FOUND', 'this version has no such route');
};
