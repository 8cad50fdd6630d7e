/** Handlers of the internal API: sleds register, and are told the floor of generations (P5). */
import { GENERATION_FLOOR_HEADER, type internalApi, type SledAgentInfo } from '../api/internal-api.ts';
import type { Handlers } from '../http/handlers.ts';
import { DepotError } from '../lib/errors.ts';
import type { Datastore } from './datastore/datastore.ts';
import type { Note } from './history/history.ts';

type Deps = {
  readonly datastore: Pick<Datastore, 'sledGet' | 'sledUpsert'>;
  readonly note: Note;
  /** A sled is new, or not what it was (B16). */
  readonly activateReplication: () => void;
};

export const createInternalApi = ({
  datastore,
  note,
  activateReplication,
}: Deps): Handlers<typeof internalApi> => ({
  async sledAgentGet({ params, signal }) {
    const sled = await datastore.sledGet(params.sled_id, { signal });
    if (sled === undefined) throw new DepotError('NOT_FOUND', `no sled ${params.sled_id} has registered`);
    return sled.info;
  },

  async sledAgentPut({ params, body, setHeader, signal, log }) {
    const { changed, stale, floor } = await datastore.sledUpsert(params.sled_id, body, { signal });
    setHeader(GENERATION_FLOOR_HEADER, String(floor));
    const facts = { sled_id: params.sled_id, address: body.sa_address, generation: body.generation };
    if (stale) log.warn(facts, 'registration ignored: a later one is recorded');
    if (!changed) return;
    log.info(facts, 'sled registered');
    note({ kind: 'sled_registered', sledId: params.sled_id, message: registrationText(body) });
    activateReplication();
  },
});

const registrationText = ({ baseboard, sa_address, datasets, incarnation_id }: SledAgentInfo): string =>
  [
    `${baseboard.serial} at ${sa_address}`,
    ...(incarnation_id === undefined ? [] : [`incarnation ${incarnation_id}`]),
    ...(datasets ?? []).map(({ path, state }) => `${path} ${state.replace('_', ' ')}`),
  ].join(', ');
