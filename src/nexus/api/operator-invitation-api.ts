/** Handlers of the operator's API for invitations: of sleds here, of Nexuses beside it. */
import {
  type CreatedInvitation,
  DEFAULT_INVITATION_LIFE_S,
  type InvitationView,
  type operatorInvitationApi,
} from '../../api/operator-invitation-api.ts';
import { InvitationId } from '../../core/ids.ts';
import type { Handlers } from '../../http/handlers.ts';
import { keyInvitationSha256, makeInvitationToken } from '../../identity/invitation-token.ts';
import { type CertificateIssuer, requireIssuer } from '../../identity/issuer.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { tokenDigest } from '../../lib/operator-token.ts';
import { isInvitationOpen } from '../datastore/decisions/join.ts';
import type { InvitationPort, Invitations } from '../datastore/ports/invitation-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';
import type { FleetPins } from './fleet-pins.ts';
import { createJoinRequestHandlers } from './join-requests-api.ts';
import { createNexusInvitationHandlers } from './operator-nexus-invitation-api.ts';
import { createPendingSledHandlers } from './pending-sleds-api.ts';

type Deps = Parameters<typeof createNexusInvitationHandlers>[0] &
  Parameters<typeof createJoinRequestHandlers>[0] &
  Parameters<typeof createPendingSledHandlers>[0] & {
    readonly datastore: Pick<InvitationPort, 'invitationCreate' | 'invitationList' | 'invitationEnd'>;
    /** Undefined for a Nexus without the authority's key. */
    readonly issuer?: CertificateIssuer | undefined;
    readonly originOf: OriginOf;
    readonly newId: () => string;
    readonly pins: Pick<FleetPins, 'named'>;
  };

export const createOperatorInvitationApi = (deps: Deps): Handlers<typeof operatorInvitationApi> => ({
  ...createSledInvitationHandlers(deps),
  ...createNexusInvitationHandlers(deps),
  ...createPendingSledHandlers(deps),
  ...createJoinRequestHandlers(deps),
});

const createSledInvitationHandlers = ({
  datastore,
  issuer,
  originOf,
  newId,
  pins,
}: Deps): Pick<
  Handlers<typeof operatorInvitationApi>,
  'invitationCreate' | 'invitationList' | 'invitationEnd'
> => ({
  async invitationCreate({ body, signal, log, ...request }): Promise<CreatedInvitation> {
    const { sled_id: sledId, replaces_sled_id: replacesSledId, expires_in_s: lifeS } = body;
    if (sledId !== undefined && replacesSledId !== undefined)
      throw new DepotError('INVALID_REQUEST', 'sled_id and replaces_sled_id exclude each other: give one');
    const { fleet, authoritySha256 } = requireIssuer(issuer);
    const keySha256 = body.public_key_sha256;
    const named = await pins.named({ signal });
    const token = makeInvitationToken({ fleet, authoritySha256, pins: named });
    const created = await datastore.invitationCreate(
      {
        id: InvitationId.parse(newId()),
        sha256: keySha256 === undefined ? tokenDigest(token) : keyInvitationSha256(keySha256),
        keySha256,
        sledId: sledId ?? null,
        replacesSledId: replacesSledId ?? null,
        serial: body.serial ?? null,
        lifeMs: (lifeS ?? DEFAULT_INVITATION_LIFE_S) * 1000,
      },
      { signal, audit: originOf(request) },
    );
    log.info({ invitation_id: created.id, sled_id: sledId }, 'machine invited');
    const view = invitationView({ ...created, joinedSledId: null }, created.timeCreatedMs);
    return {
      ...view,
      fleet,
      authority_key_sha256: authoritySha256,
      ...(keySha256 === undefined && {
        token,
        admin_key_sha256: named.adminKeySha256,
        root_sha256s: [...named.rootsSha256],
      }),
    };
  },

  async invitationList({ signal }) {
    const { databaseMs, invitations } = await datastore.invitationList({ signal });
    return { items: invitations.map(each => invitationView(each, databaseMs)), next_page: null };
  },

  async invitationEnd({ params, signal, log, ...request }) {
    const { invitation_id: id } = params;
    if (!(await datastore.invitationEnd(id, { signal, audit: originOf(request) })))
      throw new DepotError('NOT_FOUND', `there is no invitation ${id} that is neither used nor expired`);
    log.info({ invitation_id: id }, 'invitation ended');
  },
});

const invitationView = (
  invitation: Invitations['invitations'][number],
  databaseMs: number,
): InvitationView => {
  const { id, sledId, replacesSledId, serial, joinedSledId, used } = invitation;
  return {
    id,
    state: used !== null ? 'used' : isInvitationOpen(invitation, databaseMs) ? 'open' : 'expired',
    ...(sledId !== null && { sled_id: sledId }),
    ...(replacesSledId !== null && { replaces_sled_id: replacesSledId }),
    ...(serial !== null && { serial }),
    time_created: isoTime(invitation.timeCreatedMs),
    time_expires: isoTime(invitation.timeExpiresMs),
    ...(used !== null && { time_used: isoTime(used.timeMs) }),
    ...(joinedSledId !== null && { joined_sled_id: joinedSledId }),
  };
};
