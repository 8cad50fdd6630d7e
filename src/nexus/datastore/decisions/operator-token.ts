/** Which tokens are kept, and when their use is noted. */
import { DepotError } from '../../../lib/errors.ts';
import type { OperatorTokenRecord } from '../ports/operator-token-port.ts';

/** More people and programs than one fleet has. Every Nexus keeps all tokens in memory. */
export const MAX_VALID_TOKENS = 500;
/** A token that ended is named as revoked or expired for this long, and is unknown afterwards. The audit log keeps it. */
export const ENDED_TOKENS_KEPT_MS = 90 * 24 * 3_600_000;
/** The last use is written at most this often. */
export const LAST_USE_PRECISION_MS = 3_600_000;

/** @param validTokens without the new one @throws `TOO_MANY_TOKENS` */
export const requireRoomForToken = (validTokens: number): void => {
  if (validTokens < MAX_VALID_TOKENS) return;
  throw new DepotError('TOO_MANY_TOKENS', `${validTokens} tokens are valid, the most that are kept`, {
    detail: { limit: MAX_VALID_TOKENS },
  });
};

type Life = Pick<OperatorTokenRecord, 'timeExpiresMs' | 'timeRevokedMs'>;

/** @param nowMs by the database's clock */
export const tokenState = (
  { timeExpiresMs, timeRevokedMs }: Life,
  nowMs: number,
): 'valid' | 'expired' | 'revoked' => {
  if (timeRevokedMs !== null) return 'revoked';
  return timeExpiresMs <= nowMs ? 'expired' : 'valid';
};

/** @param nowMs by the database's clock */
export const isForgotten = (token: Life, nowMs: number): boolean => {
  const endedMs = Math.min(token.timeExpiresMs, token.timeRevokedMs ?? Number.POSITIVE_INFINITY);
  return endedMs < nowMs - ENDED_TOKENS_KEPT_MS;
};
