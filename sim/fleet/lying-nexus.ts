/** What a taken-over Nexus answers: false floors and verdicts to sleds that register, and nothing to anyone else. */
import {
  FLOOR_DIGEST_HEADER,
  GENERATION_FLOOR_HEADER,
  HEADS_HEADER,
  type internalApi,
} from '../../src/api/internal-api.ts';
import { digestInput } from '../../src/core/artifact-config.ts';
import type { Rng } from '../../src/core/rng.ts';
import type { Handlers } from '../../src/http/handlers.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { Services } from '../../src/nexus/process/services.ts';
import { pick } from '../time/streams.ts';
import { sha256Of } from './sha256.ts';

const FLOORS = [0, 1, 7, 2 ** 33, Number.MAX_SAFE_INTEGER];

const refuse = async (): Promise<never> => {
  throw new DepotError('INTERNAL', 'this Nexus answers nothing');
};

export const lyingNexus = (rng: Rng): Services => {
  const internal: Handlers<typeof internalApi> = {
    sledAgentGet: async () => {
      throw new DepotError('NOT_FOUND', 'no such sled has registered');
    },
    async sledAgentPut({ body: { heads = [] }, setHeader }) {
      // Sometimes the very point of the sled: it then believes that it has the present config of the database.
      const [head] = heads;
      const isOwn = head !== undefined && rng.below(2) === 0;
      setHeader(GENERATION_FLOOR_HEADER, String(isOwn ? head.generation : pick(rng, FLOORS)));
      setHeader(FLOOR_DIGEST_HEADER, isOwn ? head.config_digest : sha256Of(Buffer.from(digestInput([]))));
      const verdicts = heads.map(
        ({ generation, config_digest }) =>
          `${generation}:${config_digest}=${rng.below(2) === 0 ? 'known' : 'unknown'}`,
      );
      setHeader(HEADS_HEADER, verdicts.join(','));
    },
  };
  const handlers: ProxyHandler<object> = { get: () => refuse };
  const silent = new Proxy({}, handlers);
  const known: Partial<Services> = { internal };
  return new Proxy(known, {
    // A promise would be recognised by its `then`.
    get: (target, name) => (name === 'then' ? undefined : (Reflect.get(target, name) ?? silent)),
  }) as Services;
};
