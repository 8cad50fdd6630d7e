import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import type { SledId } from '../../../src/core/ids.ts';
import { chosenAddress } from '../../../src/nexus/datastore/decisions/sled-transport.ts';
import type { SledTransport } from '../../../src/nexus/datastore/ports/sled-port.ts';
import { type Query, type Step, withEntry, withoutKey } from '../state.ts';
import { withAudit } from './audit-verbs.ts';
import { currentKeyOf } from './sled-verbs.ts';

export const sledSetTransport =
  (id: SledId, transport: SledTransport, audit: AuditOrigin | undefined): Step<string | undefined> =>
  (state, moment) => {
    const approved = state.plainSleds.get(id);
    if (transport.kind === 'tls' && moment.repeated && approved === undefined)
      return { state, answer: undefined };
    const info = state.sleds.get(id)?.info;
    const known = {
      approved,
      agentAddress: info?.agentAddress,
      hasJoined: currentKeyOf(state, id) !== undefined,
    };
    const address = chosenAddress(id, transport, known);
    const plainSleds =
      address === undefined ? withoutKey(state.plainSleds, id) : withEntry(state.plainSleds, id, address);
    const action = {
      kind: 'sled_transport_set',
      sledId: id,
      serial: info?.baseboard.serial ?? '',
      ...(address !== undefined && { plainAddress: address }),
      ...(approved !== undefined && { previousPlainAddress: approved }),
    } as const;
    return { state: withAudit({ ...state, plainSleds }, audit, action, moment), answer: address };
  };

export const sledPlainAddress =
  (id: SledId): Query<string | undefined> =>
  ({ plainSleds }) =>
    plainSleds.get(id);
