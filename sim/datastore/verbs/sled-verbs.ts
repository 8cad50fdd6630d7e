import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import { SledId } from '../../../src/core/ids.ts';
import type { SledRegistration } from '../../../src/core/sled-registration.ts';
import {
  admitRegistration,
  forgettableJoined,
  isChange,
  joinedOnly,
  requireAdmissible,
  requireForgettable,
  requireKeyOfOne,
  requireKnown,
  requireSerialOfKey,
} from '../../../src/nexus/datastore/decisions/registration.ts';
import { judgeTransport } from '../../../src/nexus/datastore/decisions/sled-transport.ts';
import { pageOf, parseToken, rowsFor } from '../../../src/nexus/datastore/paging.ts';
import type { SledKeyRecord } from '../../../src/nexus/datastore/ports/invitation-port.ts';
import type {
  ForgottenSled,
  RegistrationOutcome,
  SledPort,
  SledRecord,
} from '../../../src/nexus/datastore/ports/sled-port.ts';
import type { Paged } from '../../../src/nexus/datastore/ports/verb.ts';
import {
  type MemoryState,
  type Moment,
  type Query,
  recordedPoints,
  type Step,
  sortedByKey,
  withEntry,
  withoutKey,
} from '../state.ts';
import { withAudit } from './audit-verbs.ts';
import { withRevocation } from './revocation-verbs.ts';

export const sledUpsert =
  (
    id: SledId,
    info: SledRegistration,
    {
      plainFrom,
      publicKeySha256,
    }: Pick<Parameters<SledPort['sledUpsert']>[2], 'plainFrom' | 'publicKeySha256'>,
  ): Step<RegistrationOutcome> =>
  (state, { nowMs, repeated }) => {
    const approved = state.plainSleds.get(id);
    const endedPlainAddress = judgeTransport(id, { approved, plainFrom }, info);
    const floor = state.stored;
    const lineage = recordedPoints(state, info.heads ?? []);
    const before = state.sleds.get(id);
    const registered = before && {
      policy: before.policy,
      generation: before.info.generation,
      registeredAgoMs: nowMs - before.timeLastRegisteredMs,
    };
    const known = registered ?? joinedOnly(joinedPolicyOf(state, id));
    requireKnown(id, known, publicKeySha256, info);
    if (admitRegistration(id, known, info) === 'stale')
      return { state, answer: { changed: false, stale: true, floor, lineage } };
    if (publicKeySha256 !== undefined && publicKeySha256 !== state.registeredKeys.get(id))
      requireKeyOfOne(id, [
        state.sledKeys.get(publicKeySha256)?.sledId,
        registeredWith(state, publicKeySha256),
      ]);
    const key = publicKeySha256 === undefined ? undefined : state.sledKeys.get(publicKeySha256);
    requireSerialOfKey(id, key?.serial ?? null, info);
    const registeredKeys =
      publicKeySha256 === undefined
        ? state.registeredKeys
        : withEntry(state.registeredKeys, id, publicKeySha256);
    const after: SledRecord = {
      id,
      info,
      policy: before?.policy ?? 'in_service',
      timeRegisteredMs: before?.timeRegisteredMs ?? nowMs,
      timeLastRegisteredMs: nowMs,
      timeExpungedMs: undefined,
    };
    const hasEnded = endedPlainAddress !== undefined;
    const plainSleds = hasEnded ? withoutKey(state.plainSleds, id) : state.plainSleds;
    return {
      state: { ...state, sleds: withEntry(state.sleds, id, after), plainSleds, registeredKeys },
      answer: {
        changed: isChange(before, info, { repeated }) || hasEnded,
        stale: false,
        floor,
        lineage,
        ...(hasEnded && { endedPlainAddress }),
      },
    };
  };

export const sledAdmit =
  (
    id: SledId,
    { publicKeySha256, serial }: Parameters<SledPort['sledAdmit']>[1],
    audit: AuditOrigin | undefined,
  ): Step<boolean> =>
  (state, moment) => {
    const holders = [state.sledKeys.get(publicKeySha256)?.sledId, registeredWith(state, publicKeySha256)];
    const isNew = requireAdmissible(id, policyOf(state, id), holders);
    if (!isNew && !moment.repeated) return { state, answer: false };
    const key = { publicKeySha256, sledId: id, timeJoinedMs: moment.nowMs, serial: null };
    const admitted = { ...key, timeReplacedMs: null, timeExpungedMs: null };
    const sledKeys = isNew ? withEntry(state.sledKeys, publicKeySha256, admitted) : state.sledKeys;
    const action = { kind: 'sled_admitted', sledId: id, serial, publicKeySha256 } as const;
    return { state: withAudit({ ...state, sledKeys }, audit, action, moment), answer: true };
  };

export const registeredWith = (
  { registeredKeys }: Pick<MemoryState, 'registeredKeys'>,
  publicKeySha256: string,
): SledId | undefined => [...registeredKeys].find(([, key]) => key === publicKeySha256)?.[0];

