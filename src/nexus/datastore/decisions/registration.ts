/**
 * The decision on a sled's registration, and whether it activates replication.
 *
 * RI1. A registration with an older generation than the recorded one is ignored (S14), as long as the recorded one is repeated,
 *      which a sled agent does each minute. After {@link REGISTRATION_STANDS_MS} no running process repeats it. A database restored
 *      from a backup may have such a one, and a sled whose clock was set back since could never register past it.
 * RI2. Only the row of an expunged sled refuses its registration. So the row stays for as long as a certificate of the sled may be
 *      valid: none is issued to it after its last registration and its expunge. Otherwise a stolen sled would return as a new one.
 * RI3. One key has one sled (JD2), whoever issued its certificate: a sled with the key of another one, in service or expunged, does
 *      not register, so that no machine counts as two (G4). `sled forget` frees the key.
 * RI4. A sled that has a config of a Nexus, and that the database does not know, has its identity from before a restore, or its row was
 *      forgotten. Its certificate alone does not make it count: it is pending until an admin approves it by name. It keeps its bytes,
 *      since nobody sends it configs. A sled without a config has never been asked for anything, and registers as a new one.
 * RI5. A key that joined by an invitation for one serial number (JD5) registers with that one: its configuration, or its identity, was
 *      copied to another machine. The row stays as it is, and a join by another invitation ends it.
 */
import type { Generation, SledId } from '../../../core/ids.ts';
import type { SledRegistration } from '../../../core/sled-registration.ts';
import { isoTime } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { SledKeyRecord } from '../ports/invitation-port.ts';
import type { SledRecord } from '../ports/sled-port.ts';

const REGISTRATION_STANDS_MS = 10 * 60_000;

export type KnownSled = {
  readonly policy: SledRecord['policy'];
  readonly generation: Generation | number;
  /** How long ago it last registered, by the database's clock. */
  readonly registeredAgoMs: number;
};

/** A sled that joined with an invitation, and has not registered yet: it may be expunged before it does. */
export const joinedOnly = (policy: SledRecord['policy'] | undefined): KnownSled | undefined =>
  policy && { policy, generation: 0, registeredAgoMs: Number.POSITIVE_INFINITY };

/**
 * @param known undefined for a new sled
 * @returns `stale` for one that is to be ignored (RI1)
 * @throws `SLED_DECOMMISSIONED`
 */
export const admitRegistration = (
  id: SledId,
  known: KnownSled | undefined,
  info: SledRegistration,
): 'record' | 'stale' => {
  if (known?.policy === 'expunged') {
    throw new DepotError(
      'SLED_DECOMMISSIONED',
      `sled ${id} is expunged: set its policy to in_service before it registers again`,
    );
  }
  const isOlder = known !== undefined && info.generation < known.generation;
  return isOlder && known.registeredAgoMs <= REGISTRATION_STANDS_MS ? 'stale' : 'record';
};

/**
 * RI3.
 *
 * @param holders of the key that it presents: the sled that joined with it, and the one that registered with it
 * @throws `SLED_KEY_IN_USE`
 */
export const requireKeyOfOne = (id: SledId, holders: readonly (SledId | undefined)[]): void => {
  const other = holders.find(holder => holder !== undefined && holder !== id);
  if (other === undefined) return;
  throw new DepotError(
    'SLED_KEY_IN_USE',
    `the key in the certificate of sled ${id} is that of sled ${other}, and one key has one sled`,
    { detail: { sled_id: other } },
  );
};

/** RI5. @param expected of the key that it presents; null for any @throws `SLED_SERIAL_DIFFERS` */
export const requireSerialOfKey = (
  id: SledId,
  expected: string | null,
  { baseboard: { serial: reported } }: Pick<SledRegistration, 'baseboard'>,
): void => {
  if (expected === null || expected === reported) return;
  throw new DepotError(
    'SLED_SERIAL_DIFFERS',
    `sled ${id} joined by an invitation for the machine with the serial number ${expected}, and registers with ${reported}`,
    { detail: { expected, reported } },
  );
};

/**
 * RI4.
 *
 * @param known undefined for a sled that neither registered nor joined
 * @param publicKeySha256 undefined for a sled without an identity, which an operator approved by name
 * @throws `SLED_PENDING`
 */
