/**
 * Handlers of the internal API: a sled registers, and receives the floor of generations (P5) and the answer which of its
 * points the database recorded (P13).
 */
import { type internalApi, RECORDED_ADDRESS_DETAIL } from '../../api/internal-api.ts';
import { pointText, type SledId } from '../../core/ids.ts';
import { isKnownPoint, type RecordedPoints } from '../../core/lineage.ts';
import type { SledRegistration } from '../../core/sled-registration.ts';
import type { Handlers } from '../../http/handlers.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { registrationBody, registrationOf } from '../../sled-wire/registration.ts';
import { writeAnswer } from '../../sled-wire/registration-answer.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { Note } from '../history/history.ts';
import { createChangeLimit } from './change-limit.ts';

type Deps = {
  readonly datastore: Pick<SledPort, 'sledGet' | 'sledUpsert'>;
  readonly note: Note;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** A sled is new, or has changed (B16). */
  readonly activateReplication: () => void;
};

export const createInternalApi = ({
  datastore,
  note,
  clock,
  activateReplication,
}: Deps): Handlers<typeof internalApi> => {
  const changes = createChangeLimit(clock);
  return {
    async sledAgentGet({ params, signal }) {
      const sled = await datastore.sledGet(params.sled_id, { signal });
      if (sled === undefined) throw new DepotError('NOT_FOUND', `no sled ${params.sled_id} has registered`);
      return registrationBody(sled.info);
    },

    async sledAgentPut({ params, body, setHeader, signal, log }) {
      const info = registrationOf(body);
      const { changed, stale, floor, lineage } = await datastore.sledUpsert(params.sled_id, info, { signal });
      writeAnswer({ floor, verdicts: verdictsOn(info, lineage) }, setHeader);
      const facts = { sled_id: params.sled_id, address: info.agentAddress, generation: info.generation };
      if (stale) throw await staleRegistration(datastore, params.sled_id, info, signal);
      if (!changed || !changes(params.sled_id)) return;
      log.info(facts, 'sled registered');
      note({ kind: 'sled_registered', sledId: params.sled_id, ...registrationFacts(info) });
      activateReplication();
    },
  };
};

const staleRegistration = async (
  datastore: Pick<SledPort, 'sledGet'>,
  id: SledId,
  { generation }: SledRegistration,
  signal: AbortSignal,
): Promise<DepotError> => {
  const recorded = (await datastore.sledGet(id, { signal }))?.info;
  const later = recorded === undefined ? '' : ` ${recorded.generation}, at ${recorded.agentAddress},`;
  return new DepotError(
    'REGISTRATION_STALE',
    `the registration of sled ${id} has generation ${generation}, and a later one${later} is recorded`,
    { detail: { ...(recorded !== undefined && { [RECORDED_ADDRESS_DETAIL]: recorded.agentAddress }) } },
  );
};

/** Of each head of the request. */
const verdictsOn = (
  { heads = [] }: SledRegistration,
  lineage: RecordedPoints,
): ReadonlyMap<string, boolean> =>
  new Map(heads.map(claim => [pointText(claim), isKnownPoint(claim, lineage)]));

const registrationFacts = ({ baseboard, agentAddress, datasets = [], incarnationId }: SledRegistration) => ({
  serial: baseboard.serial,
  address: agentAddress,
  incarnationId,
  datasets: datasets.map(({ path, state }) => ({ path, state })),
});
