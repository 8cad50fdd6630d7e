/** Handlers of the operator's API for invitations of further Nexuses. */
import {
  type CreatedNexusInvitation,
  DEFAULT_INVITATION_LIFE_S,
  type NexusInvitationView,
  type operatorInvitationApi,
} from '../../api/operator-invitation-api.ts';
import { InvitationId, NexusId } from '../../core/ids.ts';
import type { Handlers } from '../../http/handlers.ts';
import { makeInvitationToken } from '../../identity/invitation-token.ts';
import { type CertificateIssuer, requireIssuer } from '../../identity/issuer.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { tokenDigest } from '../../lib/operator-token.ts';
import { isInvitationOpen } from '../datastore/decisions/join.ts';
import type { NexusInvitationPort, NexusInvitationRecord } from '../datastore/ports/nexus-invitation-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';

type Deps = {
  readonly datastore: Pick<
    NexusInvitationPort,
    'nexusInvitationCreate' | 'nexusInvitationList' | 'nexusInvitationEnd'
  >;
  /** Undefined for a Nexus without the authority's key. */
  readonly issuer?: CertificateIssuer | undefined;
  readonly originOf: OriginOf;
  readonly newId: () => string;
};

export type NexusInvitationHandlers = Pick<
  Handlers<typeof operatorInvitationApi>,
  'nexusInvitationCreate' | 'nexusInvitationList' | 'nexusInvitationEnd'
>;

export const createNexusInvitationHandlers = ({
  datastore,
  issuer,
  originOf,
  newId,
}: Deps): NexusInvitationHandlers => ({
  async nexusInvitationCreate({ body, signal, log, ...request }): Promise<CreatedNexusInvitation> {
    const { nexus_id: known, expires_in_s: lifeS } = body;
    const { fleet, authoritySha256 } = requireIssuer(issuer);
    const token = makeInvitationToken({ fleet, authoritySha256 });
    const created = await datastore.nexusInvitationCreate(
      {
        id: InvitationId.parse(newId()),
        sha256: tokenDigest(token),
        nexusId: known ?? NexusId.parse(newId()),
        isKnown: known !== undefined,
        lifeMs: (lifeS ?? DEFAULT_INVITATION_LIFE_S) * 1000,
      },
      { signal, audit: originOf(request) },
    );
    log.info({ invitation_id: created.id, invited_nexus_id: created.nexusId }, 'Nexus invited');
    const view = viewOf(created, created.timeCreatedMs);
    return { ...view, fleet, authority_key_sha256: authoritySha256, token };
  },

  async nexusInvitationList({ signal }) {
    const { databaseMs, invitations } = await datastore.nexusInvitationList({ signal });
    return { items: invitations.map(each => viewOf(each, databaseMs)), next_page: null };
  },

  async nexusInvitationEnd({ params, signal, log, ...request }) {
    const { invitation_id: id } = params;
    if (!(await datastore.nexusInvitationEnd(id, { signal, audit: originOf(request) })))
      throw new DepotError('NOT_FOUND', `there is no invitation ${id} that is neither used nor expired`);
    log.info({ invitation_id: id }, 'invitation ended');
  },
});

const viewOf = (invitation: NexusInvitationRecord, databaseMs: number): NexusInvitationView => {
  const { id, nexusId, used } = invitation;
  return {
    id,
    state: used !== null ? 'used' : isInvitationOpen(invitation, databaseMs) ? 'open' : 'expired',
    nexus_id: nexusId,
    time_created: isoTime(invitation.timeCreatedMs),
    time_expires: isoTime(invitation.timeExpiresMs),
    ...(used !== null && { time_used: isoTime(used.timeMs) }),
  };
};