export const requireKnown = (
  id: SledId,
  known: KnownSled | undefined,
  publicKeySha256: string | undefined,
  { heads = [] }: Pick<SledRegistration, 'heads'>,
): void => {
  if (known !== undefined || publicKeySha256 === undefined || heads.length === 0) return;
  throw new DepotError(
    'SLED_PENDING',
    `sled ${id} has a certificate of this fleet and a config, and the database does not know it: an admin has to approve it`,
  );
};

/**
 * Whether a pending sled is to be recorded; false for one that is known.
 *
 * @param holders as of {@link requireKeyOfOne} @throws `SLED_DECOMMISSIONED`, `SLED_KEY_IN_USE`
 */
export const requireAdmissible = (
  id: SledId,
  policy: SledRecord['policy'] | undefined,
  holders: readonly (SledId | undefined)[],
): boolean => {
  if (policy === 'expunged')
    throw new DepotError('SLED_DECOMMISSIONED', `sled ${id} is expunged: it is not approved`);
  requireKeyOfOne(id, holders);
  return policy === undefined && !holders.includes(id);
};

type ForgettableSled = Pick<SledRecord, 'policy' | 'timeLastRegisteredMs' | 'timeExpungedMs'>;

/** As {@link joinedOnly}: its join counts as a registration. */
export const forgettableJoined = ({
  timeJoinedMs,
  timeExpungedMs,
}: Pick<SledKeyRecord, 'timeJoinedMs' | 'timeExpungedMs'>): ForgettableSled => ({
  policy: timeExpungedMs === null ? 'in_service' : 'expunged',
  timeLastRegisteredMs: timeJoinedMs,
  timeExpungedMs: timeExpungedMs ?? undefined,
});

/**
 * @param certificateLifeMs 0 where sleds have no certificates (RI2)
 * @param nowMs by the clock of the database, as the times of the sled
 * @param repeated an earlier attempt may have been committed
 * @returns false if there is nothing left to remove
 * @throws `NOT_FOUND`, `SLED_IN_SERVICE`, `SLED_CERTIFICATE_VALID`
 */
export const requireForgettable = (
  id: SledId,
  sled: ForgettableSled | undefined,
  { certificateLifeMs }: { readonly certificateLifeMs: number },
  { nowMs, repeated }: { readonly nowMs: number; readonly repeated: boolean },
): boolean => {
  if (sled === undefined && repeated) return false;
  if (sled === undefined) throw new DepotError('NOT_FOUND', `there is no sled ${id}`);
  if (sled.policy !== 'expunged')
    throw new DepotError(
      'SLED_IN_SERVICE',
      `sled ${id} is in service, and only an expunged one can be forgotten`,
    );
  const { timeLastRegisteredMs, timeExpungedMs = nowMs } = sled;
  const untilMs = Math.max(timeLastRegisteredMs, timeExpungedMs) + certificateLifeMs;
  if (certificateLifeMs === 0 || nowMs >= untilMs) return true;
  const until = isoTime(untilMs);
  throw new DepotError(
    'SLED_CERTIFICATE_VALID',
    `sled ${id} was expunged at ${isoTime(timeExpungedMs)}, and may have a certificate that is valid until ${until}: forgotten before, it could register again as a new sled, in service`,
    { detail: { until } },
  );
};

/**
 * B16: whether replication should see it.
 *
 * @param repeated an earlier attempt of the same registration may have been committed, and then the record says
 *   nothing about the state before: one extra activation is harmless
 */
export const isChange = (
  before: SledRecord | undefined,
  info: SledRegistration,
  { repeated }: { readonly repeated: boolean },
): boolean => repeated || before === undefined || hasMoved(before, info);

/** The facts that replication uses: the address, the incarnation, the usable datasets, and the bad copies of a sled. */
const hasMoved = (before: SledRecord, info: SledRegistration): boolean =>
  before.info.agentAddress !== info.agentAddress ||
  before.info.depotPort !== info.depotPort ||
  before.info.incarnationId !== info.incarnationId ||
  before.info.isDecommissioned !== info.isDecommissioned ||
  datasetStates(before.info) !== datasetStates(info);

const datasetStates = ({ datasets = [] }: SledRegistration): string =>
  JSON.stringify(
    datasets.map(({ id, path, state, quotaBytes, quarantined, timeLastQuarantinedMs }) => [
      id,
      path,
      state,
      quotaBytes ?? null,
      quarantined ?? 0,
      timeLastQuarantinedMs ?? null,
    ]),
  );
