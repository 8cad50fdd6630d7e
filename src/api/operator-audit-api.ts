/** The operator's API for the audit log: every change by a person, in a chain of hashes. */
import { z } from 'zod';
import { AuditEntryId, NexusId, OperatorTokenId, Sha256Hex, SledId } from '../core/ids.ts';
import { OPERATOR_ROLES } from '../core/operator-role.ts';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, Details, PageQuery, resultsPage, Timestamp } from './wire.ts';

const AuditHeadView = z
  .object({
    /** The number of the newest entry; 0 for an empty log. */
    seq: z.number().int().min(0),
    hash: Sha256Hex,
  })
  .meta({ id: 'AuditHead' });

/** A person by a token of the database or by the break-glass token of a Nexus, or a Nexus by its configuration. */
export const AuditActorView = z.object({
  /** `invited_machine`: a machine that joins the fleet with an invitation. */
  kind: answerWord(['token', 'break_glass', 'nexus', 'invited_machine']),
  // Of a token.
  token_id: OperatorTokenId.optional(),
  role: answerWord(OPERATOR_ROLES).optional(),
});

export const AuditEntryView = z
  .object({
    seq: z.number().int().min(1),
    /** SHA-256 of the previous hash, `seq` and `content`, with line feeds between them. */
    hash: Sha256Hex,
    /** The entry as the hash covers it, in JSON; the other fields are read from it. */
    content: z.string(),
    /** What follows is absent where `content` is no entry of any version. */
    id: AuditEntryId.optional(),
    /** By the clock of the database. */
    time: Timestamp.optional(),
    actor: AuditActorView.optional(),
    nexus_id: NexusId.optional(),
    remote_address: z.string().optional(),
    request_id: z.string().optional(),
    /** A kind, and its facts. */
    action: Details.optional(),
    message: z.string(),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntryView = z.infer<typeof AuditEntryView>;

export const SledAuditHeads = z
  .object({
    sleds: z.array(
      z.object({
        sled_id: SledId,
        serial: z.string(),
        /** Of the audit log, as this sled was told them; absent for a sled that was not asked. */
        heads: z
          .array(
            z.object({
              seq: z.number().int().min(1),
              hash: Sha256Hex,
              /** When the sled was told it first, by its own clock. */
              time: Timestamp,
            }),
          )
          .optional(),
        /** Why the sled was not asked. */
        message: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'SledAuditHeads' });
export type SledAuditHeads = z.infer<typeof SledAuditHeads>;

const AuditSortMode = z.enum(['seq_ascending', 'seq_descending']).meta({ id: 'AuditSortMode' });

const TAGS = ['operators'] as const;

export const operatorAuditApi = {
  title: 'Operator API, audit log',
  version: OPERATOR_VERSION,
  description: 'Who changed what, when, and from where.',
  routes: {
    auditList: defineRoute({
      operationId: 'audit_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/audit/entries',
      summary: 'The entries, the newest first by default',
      tags: TAGS,
      query: PageQuery.extend({ sort_by: AuditSortMode.optional() }),
      status: 200,
      response: { kind: 'json', schema: resultsPage(AuditEntryView, 'AuditEntryResultsPage') },
      errors: [],
    }),
    auditHead: defineRoute({
      operationId: 'audit_head',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/audit/head',
      summary: 'The newest entry: note its hash, and later ones must still follow it',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: AuditHeadView },
      errors: [],
    }),
    auditSledHeads: defineRoute({
      operationId: 'audit_sled_heads',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/v1/system/audit/sled-heads',
      summary: 'The heads of the audit log that the sleds in service keep, asked now',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: SledAuditHeads },
      errors: [],
    }),
  },
} as const satisfies Api;
