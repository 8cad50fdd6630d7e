/** The connection of a registration: from a sled to a Nexus, over the simulated network. */
import { GENERATION_FLOOR_HEADER, HEADS_HEADER, type internalApi } from '../../src/api/internal-api.ts';
import type { Handlers } from '../../src/http/handlers.ts';
import { endpointUrl } from '../../src/lib/endpoint.ts';
import type { NexusPeer } from '../../src/sled-agent/register.ts';
import { type Callee, type Caller, call } from './call.ts';
import type { Network } from './network.ts';
import { requestContext } from './request-context.ts';

/** The port means nothing here: a machine has one Nexus. */
const NEXUS_PORT = 80;

type AnswerHeader = keyof (typeof internalApi)['routes']['sledAgentPut']['responseHeaders'];

const ANY_NEXUS = { kind: 'nexus' } as const;

/** Whether each of the two knows lineage (P13). */
export type SpeaksOfLineage = {
  readonly sled: () => boolean;
  readonly nexus: () => boolean;
  /** Called with a Nexus's verdicts on points when they arrive. */
  readonly heard: (verdicts: string) => void;
};

/** The API of a Nexus for sleds. */
export type InternalEndpoint = { readonly internal: Handlers<typeof internalApi> };

export const createNexusPeer = (
  network: Network,
  from: Caller,
  nexus: Callee<InternalEndpoint>,
  speaks: SpeaksOfLineage,
): NexusPeer => ({
  url: endpointUrl({ scheme: 'https', host: nexus.name, port: NEXUS_PORT }),
  client: {
    sledAgentGet: ({ params }, wait) =>
      call(network, from, nexus, { ...wait, expected: ANY_NEXUS }, incoming =>
        incoming.endpoint.internal.sledAgentGet({
          ...requestContext(incoming),
          params: params as never,
          query: {},
          body: undefined,
        }),
      ) as never,
    async sledAgentPut({ params, body }, wait) {
      const headers: Record<string, string> = {};
      const { heads, ...withoutHeads } = body;
      const sent = speaks.sled() ? { ...withoutHeads, heads } : withoutHeads;
      await call(network, from, nexus, { ...wait, expected: ANY_NEXUS }, incoming =>
        incoming.endpoint.internal.sledAgentPut({
          ...requestContext(incoming),
          setHeader: (name, value) => {
            if ((speaks.sled() && speaks.nexus()) || name === GENERATION_FLOOR_HEADER) headers[name] = value;
          },
          params: params as never,
          query: {},
          body: sent as never,
        }),
      );
      speaks.heard(headers[HEADS_HEADER] ?? '');
      return { body: undefined, headers: headers as Record<AnswerHeader, string> };
    },
  },
});
