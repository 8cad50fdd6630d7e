/** The operator's API for invitations: a machine joins the fleet once with each. */
import { z } from 'zod';
import { Generation, InvitationId, NexusId, Sha256Hex, SledId } from '../core/ids.ts';
import { SerialNumber } from './internal-api.ts';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord, resultsPage, Timestamp } from './wire.ts';

/** Long enough to walk to a machine; a token that is found later is of no use. */
export const DEFAULT_INVITATION_LIFE_S = 3_600;
export const MIN_INVITATION_LIFE_S = 60;
export const MAX_INVITATION_LIFE_S = 7 * 86_400;

const KeySha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 lower-case hex digits');

const CreateInvitation = z
  .object({
    /** As which sled the machine joins; by default as a new one. */
    sled_id: SledId.optional(),
    /** The sled that the join expunges. */
    replaces_sled_id: SledId.optional(),
    /** The serial number that the machine has to report, when it joins and when it registers; by default any. */
    serial: SerialNumber.optional(),
    /** The SHA-256 of the public key of the machine that may join; the answer then has no token. */
    public_key_sha256: KeySha256.optional(),
    expires_in_s: z.number().int().min(MIN_INVITATION_LIFE_S).max(MAX_INVITATION_LIFE_S).optional(),
  })
  .meta({ id: 'CreateInvitation' });

export const InvitationView = z
  .object({
    id: InvitationId,
    state: answerWord(['open', 'used', 'expired']),
    sled_id: SledId.optional(),
    replaces_sled_id: SledId.optional(),
    /** That the machine has to report; absent for any. */
    serial: z.string().optional(),
    time_created: Timestamp,
    time_expires: Timestamp,
    time_used: Timestamp.optional(),
    /** The sled of the machine that used it; absent also once that sled is forgotten. */
    joined_sled_id: SledId.optional(),
  })
  .meta({ id: 'Invitation' });
export type InvitationView = z.infer<typeof InvitationView>;

export const CreatedInvitation = z
  .object({
    ...InvitationView.shape,
    /** Of the fleet and its authority, as the token names them. */
    fleet: z.string(),
    authority_key_sha256: z.string(),
    /** Of the key of administrators that the machine pins, as the token names it; compare it with your own. */
    admin_key_sha256: Sha256Hex.optional(),
    /** Of the newest roots of the signers of releases, whose chains the machine pins. */
    root_sha256s: z.array(Sha256Hex).optional(),
    /** The token itself: only its SHA-256 is stored, so no later answer has it. */
    token: z.string().optional(),
  })
  .meta({ id: 'CreatedInvitation' });
export type CreatedInvitation = z.infer<typeof CreatedInvitation>;

const CreateNexusInvitation = z
  .object({
    /** As which Nexus the machine joins, one that the database knows; by default as a new one. */
    nexus_id: NexusId.optional(),
    expires_in_s: z.number().int().min(MIN_INVITATION_LIFE_S).max(MAX_INVITATION_LIFE_S).optional(),
  })
  .meta({ id: 'CreateNexusInvitation' });

export const NexusInvitationView = z
  .object({
    id: InvitationId,
    state: answerWord(['open', 'used', 'expired']),
    /** As which Nexus the machine joins. */
    nexus_id: NexusId,
    time_created: Timestamp,
    time_expires: Timestamp,
    time_used: Timestamp.optional(),
  })
  .meta({ id: 'NexusInvitation' });
export type NexusInvitationView = z.infer<typeof NexusInvitationView>;

export const CreatedNexusInvitation = z
  .object({
    ...NexusInvitationView.shape,
    /** Of the fleet and its authority, as the token names them. */
    fleet: z.string(),
    authority_key_sha256: z.string(),
    /** The token itself: only its SHA-256 is stored, so no later answer has it. */
    token: z.string(),
  })
  .meta({ id: 'CreatedNexusInvitation' });
export type CreatedNexusInvitation = z.infer<typeof CreatedNexusInvitation>;

export const JoinRequestView = z
  .object({
    public_key_sha256: KeySha256,
    /** `denied`: an admin refuses it until it is approved, also while it does not ask. */
    state: answerWord(['waiting', 'denied']),
    /** Of one that waits, at the Nexus that answers. */
    address: z.string().optional(),
    time_first_asked: Timestamp.optional(),
    time_last_asked: Timestamp.optional(),
    time_denied: Timestamp.optional(),
  })
  .meta({ id: 'JoinRequest' });
export type JoinRequestView = z.infer<typeof JoinRequestView>;

/** A sled with a certificate of this fleet that the database does not know. */
export const PendingSledView = z
  .object({
    id: SledId,
    serial: z.string(),
    address: z.string(),
    public_key_sha256: KeySha256,
    /** The highest one that it claims. */
    generation: Generation,
    time_first_asked: Timestamp,
    time_last_asked: Timestamp,
  })
  .meta({ id: 'PendingSled' });
