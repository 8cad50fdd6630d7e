/**
 * Handlers of the internal API: a sled registers, and receives the floor of generations (P5) and the answer which of its
 * points the database recorded (P13).
 */
import {
  FLOOR_DIGEST_HEADER,
  GENERATION_FLOOR_HEADER,
  HEADS_HEADER,
  type internalApi,
  type SledAgentInfo,
} from '../../api/internal-api.ts';
import { pointText } from '../../core/ids.ts';
import { isKnownPoint, type RecordedPoints } from '../../core/lineage.ts';
import type { Handlers } from '../../http/handlers.ts';
import { DepotError } from '../../lib/errors.ts';
import { headsOf } from '../datastore/decisions/registration.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { Note } from '../history/history.ts';

type Deps = {
  readonly datastore: Pick<SledPort, 'sledGet' | 'sledUpsert'>;
  readonly note: Note;
  /** A sled is new, or has changed (B16). */
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
    const { changed, stale, floor, lineage } = await datastore.sledUpsert(params.sled_id, body, { signal });
    setHeader(GENERATION_FLOOR_HEADER, String(floor.generation));
    setHeader(FLOOR_DIGEST_HEADER, floor.digest);
    setHeader(HEADS_HEADER, verdictsText(body, lineage));
    const facts = { sled_id: params.sled_id, address: body.sa_address, generation: body.generation };
    if (stale) log.warn(facts, 'registration ignored: a later one is recorded');
    if (!changed) return;
    log.info(facts, 'sled registered');
    note({ kind: 'sled_registered', sledId: params.sled_id, ...registrationFacts(body) });
    activateReplication();
  },
});

/** Of each head of the request. */
const verdictsText = (info: SledAgentInfo, lineage: RecordedPoints): string =>
  (headsOf(info) ?? [])
    .map(claim => `${pointText(claim)}=${isKnownPoint(claim, lineage) ? 'known' : 'unknown'}`)
    .join(',');

const registrationFacts = ({ baseboard, sa_address, datasets, incarnation_id }: SledAgentInfo) => ({
  serial: baseboard.serial,
  address: sa_address,
  incarnationId: incarnation_id,
  datasets: (datasets ?? []).map(({ path, state }) => ({ path, state })),
});
