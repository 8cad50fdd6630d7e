/** The operator's API for statements: decisions that an admin key has signed, for sleds to verify. */
import { z } from 'zod';
import { Sha256Hex } from '../core/ids.ts';
import { type Api, defineRoute } from './route.ts';
import { SignedStatement } from './statement.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, Timestamp } from './wire.ts';

export const StatementView = z
  .object({
    ...SignedStatement.shape,
    id: z.string(),
    kind: z.string(),
    /** What it is about. */
    subject: z.string(),
    /** By the clock of the signer. */
    time: Timestamp,
    time_recorded: Timestamp,
    /** `unverified` where this Nexus does not have the admin key; sleds verify for themselves. */
    state: answerWord(['verified', 'unverified', 'refused']),
    /** False for one that a later statement about the same outweighs. */
    counts: z.boolean(),
    /** Why it is refused. */
    message: z.string().optional(),
  })
  .meta({ id: 'Statement' });
export type StatementView = z.infer<typeof StatementView>;

export const StatementList = z
  .object({
    /** The newest first. */
    items: z.array(StatementView),
    /** Whose statements count. */
    fleet: z.string(),
    /** SHA-256 of the admin keys that this Nexus verifies by. */
    admin_keys: z.array(Sha256Hex),
  })
  .meta({ id: 'StatementList' });
export type StatementList = z.infer<typeof StatementList>;

const PATH = '/v1/statements';
const TAGS = ['system/update'] as const;

export const operatorStatementApi = {
  title: 'Operator API, statements',
  version: OPERATOR_VERSION,
  description: 'Decisions of a person that sleds believe whatever a Nexus says.',
  routes: {
    statementList: defineRoute({
      operationId: 'statement_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: PATH,
      summary: 'The statements that were recorded, the newest first',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: StatementList },
      errors: [],
    }),
    statementCreate: defineRoute({
      operationId: 'statement_create',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: PATH,
      summary: 'Record a statement, and tell it to every sled; one that is recorded already changes nothing',
      tags: TAGS,
      body: { kind: 'json', schema: SignedStatement },
      status: 201,
      response: { kind: 'json', schema: StatementView },
      errors: ['STATEMENT_REFUSED'],
    }),
  },
} as const satisfies Api;
