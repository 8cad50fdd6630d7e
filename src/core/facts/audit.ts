/**
 * What the audit log says: who changed what, from where, and how it was before.
 *
 *     AuditOrigin and AuditAction ─▶ auditContent() ─▶ a row of the chain (audit-chain.ts) ─▶ parseAuditContent()
 *
 * KO1. As KR1 and KR2 of reason.ts: an action is data, and what was released keeps its name and meaning.
 * KO2. The content is canonical: names in order, without spaces, so that one entry has one hash.
 * KO3. Several versions of Nexus may write to one database: {@link parseAuditAction} is undefined for an action that this
 *      one does not know.
 */
import { z } from 'zod';
import {
  AuditEntryId,
  Generation,
  InvitationId,
  NexusId,
  OperatorTokenId,
  SledId,
  SystemVersion,
  TrustRootId,
  UploadId,
} from '../ids.ts';
import { OperatorRole } from '../operator-role.ts';
import { BUNDLE_KINDS } from '../release-trust.ts';
import { type Details, fromDetails, toDetails } from './details.ts';
import { Policy } from './event.ts';
import { Count, PointFact, Words } from './reason.ts';
import { RefusalFact } from './refusal.ts';

/**
 * Who acts: a person by a token of the database, or by the token file of a Nexus; a Nexus by its own configuration; or a
 * machine by the invitation of a person.
 */
export const AuditActor = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('token'), tokenId: OperatorTokenId, role: OperatorRole }),
  z.object({ kind: z.literal('break_glass') }),
  z.object({ kind: z.literal('nexus') }),
  z.object({ kind: z.literal('invited_machine') }),
]);
export type AuditActor = z.infer<typeof AuditActor>;

/** The origin of a change. A verb of the datastore that has one writes an entry in its transaction. */
export type AuditOrigin = {
  readonly entryId: AuditEntryId;
  readonly nexusId: NexusId;
  readonly actor: AuditActor;
  readonly remoteAddress: string | undefined;
  readonly requestId: string | undefined;
};

/** More names than a person reads; the total stands beside them. */
export const MAX_AUDITED_NAMES = 100;
const Names = z.array(Words).max(MAX_AUDITED_NAMES).readonly();
const Sha256 = Words;
const TimeMs = z.number();