export type PendingSledView = z.infer<typeof PendingSledView>;

const PENDING_PATH = '/v1/system/fleet/pending-sleds';
const REQUESTS_PATH = '/v1/system/fleet/join-requests';
const NEXUS_PATH = '/v1/system/fleet/nexus-invitations';
const PATH = '/v1/system/fleet/invitations';
const TAGS = ['fleet'] as const;

export const operatorInvitationApi = {
  title: 'Operator API, invitations',
  version: OPERATOR_VERSION,
  description: 'Invitations of machines to the fleet.',
  routes: {
    joinRequestList: defineRoute({
      operationId: 'sled_join_request_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: REQUESTS_PATH,
      summary: 'Machines that ask this Nexus to join by their key, and keys that are denied',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: resultsPage(JoinRequestView, 'JoinRequestResultsPage') },
      errors: [],
    }),
    joinRequestDeny: defineRoute({
      operationId: 'sled_join_request_deny',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: `${REQUESTS_PATH}/{public_key_sha256}/deny`,
      summary: 'Refuse the machine with this key until it is approved',
      tags: TAGS,
      params: z.object({ public_key_sha256: KeySha256 }),
      status: 204,
      response: { kind: 'empty' },
      errors: [],
    }),
    pendingSledList: defineRoute({
      operationId: 'pending_sled_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: PENDING_PATH,
      summary:
        'Sleds that register at this Nexus with a certificate of the fleet, and that the database does not know',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: resultsPage(PendingSledView, 'PendingSledResultsPage') },
      errors: [],
    }),
    pendingSledApprove: defineRoute({
      operationId: 'pending_sled_approve',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: `${PENDING_PATH}/{sled_id}/approve`,
      summary: 'Let a sled that waits register, with the key that it has',
      tags: TAGS,
      params: z.object({ sled_id: SledId }),
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND', 'SLED_DECOMMISSIONED', 'SLED_KEY_IN_USE'],
    }),
    nexusInvitationList: defineRoute({
      operationId: 'nexus_invitation_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: NEXUS_PATH,
      summary: 'The newest invitations of Nexuses; those that ended long ago, unused, are forgotten',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: resultsPage(NexusInvitationView, 'NexusInvitationResultsPage') },
      errors: [],
    }),
    nexusInvitationEnd: defineRoute({
      operationId: 'nexus_invitation_end',
      audience: 'operator',
      role: 'admin',
      method: 'DELETE',
      path: `${NEXUS_PATH}/{invitation_id}`,
      summary: 'End an invitation of a Nexus that nobody has used',
      tags: TAGS,
      params: z.object({ invitation_id: InvitationId }),
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND'],
    }),
    nexusInvitationCreate: defineRoute({
      operationId: 'nexus_invitation_create',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: NEXUS_PATH,
      summary:
        'Invite a machine to join the fleet as a Nexus, once; the answer has the token, and no later one',
      tags: TAGS,
      body: { kind: 'json', schema: CreateNexusInvitation },
      status: 201,
      response: { kind: 'json', schema: CreatedNexusInvitation },
      errors: ['NOT_FOUND', 'NEXUS_EXPUNGED', 'TOO_MANY_INVITATIONS', 'NO_AUTHORITY_KEY'],
    }),
    invitationList: defineRoute({
      operationId: 'sled_invitation_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: PATH,
      summary:
        'The newest invitations, and which sled joined with each; those that ended long ago are forgotten',
      tags: TAGS,
      status: 200,
      response: { kind: 'json', schema: resultsPage(InvitationView, 'InvitationResultsPage') },
      errors: [],
    }),
    invitationEnd: defineRoute({
      operationId: 'sled_invitation_end',
      audience: 'operator',
      role: 'admin',
      method: 'DELETE',
      path: `${PATH}/{invitation_id}`,
      summary: 'End an invitation that nobody has used',
      tags: TAGS,
      params: z.object({ invitation_id: InvitationId }),
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND'],
    }),
    invitationCreate: defineRoute({
      operationId: 'sled_invitation_create',
      audience: 'operator',
      role: 'admin',
      method: 'POST',
      path: PATH,
      summary: 'Invite a machine to join the fleet, once; the answer has the token, and no later one',
      tags: TAGS,
      body: { kind: 'json', schema: CreateInvitation },
      status: 201,
      response: { kind: 'json', schema: CreatedInvitation },
      errors: [
        'NOT_FOUND',
        'SLED_DECOMMISSIONED',
        'INVITATION_USED',
        'TOO_MANY_INVITATIONS',
        'NO_AUTHORITY_KEY',
      ],
    }),
  },
} as const satisfies Api;
