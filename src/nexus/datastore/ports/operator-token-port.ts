/** The tokens of operators, by the SHA-256 of each; the tokens themselves are stored nowhere. */
import type { OperatorTokenId } from '../../../core/ids.ts';
import type { OperatorRole } from '../../../core/operator-role.ts';
import type { Audited } from './audit-port.ts';
import type { Wait } from './verb.ts';

export type OperatorTokenRecord = {
  readonly id: OperatorTokenId;
  readonly role: OperatorRole;
  readonly description: string;
  readonly sha256: string;
  readonly timeCreatedMs: number;
  readonly timeExpiresMs: number;
  readonly timeRevokedMs: number | null;
  /** To {@link LAST_USE_PRECISION_MS} of decisions/operator-token.ts. */
  readonly timeLastUsedMs: number | null;
};

/** All tokens, and the time of the database that they are compared with. */
export type OperatorTokens = {
  readonly databaseMs: number;
  readonly tokens: readonly OperatorTokenRecord[];
};

export type NewOperatorToken = Pick<OperatorTokenRecord, 'id' | 'role' | 'description' | 'sha256'> & {
  /** From now on, by the database's clock. */
  readonly lifeMs: number;
};

export type OperatorTokenPort = {
  /** The newest first. */
  readonly operatorTokenList: (wait: Wait) => Promise<OperatorTokens>;
  /** `TOO_MANY_TOKENS`. Tokens that ended long ago are removed in the same transaction. */
  readonly operatorTokenCreate: (token: NewOperatorToken, wait: Audited) => Promise<OperatorTokenRecord>;
  /** False when there is none that is not revoked already. */
  readonly operatorTokenRevoke: (id: OperatorTokenId, wait: Audited) => Promise<boolean>;
  /** Notes that these were used; a token whose last use was noted a moment ago is not written again. */
  readonly operatorTokensUsed: (ids: readonly OperatorTokenId[], wait: Wait) => Promise<void>;
};