export const sledGet =
  (id: SledId): Query<SledRecord | undefined> =>
  state =>
    withPlainAddress(state, state.sleds.get(id));

/** The record as the real verbs read it, together with the approval. */
const withPlainAddress = <S extends SledRecord | undefined>({ plainSleds }: MemoryState, sled: S): S => {
  const plainAddress = sled && plainSleds.get(sled.id);
  return plainAddress === undefined ? sled : { ...sled, plainAddress };
};

export const sledList = (page: Parameters<SledPort['sledList']>[0]): Query<Paged<SledRecord>> => {
  const after = parseToken(page, SledId);
  return state => {
    const rows = sortedByKey(state.sleds).filter(
      ({ id, policy }) =>
        (page.policy === undefined || policy === page.policy) && (after === undefined || id > after),
    );
    return pageOf(
      rows.slice(0, rowsFor(page)),
      page,
      sled => withPlainAddress(state, sled),
      ({ id }) => id,
    );
  };
};

export const sledSetPolicy =
  (id: SledId, policy: SledRecord['policy'], audit: AuditOrigin | undefined): Step<boolean> =>
  (state, moment) => {
    const previousPolicy = policyOf(state, id);
    if (previousPolicy === undefined) return { state, answer: false };
    const after = withPolicy(state, id, policy, moment);
    const { serial = '' } = state.sleds.get(id)?.info.baseboard ?? {};
    const action = { kind: 'sled_policy_set', sledId: id, serial, policy, previousPolicy } as const;
    return { state: withAudit(after, audit, action, moment), answer: true };
  };

export const withPolicy = (
  state: MemoryState,
  id: SledId,
  policy: SledRecord['policy'],
  moment: Moment,
): MemoryState => {
  const sled = state.sleds.get(id);
  const isChanged = policyOf(state, id) !== policy;
  const timeExpungedMs = policy === 'expunged' ? moment.nowMs : undefined;
  const sledKeys = Array.from(state.sledKeys, ([digest, key]): [string, SledKeyRecord] => [
    digest,
    key.sledId === id ? { ...key, timeExpungedMs: timeExpungedMs ?? null } : key,
  ]);
  const after = {
    ...state,
    sleds: isChanged && sled ? withEntry(state.sleds, id, { ...sled, policy, timeExpungedMs }) : state.sleds,
    sledKeys: isChanged ? new Map(sledKeys) : state.sledKeys,
    nexuses: policy === 'expunged' ? withoutNonces(state.nexuses) : state.nexuses,
  };
  return isChanged && policy === 'expunged' ? withRevocation(after, { kind: 'sled', id }, moment) : after;
};

/** Undefined without an id, and for a sled that neither registered nor joined. */
export const policyOf = (state: MemoryState, id: SledId | null): SledRecord['policy'] | undefined =>
  id === null ? undefined : (state.sleds.get(id)?.policy ?? joinedPolicyOf(state, id));

export const currentKeyOf = ({ sledKeys }: MemoryState, id: SledId): SledKeyRecord | undefined =>
  [...sledKeys.values()].find(each => each.sledId === id && each.timeReplacedMs === null);

const joinedPolicyOf = (state: MemoryState, id: SledId): SledRecord['policy'] | undefined => {
  const key = currentKeyOf(state, id);
  return key && (key.timeExpungedMs === null ? 'in_service' : 'expunged');
};

/** As the real verb: a drop in flight that counted the sled does not find its nonce. */
const withoutNonces = (nexuses: MemoryState['nexuses']): MemoryState['nexuses'] =>
  new Map(Array.from(nexuses, ([id, nexus]) => [id, { ...nexus, roundNonce: null }]));

export const sledForget =
  (
    id: SledId,
    fleet: Parameters<SledPort['sledForget']>[1],
    audit: AuditOrigin | undefined,
  ): Step<ForgottenSled | undefined> =>
  (state, moment) => {
    const sled = state.sleds.get(id);
    const key = currentKeyOf(state, id);
    const known = sled ?? (key && forgettableJoined(key));
    if (!requireForgettable(id, known, fleet, moment) || known === undefined)
      return { state, answer: undefined };
    const sledKeys = new Map([...state.sledKeys].filter(([, { sledId }]) => sledId !== id));
    const plainSleds = withoutKey(state.plainSleds, id);
    const registeredKeys = withoutKey(state.registeredKeys, id);
    const after = { ...state, sleds: withoutKey(state.sleds, id), plainSleds, sledKeys, registeredKeys };
    const { agentAddress: address = '', baseboard: { serial } = { serial: '' } } = sled?.info ?? {};
    const forgotten = { serial, address };
    const action = { kind: 'sled_forgotten', sledId: id, ...forgotten } as const;
    return { state: withAudit(after, audit, action, moment), answer: forgotten };
  };
