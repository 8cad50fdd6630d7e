/** Handlers of the operator's API for machines that ask to join by their key. */
import type { JoinRequestView, operatorInvitationApi } from '../../api/operator-invitation-api.ts';
import type { PendingJoins } from '../../core/pending-joins.ts';
import type { Handlers } from '../../http/handlers.ts';
import { type Clock, isoTime } from '../../lib/clock.ts';
import type { InvitationPort } from '../datastore/ports/invitation-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';

type Deps = {
  readonly datastore: Pick<InvitationPort, 'keyDeny' | 'keyDenialList'>;
  /** Of this Nexus. */
  readonly pendingJoins: PendingJoins;
  readonly originOf: OriginOf;
  readonly clock: Pick<Clock, 'nowMs'>;
};

export const createJoinRequestHandlers = ({
  datastore,
  pendingJoins,
  originOf,
  clock,
}: Deps): Pick<Handlers<typeof operatorInvitationApi>, 'joinRequestList' | 'joinRequestDeny'> => ({
  async joinRequestList({ signal }) {
    const denied = await datastore.keyDenialList({ signal });
    const waiting = pendingJoins.list(clock.nowMs()).map(
      ({ key, address, firstAskedMs, lastAskedMs }): JoinRequestView => ({
        ...{ public_key_sha256: key, state: 'waiting', address },
        time_first_asked: isoTime(firstAskedMs),
        time_last_asked: isoTime(lastAskedMs),
      }),
    );
    const refused = denied.map(
      ({ publicKeySha256, timeDeniedMs }): JoinRequestView => ({
        ...{ public_key_sha256: publicKeySha256, state: 'denied', time_denied: isoTime(timeDeniedMs) },
      }),
    );
    return { items: [...waiting, ...refused], next_page: null };
  },

  async joinRequestDeny({ params, signal, log, ...request }) {
    const { public_key_sha256: key } = params;
    await datastore.keyDeny(key, { signal, audit: originOf(request) });
    pendingJoins.remove(key);
    log.info({ public_key_sha256: key }, 'key denied');
  },
});
