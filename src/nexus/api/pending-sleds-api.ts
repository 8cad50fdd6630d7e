/** Handlers of the operator's API for sleds with a certificate of this fleet that the database does not know (RI4). */
import type { operatorInvitationApi } from '../../api/operator-invitation-api.ts';
import type { PendingSleds } from '../../core/pending-sleds.ts';
import type { Handlers } from '../../http/handlers.ts';
import { type Clock, isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';

type Deps = {
  readonly datastore: Pick<SledPort, 'sledAdmit'>;
  /** Of this Nexus. */
  readonly pendingSleds: PendingSleds;
  readonly originOf: OriginOf;
  readonly clock: Pick<Clock, 'nowMs'>;
};

export const createPendingSledHandlers = ({
  datastore,
  pendingSleds,
  originOf,
  clock,
}: Deps): Pick<Handlers<typeof operatorInvitationApi>, 'pendingSledList' | 'pendingSledApprove'> => ({
  async pendingSledList() {
    const items = pendingSleds.list(clock.nowMs()).map(({ firstAskedMs, lastAskedMs, ...sled }) => ({
      ...{ id: sled.sledId, serial: sled.serial, address: sled.address },
      ...{ public_key_sha256: sled.publicKeySha256, generation: sled.generation },
      ...{ time_first_asked: isoTime(firstAskedMs), time_last_asked: isoTime(lastAskedMs) },
    }));
    return { items, next_page: null };
  },

  async pendingSledApprove({ params: { sled_id: id }, signal, log, ...request }) {
    const sled = pendingSleds.list(clock.nowMs()).find(({ sledId }) => sledId === id);
    if (sled === undefined)
      throw new DepotError('NOT_FOUND', `no sled ${id} waits at this Nexus for an approval`);
    const { publicKeySha256, serial } = sled;
    await datastore.sledAdmit(id, { publicKeySha256, serial }, { signal, audit: originOf(request) });
    log.info({ sled_id: id, serial, public_key_sha256: publicKeySha256 }, 'sled approved by an operator');
  },
});
