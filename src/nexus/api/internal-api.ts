/**
 * Handlers of the internal API: a sled registers, and receives the floor of generations (P5) and the answer which of its
 * points the database recorded (P13).
 *
 * IA1. On the address for sleds without an identity a request counts only from where the sled that it names is approved (STR2).
 *      Nobody else learns from an answer whether there is such a sled, or such an approval; the log says it.
 * IA2. A sled with an identity registers with the key of its certificate, which has one sled (RI3). One that the database does not know,
 *      and that has a config, is listed until an admin approves it (RI4).
 */
import { type internalApi, RECORDED_ADDRESS_DETAIL } from '../../api/internal-api.ts';
import { asGeneration, pointText, type SledId } from '../../core/ids.ts';
import { isKnownPoint, type RecordedPoints } from '../../core/lineage.ts';
import type { PendingSleds } from '../../core/pending-sleds.ts';
import type { SledRegistration } from '../../core/sled-registration.ts';
import type { Caller } from '../../http/caller.ts';
import type { Handlers } from '../../http/handlers.ts';
import { canonicalHost } from '../../http/request-guard.ts';
import { publicKeySha256 } from '../../identity/invitation-token.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import { registrationBody, registrationOf } from '../../sled-wire/registration.ts';
import { writeAnswer } from '../../sled-wire/registration-answer.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { Note } from '../history/history.ts';
import { createSledAllowance } from '../history/sled-allowance.ts';
import { createChangeLimit } from './change-limit.ts';

type Deps = {
  /** By default sleds with an identity, which the route has compared. */
  readonly admits?: 'plain';
  readonly datastore: Pick<SledPort, 'sledGet' | 'sledUpsert' | 'sledPlainAddress'>;
  readonly note: Note;
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>;
  readonly pendingSleds: PendingSleds;
  /** A sled is new, or has changed (B16). */
  readonly activateReplication: () => void;
};

export const createInternalApi = ({
  admits,
  datastore,
  note,
  clock,
  pendingSleds,
  activateReplication,
}: Deps): Handlers<typeof internalApi> => {
  const changes = createChangeLimit(clock);
  const mayLog = createSledAllowance(clock, REFUSALS);
  const plainFromOf = ({ address }: Caller) =>
    admits === 'plain' ? { plainFrom: canonicalHost(address ?? '') } : {};
  /** IA1. */
  const refusal = (sledId: SledId, error: unknown, { caller, log }: Asked): unknown => {
    if (admits !== 'plain' || errorCodeOf(error) !== 'SLED_NOT_PLAIN') return error;
    if (mayLog(sledId))
      log.warn(
        { sled_id: sledId, address: caller.address, err: error },
        'registration of a sled without an identity refused',
      );
    return notServed();
  };
  return {
    async sledAgentGet({ params, signal, ...asked }) {
      if (admits === 'plain') {
        const { plainFrom } = plainFromOf(asked.caller);
        const approved = await datastore.sledPlainAddress(params.sled_id, { signal });
        if (approved === undefined || approved !== plainFrom) throw notServed();
      }
      const sled = await datastore.sledGet(params.sled_id, { signal });
      if (sled === undefined) throw new DepotError('NOT_FOUND', `no sled ${params.sled_id} has registered`);
      return registrationBody(sled.info);
    },

    async sledAgentPut({ params, body, setHeader, signal, ...asked }) {
      const info = registrationOf(body);
      const { changed, stale, floor, lineage, endedPlainAddress } = await datastore
        .sledUpsert(params.sled_id, info, { signal, ...plainFromOf(asked.caller), ...keyOf(asked.caller) })
        .catch((error: unknown) => {
          if (errorCodeOf(error) === 'SLED_PENDING')
            pendingSleds.asked(pendingOf(params.sled_id, info, asked.caller), clock.nowMs());
          throw refusal(params.sled_id, error, asked);
        });
      pendingSleds.remove(params.sled_id);
      writeAnswer({ floor, verdicts: verdictsOn(info, lineage) }, setHeader);
      const facts = { sled_id: params.sled_id, address: info.agentAddress, generation: info.generation };
      if (stale) throw await staleRegistration(datastore, params.sled_id, info, signal);
      if (endedPlainAddress !== undefined) {
        asked.log.info(
          { ...facts, plain_address: endedPlainAddress },
          'approval to speak plain HTTP ended: the sled registered with an identity',
        );
        note({ kind: 'sled_transport', sledId: params.sled_id, because: 'registered' });
      }
      if (!changed || !changes(params.sled_id)) return;
      asked.log.info(facts, 'sled registered');
      note({ kind: 'sled_registered', sledId: params.sled_id, ...registrationFacts(info) });
      activateReplication();
    },
  };
};

/** IA2. */
const keyOf = ({ peer }: Caller) =>
  peer.kind === 'identified' ? { publicKeySha256: publicKeySha256(peer.publicKey) } : {};

/** RI4. */
const pendingOf = (
  sledId: SledId,
  { baseboard, agentAddress, heads = [] }: SledRegistration,
  caller: Caller,
) => ({
  ...{ sledId, serial: baseboard.serial, address: agentAddress, publicKeySha256: '', ...keyOf(caller) },
  generation: asGeneration(Math.max(0, ...heads.map(({ generation }) => generation))),
});

type Asked = Pick<Parameters<Handlers<typeof internalApi>['sledAgentPut']>[0], 'caller' | 'log'>;

/** Anybody may send registrations: the log has one a minute of each sled, and a few of all. */
const REFUSALS = { ofSled: { burst: 1, everyMs: 60_000 }, ofAll: { burst: 64, everyMs: 10_000 } };

const notServed = (): DepotError =>
  new DepotError('SLED_NOT_PLAIN', 'only sleds that are approved to speak plain HTTP register here');

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