/** `previous…`: how it was before. */
const auditActions = {
  token_created: z.object({
    tokenId: OperatorTokenId,
    role: OperatorRole,
    description: Words,
    expiresMs: TimeMs,
  }),
  token_revoked: z.object({ tokenId: OperatorTokenId, role: OperatorRole, description: Words }),
  trust_root_added: z.object({ trustRootId: TrustRootId, rootVersion: Count, rootSha256: Sha256 }),
  trust_root_deleted: z.object({ trustRootId: TrustRootId, rootSha256: Sha256 }),
  trust_root_advanced: z.object({
    trustRootId: TrustRootId,
    rootVersions: z.array(Count).readonly(),
    rootSha256: Sha256,
    previousRootSha256: Sha256,
  }),
  release_uploaded: z.object({
    systemVersion: SystemVersion,
    uploadId: UploadId,
    fileName: Words,
    hash: Sha256,
    hashKind: z.enum(['archive', 'targets']),
    wasThere: z.boolean(),
    overrides: z.array(Words).readonly(),
    trustRootId: TrustRootId,
    /** That the archive brought, and that followed the trusted one. */
    rootVersions: z.array(Count).readonly(),
    generation: Generation,
    previousGeneration: Generation,
  }),
  release_deleted: z.object({
    systemVersion: SystemVersion,
    wasLast: z.boolean(),
    generation: Generation,
    previousGeneration: Generation,
  }),
  release_exempted: z.object({
    systemVersion: SystemVersion,
    /** SHA-256 of its bundle. */
    bundle: Sha256,
    bundleKind: z.enum(BUNDLE_KINDS),
    wasExempted: z.boolean(),
  }),
  target_release_set: z.object({
    systemVersion: SystemVersion,
    previousVersion: SystemVersion.optional(),
    isForced: z.boolean(),
  }),
  /** The serial is empty for one that has not registered. */
  sled_policy_set: z.object({ sledId: SledId, serial: Words, policy: Policy, previousPolicy: Policy }),
  /** The address at which it may speak plain HTTP; absent where it identifies itself. The serial as above. */
  sled_transport_set: z.object({
    sledId: SledId,
    serial: Words,
    plainAddress: Words.optional(),
    previousPlainAddress: Words.optional(),
  }),
  sled_forgotten: z.object({ sledId: SledId, serial: Words, address: Words }),
  sled_invited: z.object({
    invitationId: InvitationId,
    /** As which a machine is to join; absent for a new one. */
    sledId: SledId.optional(),
    replacesSledId: SledId.optional(),
    /** Of the machine that an admin approved, without a token. */
    publicKeySha256: Sha256.optional(),
    /** That the machine has to report. */
    serial: Words.optional(),
    expiresMs: TimeMs,
  }),
  sled_invitation_ended: z.object({ invitationId: InvitationId }),
  join_key_denied: z.object({ publicKeySha256: Sha256 }),
  sled_joined: z.object({
    sledId: SledId,
    invitationId: InvitationId,
    publicKeySha256: Sha256,
    /** That the join replaced. */
    expungedSledId: SledId.optional(),
  }),
  /** The database did not know it, and its certificate is of this fleet. */
  sled_admitted: z.object({ sledId: SledId, serial: Words, publicKeySha256: Sha256 }),
  nexus_invited: z.object({ invitationId: InvitationId, invitedNexusId: NexusId, expiresMs: TimeMs }),
  nexus_invitation_ended: z.object({ invitationId: InvitationId, invitedNexusId: NexusId }),
  nexus_joined: z.object({ joinedNexusId: NexusId, invitationId: InvitationId, publicKeySha256: Sha256 }),
  /** The address is empty for one that joined and has not reached the database. */
  nexus_expunged: z.object({ expungedNexusId: NexusId, operatorAddress: Words }),
  generation_recovered: z.object({
    generation: Generation,
    previousGeneration: Generation,
    accepted: z.array(PointFact).readonly(),
    excludedSleds: Names,
    givenUp: Names,
    givenUpTotal: Count,
    /** Heads of this log that sleds keep and the database lost; absent for none. */
    headsLost: z
      .array(z.object({ seq: Count, hash: Sha256 }).readonly())
      .max(MAX_AUDITED_NAMES)
      .readonly()
      .optional(),
    /** That no machine had used; absent for none. */
    invitationsEnded: Count.optional(),
  }),
  statement_recorded: z.object({
    /** Of the text that the admin key signed. */
    statementId: Words,
    statementKind: Words,
    adminKeySha256: Sha256,
    /** The point, hash or identity that it is about. */
    subject: Words,
  }),
  tasks_activated: z.object({ tasks: Names }),
  /** No change: what was asked of a server by somebody who may not. */
  requests_refused: z.object({
    refusals: z.array(RefusalFact).max(MAX_AUDITED_NAMES).readonly(),
    /** Also of those that have no row. */
    total: Count,
    fromMs: TimeMs,
    untilMs: TimeMs,
  }),
  source_sync_requested: z.object({ source: Words, metadataUrl: Words }),
} as const satisfies Record<string, z.ZodType<object>>;

export type AuditKind = keyof typeof auditActions;
export type AuditAction<K extends AuditKind = AuditKind> = {
  readonly [A in K]: { readonly kind: A } & Readonly<z.infer<(typeof auditActions)[A]>>;
}[K];

/** KO3. */
const parseAuditAction = (value: Readonly<Record<string, unknown>>): AuditAction | undefined => {
  const { kind } = value;
  if (typeof kind !== 'string' || !Object.hasOwn(auditActions, kind)) return undefined;
  const parsed = auditActions[kind as AuditKind].safeParse(value);
  return parsed.success ? ({ kind, ...parsed.data } as AuditAction) : undefined;
};

/** KO2. */
export const auditContent = (origin: AuditOrigin, action: AuditAction, timeMs: number): string => {
  const { entryId, actor, ...rest } = origin;
  const entry = { id: entryId, timeMs, actor: { ...actor }, action: { ...action }, ...rest };
  return JSON.stringify(inOrder(toDetails(entry)));
};

const inOrder = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, each]) => [name, inOrder(each)]),
  );
};

const Entry = z.object({
  id: AuditEntryId,
  timeMs: TimeMs,
  nexusId: NexusId,
  actor: AuditActor,
  remoteAddress: Words.optional(),
  requestId: Words.optional(),
  action: z.looseObject({ kind: Words }),
});

export type AuditEntry = Omit<z.infer<typeof Entry>, 'action'> & {
  /** As stored, of any version. */
  readonly details: Details & { readonly kind: string };
  /** Undefined for one that this version does not know. */
  readonly action: AuditAction | undefined;
};

/** Undefined for what no version has written. */
export const parseAuditContent = (content: string): AuditEntry | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const parsed = Entry.safeParse(fromDetails(value));
  if (!parsed.success) return undefined;
  const { action, ...entry } = parsed.data;
  return {
    ...entry,
    details: { ...toDetails(action), kind: action.kind },
    action: parseAuditAction(action),
  };
};
