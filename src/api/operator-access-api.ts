/** The operator's API for tokens: who may speak to Nexus, and with which role. */
import { z } from 'zod';
import { OperatorTokenId } from '../core/ids.ts';
import { OPERATOR_ROLES, OperatorRole } from '../core/operator-role.ts';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, resultsPage, Timestamp } from './wire.ts';

const DAY_S = 86_400;
/** A token that outlives its owner's job is found when it has to be renewed. */
export const DEFAULT_TOKEN_LIFE_S = 90 * DAY_S;
export const MAX_TOKEN_LIFE_S = 5 * 365 * DAY_S;
const MAX_TOKEN_DESCRIPTION_CHARS = 200;

export const OperatorTokenView = z
  .object({
    id: OperatorTokenId,
    role: answerWord(OPERATOR_ROLES),
    description: z.string(),
    state: answerWord(['valid', 'expired', 'revoked']),
    time_created: Timestamp,
    time_expires: Timestamp,
    time_revoked: Timestamp.optional(),
    /** To the hour; absent for one that was never used. */
    time_last_used: Timestamp.optional(),
  })
  .meta({ id: 'OperatorToken' });
export type OperatorTokenView = z.infer<typeof OperatorTokenView>;

const CreateOperatorToken = z
  .object({
    role: OperatorRole,
    description: z.string().max(MAX_TOKEN_DESCRIPTION_CHARS).optional(),
    expires_in_s: z.number().int().min(60).max(MAX_TOKEN_LIFE_S).optional(),
  })
  .meta({ id: 'CreateOperatorToken' });

export const CreatedOperatorToken = z
  .object({
    ...OperatorTokenView.shape,
    /** The token itself: only its SHA-256 is stored, so no later answer has it. */
    token: z.string(),
  })
  .meta({ id: 'CreatedOperatorToken' });
export type CreatedOperatorToken = z.infer<typeof CreatedOperatorToken>;

/** Without an id and an expiry: a break-glass token. */
export const OperatorSelf = z
  .object({
    role: answerWord(OPERATOR_ROLES),
    token_id: OperatorTokenId.optional(),
    time_expires: Timestamp.optional(),
  })
  .meta({ id: 'OperatorSelf' });
export type OperatorSelf = z.infer<typeof OperatorSelf>;

const PATH = '/v1/system/operators/tokens';
const TAGS = ['operators'] as const;

export const operatorAccessApi = {
  title: 'Operator API, tokens',
  version: OPERATOR_VERSION,
  description: 'The tokens of operators.',
  routes: {
    operatorSelf: defineRoute({
      operationId: 'operator_self',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/operators/self',
      summary: 'The token of this request: its role, and until when it is valid',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: OperatorSelf },
      errors: [],
    }),
    tokenList: defineRoute({
      operationId: 'operator_token_list',
      audience: 'operator',
      role: 'admin',
      method: 'GET',
      path: PATH,
      summary: 'The tokens, the newest first; those that ended long ago are forgotten',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: resultsPage(OperatorTokenView, 'OperatorTokenResultsPage') },
      errors: [],
    }),
    tokenCreate: defineRoute({
      operationId: 'operator_token_create',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: PATH,
      summary: 'Create a token; the answer has it, and no later one',
      tags: TAGS,
      body: { kind: 'json', schema: CreateOperatorToken },
      status: 201,
      response: { kind: 'json', schema: CreatedOperatorToken },
      errors: ['TOO_MANY_TOKENS'],
    }),
    tokenRevoke: defineRoute({
      operationId: 'operator_token_revoke',
      audience: 'operator',
      role: 'admin',
      method: 'DELETE',
      path: `${PATH}/{token_id}`,
      summary: 'Revoke a token; every Nexus refuses it within a minute',
      tags: TAGS,
      params: z.object({ token_id: OperatorTokenId }),
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND'],
    }),
  },
} as const satisfies Api;
