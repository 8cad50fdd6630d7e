import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import { SledId } from '../../../src/core/ids.ts';
import type { SledRegistration } from '../../../src/core/sled-registration.ts';
import {
  admitRegistration,
  isChange,
  requireForgettable,
} from '../../../src/nexus/datastore/decisions/registration.ts';
import { pageOf, parseToken, rowsFor } from '../../../src/nexus/datastore/paging.ts';
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

export const sledUpsert =
  (id: SledId, info: SledRegistration): Step<RegistrationOutcome> =>
  (state, { nowMs, repeated }) => {
    const floor = state.stored;
    const lineage = recordedPoints(state, info.heads ?? []);
    const before = state.sleds.get(id);
    const known = before && {
      policy: before.policy,
      generation: before.info.generation,
      registeredAgoMs: nowMs - before.timeLastRegisteredMs,
    };
    if (admitRegistration(id, known, info) === 'stale')
      return { state, answer: { changed: false, stale: true, floor, lineage } };
    const after: SledRecord = {
      id,
      info,
      policy: before?.policy ?? 'in_service',
      timeRegisteredMs: before?.timeRegisteredMs ?? nowMs,
      timeLastRegisteredMs: nowMs,
      timeExpungedMs: undefined,
    };
    return {
      state: { ...state, sleds: withEntry(state.sleds, id, after) },
      answer: { changed: isChange(before, info, { repeated }), stale: false, floor, lineage },
    };
  };

export const sledGet =
  (id: SledId): Query<SledRecord | undefined> =>
  ({ sleds }) =>
    sleds.get(id);

export const sledList = (page: Parameters<SledPort['sledList']>[0]): Query<Paged<SledRecord>> => {
  const after = parseToken(page, SledId);
  return ({ sleds }) => {
    const rows = sortedByKey(sleds).filter(
      ({ id, policy }) =>
        (page.policy === undefined || policy === page.policy) && (after === undefined || id > after),
    );
    return pageOf(
      rows.slice(0, rowsFor(page)),
      page,
      sled => sled,
      ({ id }) => id,
    );
  };
};

export const sledSetPolicy =
  (id: SledId, policy: SledRecord['policy'], audit: AuditOrigin | undefined): Step<boolean> =>
  (state, moment) => {
    const sled = state.sleds.get(id);
    if (sled === undefined) return { state, answer: false };
    const after = withPolicy(state, sled, policy, moment);
    const { policy: previousPolicy, info } = sled;
    const { serial } = info.baseboard;
    const action = { kind: 'sled_policy_set', sledId: id, serial, policy, previousPolicy } as const;
    return { state: withAudit(after, audit, action, moment), answer: true };
  };

export const withPolicy = (
  state: MemoryState,
  sled: SledRecord,
  policy: SledRecord['policy'],
  { nowMs }: Moment,
): MemoryState => {
  const timeExpungedMs = policy === 'expunged' ? nowMs : undefined;
  const changed = { ...sled, policy, timeExpungedMs };
  return {
    ...state,
    sleds: sled.policy === policy ? state.sleds : withEntry(state.sleds, sled.id, changed),
    nexuses: policy === 'expunged' ? withoutNonces(state.nexuses) : state.nexuses,
  };
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
    if (!requireForgettable(id, sled, fleet, moment) || sled === undefined)
      return { state, answer: undefined };
    const after = { ...state, sleds: withoutKey(state.sleds, id) };
    const { agentAddress: address, baseboard } = sled.info;
    const forgotten = { serial: baseboard.serial, address };
    const action = { kind: 'sled_forgotten', sledId: id, ...forgotten } as const;
    return { state: withAudit(after, audit, action, moment), answer: forgotten };
  };
