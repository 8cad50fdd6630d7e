/** Handlers of the operator's API for tokens. */
import {
  type CreatedOperatorToken,
  DEFAULT_TOKEN_LIFE_S,
  type OperatorTokenView,
  type operatorAccessApi,
} from '../../api/operator-access-api.ts';
import { OperatorTokenId } from '../../core/ids.ts';
import { operatorOf } from '../../http/caller.ts';
import type { Handlers } from '../../http/handlers.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { makeOperatorToken, tokenDigest } from '../../lib/operator-token.ts';
import { tokenState } from '../datastore/decisions/operator-token.ts';
import type { OperatorTokenPort, OperatorTokenRecord } from '../datastore/ports/operator-token-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';
import type { KnownTokens } from '../operators/known-tokens.ts';

type Deps = {
  readonly datastore: OperatorTokenPort;
  readonly tokens: Pick<KnownTokens, 'changed'>;
  readonly originOf: OriginOf;
  readonly newId: () => string;
};

export const createOperatorAccessApi = ({
  datastore,
  tokens,
  originOf,
  newId,
}: Deps): Handlers<typeof operatorAccessApi> => ({
  async operatorSelf({ caller }) {
    const { id, role, timeExpiresMs } = operatorOf(caller);
    return {
      role,
      ...(id !== 'break-glass' && { token_id: id }),
      ...(timeExpiresMs !== undefined && { time_expires: isoTime(timeExpiresMs) }),
    };
  },

  async tokenList({ signal }) {
    const { databaseMs, tokens: all } = await datastore.operatorTokenList({ signal });
    return { items: all.map(token => tokenView(token, databaseMs)), next_page: null };
  },

  async tokenCreate({ body, signal, log, ...request }): Promise<CreatedOperatorToken> {
    const { role, description = '', expires_in_s: lifeS = DEFAULT_TOKEN_LIFE_S } = body;
    const token = makeOperatorToken();
    const created = await datastore
      .operatorTokenCreate(
        {
          id: OperatorTokenId.parse(newId()),
          sha256: tokenDigest(token),
          ...{ role, description, lifeMs: lifeS * 1000 },
        },
        { signal, audit: originOf(request) },
      )
      .finally(() => tokens.changed());
    log.info({ token_id: created.id, role }, 'token of an operator created');
    return { ...tokenView(created, created.timeCreatedMs), token };
  },

  async tokenRevoke({ params, signal, log, ...request }) {
    const { token_id: id } = params;
    const isRevoked = await datastore
      .operatorTokenRevoke(id, { signal, audit: originOf(request) })
      .finally(() => tokens.changed());
    if (!isRevoked) throw new DepotError('NOT_FOUND', `there is no token ${id}, or it is revoked already`);
    tokens.changed({ revoked: id });
    log.info({ token_id: id }, 'token of an operator revoked');
  },
});

const tokenView = (token: OperatorTokenRecord, databaseMs: number): OperatorTokenView => ({
  id: token.id,
  role: token.role,
  description: token.description,
  state: tokenState(token, databaseMs),
  time_created: isoTime(token.timeCreatedMs),
  time_expires: isoTime(token.timeExpiresMs),
  ...(token.timeRevokedMs !== null && { time_revoked: isoTime(token.timeRevokedMs) }),
  ...(token.timeLastUsedMs !== null && { time_last_used: isoTime(token.timeLastUsedMs) }),
});
