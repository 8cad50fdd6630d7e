/** Entries of the audit log in plain English: one renderer for each kind of action. */
import type { AuditAction, AuditActor, AuditEntry, AuditKind } from './audit.ts';
import { unknownEventText } from './event.ts';
import { listed, plural, quoted, sentences, spaced, timeText } from './phrase.ts';
import { refusalText, refusedTotalText } from './refusal.ts';

type Renderers = { readonly [K in AuditKind]: (action: AuditAction<K>) => string };

/** More names than a line holds. */
const MOST_NAMES = 10;

const renderers: Renderers = {
  token_created: ({ tokenId, role, description, expiresMs }) =>
    sentences(
      `Token ${tokenId} was created with the role ${role}. It expires at ${timeText(expiresMs)}.`,
      described(description),
    ),
  token_revoked: ({ tokenId, role, description }) =>
    sentences(`Token ${tokenId} with the role ${role} was revoked.`, described(description)),
  trust_root_added: ({ trustRootId, rootVersion, rootSha256 }) =>
    `Trust root ${trustRootId} was added at root version ${rootVersion}, with SHA-256 ${rootSha256}.`,
  trust_root_deleted: ({ trustRootId, rootSha256 }) =>
    `Trust root ${trustRootId} was deleted. Its newest root had the SHA-256 ${rootSha256}.`,
  trust_root_advanced: ({ trustRootId, rootVersions, rootSha256, previousRootSha256 }) =>
    `Trust root ${trustRootId} moved to root version ${rootVersions.at(-1)}, with SHA-256 ${rootSha256}. It was ${previousRootSha256} before.`,
  release_uploaded: action =>
    sentences(
      `Release ${action.systemVersion} was uploaded${action.wasThere ? ' again' : ''} (upload ${action.uploadId}, file ${action.fileName}, ${action.hashKind} ${action.hash}) and verified by trust root ${action.trustRootId}.`,
      action.rootVersions.length === 0
        ? undefined
        : `It brought root version ${action.rootVersions.join(', ')}.`,
      action.overrides.length === 0
        ? undefined
        : `Accepted by an override: ${quoted(action.overrides.join('; '))}`,
    ),
  release_deleted: ({ systemVersion, wasLast, generation, previousGeneration }) =>
    sentences(
      `Release ${systemVersion} was deleted. The generation was ${previousGeneration} and is ${generation}.`,
      wasLast ? 'It was the last release.' : undefined,
    ),
  release_exempted: ({ systemVersion, bundle, bundleKind, wasExempted }) =>
    sentences(
      `Release ${systemVersion} was exempted: sleds without an admin key store what its bundle ${bundle} lists, whatever signed it. ${
        {
          signed: 'Every artifact of it is a signed target.',
          partly: 'Some artifacts of it are no signed targets.',
          unsigned: 'No artifact of it is a signed target.',
        }[bundleKind]
      }`,
      wasExempted ? 'It was exempted before.' : undefined,
    ),
  target_release_set: ({ systemVersion, previousVersion, isForced }) =>
    sentences(
      `Release ${systemVersion} became the target release.`,
      previousVersion === undefined ? 'None was set before.' : `It was ${previousVersion} before.`,
      isForced ? 'The change was forced.' : undefined,
    ),
  sled_policy_set: ({ sledId, serial, policy, previousPolicy }) =>
    `Sled ${serial === '' ? sledId : `${serial} (${sledId})`} became ${spaced(policy)}. It was ${spaced(previousPolicy)} before.`,
  sled_transport_set: ({ sledId, serial, plainAddress, previousPlainAddress }) =>
    sentences(
      `Sled ${serial === '' ? sledId : `${serial} (${sledId})`} ${plainAddress === undefined ? 'has to identify itself' : `was approved to speak plain HTTP at ${plainAddress}`}.`,
      previousPlainAddress === undefined
        ? undefined
        : `It was approved to speak plain HTTP at ${previousPlainAddress} before.`,
    ),
  sled_forgotten: ({ sledId, serial, address }) =>
    serial === ''
      ? `Sled ${sledId}, which never registered, was expunged before, and its record was removed.`
      : `Sled ${serial} (${sledId}) at ${address} was expunged before, and its record was removed.`,
  sled_invited: ({ invitationId, sledId, replacesSledId, publicKeySha256, serial, expiresMs }) =>
    sentences(
      `${publicKeySha256 === undefined ? 'A machine' : `The machine with the key ${publicKeySha256}`} was invited to join ${sledId === undefined ? 'as a new sled' : `as sled ${sledId}`} (invitation ${invitationId}). It expires at ${timeText(expiresMs)}.`,
      replacesSledId === undefined ? undefined : `It replaces sled ${replacesSledId}.`,
      serial === undefined ? undefined : `It has to report the serial number ${serial}.`,
    ),
  sled_invitation_ended: ({ invitationId }) =>
    `Invitation ${invitationId} was ended before a machine joined with it.`,
  join_key_denied: ({ publicKeySha256 }) =>
    `The machine with the key ${publicKeySha256} was denied: it may not join by its key until it is approved.`,
  sled_joined: ({ sledId, invitationId, publicKeySha256, expungedSledId }) =>
    sentences(
      `A machine joined as sled ${sledId} with invitation ${invitationId}. Its key has the SHA-256 ${publicKeySha256}.`,
      expungedSledId === undefined
        ? undefined
        : `Sled ${expungedSledId}, which it replaces, became expunged.`,
    ),
  sled_admitted: ({ sledId, serial, publicKeySha256 }) =>
    `Sled ${serial} (${sledId}), which this database did not know, was approved. Its key has the SHA-256 ${publicKeySha256}.`,
  nexus_invited: ({ invitationId, invitedNexusId, expiresMs }) =>
    `A machine was invited to join as Nexus ${invitedNexusId} (invitation ${invitationId}). It expires at ${timeText(expiresMs)}.`,
  nexus_invitation_ended: ({ invitationId, invitedNexusId }) =>
    `Invitation ${invitationId} was ended before a machine joined with it as Nexus ${invitedNexusId}.`,
  nexus_joined: ({ joinedNexusId, invitationId, publicKeySha256 }) =>
    `A machine joined as Nexus ${joinedNexusId} with invitation ${invitationId}. Its key has the SHA-256 ${publicKeySha256}.`,
  nexus_expunged: ({ expungedNexusId, operatorAddress }) =>
    `Nexus ${expungedNexusId}${operatorAddress === '' ? '' : ` at ${operatorAddress}`} was expunged.`,
  generation_recovered: ({
    generation,
    previousGeneration,
    accepted,
    excludedSleds,
    givenUp,
    givenUpTotal,
    headsLost = [],
    invitationsEnded = 0,
  }) =>
    sentences(
      `The generation was recovered from ${previousGeneration} to ${generation}. ${plural(accepted.length, 'point')} of other histories became known.`,
      excludedSleds.length === 0 ? undefined : `Excluded sleds: ${listed(excludedSleds, MOST_NAMES)}.`,
      givenUpTotal === 0
        ? undefined
        : `${plural(givenUpTotal, 'name was', 'names were')} given up: ${listed(givenUp, MOST_NAMES)}.`,
      headsLost.length === 0
        ? undefined
        : `Sleds kept ${plural(headsLost.length, 'head')} of this log that the database lost: ${listed(
            headsLost.map(({ seq, hash }) => `entry ${seq} (${hash})`),
            MOST_NAMES,
          )}.`,
      invitationsEnded === 0
        ? undefined
        : `${plural(invitationsEnded, 'unused invitation was', 'unused invitations were')} ended.`,
    ),
  statement_recorded: ({ statementId, adminKeySha256, subject }) =>
    `Statement ${statementId} of the admin key ${adminKeySha256} was recorded: ${subject}.`,
  tasks_activated: ({ tasks }) => `Tasks were activated: ${listed(tasks, MOST_NAMES)}.`,
  requests_refused: ({ refusals, total, fromMs, untilMs }) => {
    const others = total - refusals.reduce((sum, { count }) => sum + count, 0);
    const each = [...refusals.map(refusalText), ...(others > 0 ? [`${others} of other callers`] : [])];
    return `${refusedTotalText(total, fromMs, untilMs)}: ${each.join('; ')}.`;
  },
  source_sync_requested: ({ source, metadataUrl }) =>
    `A sync of the source ${source} at ${metadataUrl} was requested.`,
};

const described = (description: string): string | undefined =>
  description === '' ? undefined : `Described as: ${quoted(description)}`;

const renderAuditAction = (action: AuditAction): string =>
  (renderers[action.kind] as (action: AuditAction) => string)(action);

/** What was done, also by a version that this one does not know. */
export const auditText = ({ action, details }: Pick<AuditEntry, 'action' | 'details'>): string =>
  action === undefined ? unknownEventText(details.kind, details) : renderAuditAction(action);

export const actorText = (actor: AuditActor, nexusId: string): string => {
  switch (actor.kind) {
    case 'token':
      return `token ${actor.tokenId} (${actor.role})`;
    case 'break_glass':
      return `break-glass token of Nexus ${nexusId}`;
    case 'nexus':
      return `Nexus ${nexusId}`;
    case 'invited_machine':
      return 'a machine with an invitation';
    default:
      return actor satisfies never;
  }
};
