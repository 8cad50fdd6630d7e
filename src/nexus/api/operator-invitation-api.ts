/** Handlers of the operator's API for invitations. */
import {
  type CreatedInvitation,
  DEFAULT_INVITATION_LIFE_S,
  type operatorInvitationApi,
} from '../../api/operator-invitation-api.ts';
import { InvitationId } from '../../core/ids.ts';
import type { Handlers } from '../../http/handlers.ts';
import { makeInvitationToken } from '../../identity/invitation-token.ts';
import { type CertificateIssuer, requireIssuer } from '../../identity/issuer.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { tokenDigest } from '../../lib/operator-token.ts';
import type { InvitationPort } from '../datastore/ports/invitation-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';

type Deps = {
  readonly datastore: Pick<InvitationPort, 'invitationCreate'>;
  /** Undefined for a Nexus without the authority's key. */
  readonly issuer?: CertificateIssuer | undefined;
  readonly originOf: OriginOf;
  readonly newId: () => string;
};

export const createOperatorInvitationApi = ({
  datastore,
  issuer,
  originOf,
  newId,
}: Deps): Handlers<typeof operatorInvitationApi> => ({
  async invitationCreate({ body, signal, log, ...request }): Promise<CreatedInvitation> {
    const { sled_id: sledId, replaces_sled_id: replacesSledId, expires_in_s: lifeS } = body;
    if (sledId !== undefined && replacesSledId !== undefined)
      throw new DepotError('INVALID_REQUEST', 'sled_id and replaces_sled_id exclude each other: give one');
    const { fleet, authoritySha256 } = requireIssuer(issuer);
    const token = makeInvitationToken({ fleet, authoritySha256 });
    const created = await datastore.invitationCreate(
      {
        id: InvitationId.parse(newId()),
        sha256: tokenDigest(token),
        sledId: sledId ?? null,
        replacesSledId: replacesSledId ?? null,
        lifeMs: (lifeS ?? DEFAULT_INVITATION_LIFE_S) * 1000,
      },
      { signal, audit: originOf(request) },
    );
    log.info({ invitation_id: created.id, sled_id: sledId }, 'machine invited');
    return {
      id: created.id,
      ...(sledId !== undefined && { sled_id: sledId }),
      ...(replacesSledId !== undefined && { replaces_sled_id: replacesSledId }),
      time_created: isoTime(created.timeCreatedMs),
      time_expires: isoTime(created.timeExpiresMs),
      ...{ fleet, authority_key_sha256: authoritySha256, token },
    };
  },
});
