/** Reasons in plain English: one renderer for each code, with the remedy where there is one. */
import { pointText } from '../ids.ts';
import { shortPoint } from '../lineage.ts';
import { failedSources } from './blocked.ts';
import {
  duration,
  listed,
  plural,
  quoted,
  type Rendered,
  seconds,
  sentences,
  shortHash,
  spaced,
  timeText,
} from './phrase.ts';
import type { HealthReason, ReasonCode } from './reason.ts';

type Renderers = { readonly [C in ReasonCode]: (reason: HealthReason<C>) => Rendered };

const RECOVER = 'Run tuf-depot recover generation, which says what to do.';
const ACKNOWLEDGED = 'the latest releases, deletions and target releases that were acknowledged';

const renderers: Renderers = {
  NOT_YET_LOOKED: reason => ({ message: notYetLooked(reason) }),
  NEXUS_STARTING: ({ error }) => ({
    message:
      error === undefined
        ? 'This Nexus is starting. It reads the database and its staging directory.'
        : `This Nexus is starting. It waits for the database: ${quoted(error)}`,
  }),
  UPLOAD_WAITING: ({ uploadId, fileName, stage, error, untilMs }) => ({
    message: sentences(
      `Upload ${uploadId} (${fileName}) is ${STAGE_DONE[stage]} and waits for the database: ${quoted(error)}`,
      untilMs === undefined
        ? 'It may be recorded already. This Nexus keeps the archive until the database answers.'
        : `This Nexus gives it up at ${timeText(untilMs)}.`,
    ),
    remedy: 'Start the database or make it reachable. The upload continues by itself.',
  }),
  DATABASE_UNAVAILABLE: reason => databaseUnavailable(reason),
  REPLICATION_ERROR: ({ because, error }) => ({
    message:
      because === 'round_failed'
        ? `The last round of replication failed: ${quoted(error)}`
        : `A change could not start a round of replication: ${quoted(error)} Rounds still start periodically.`,
  }),
  REPLICATION_PAUSED: () => ({
    message:
      'The setting tuf_artifact_replication.disable is on, so rounds run only after changes or by hand.',
    remedy: 'Remove the setting, or run tuf-depot task activate tuf_artifact_replication.',
  }),
  RELEASE_REPLICATING: reason => ({
    message: sentences(
      `Release ${reason.systemVersion} has ${reason.copiesHeld} of ${plural(reason.copiesWanted, 'copy', 'copies')}. All of it is on ${reason.sledsHoldingAll} of ${plural(reason.sleds, 'sled')}.`,
      // What keeps a release from complete although every sled holds it.
      reason.sledsHoldingAllFully < reason.sledsHoldingAll
        ? `On ${reason.sledsHoldingAllFully} of these every dataset has it.`
        : undefined,
    ),
  }),
  RELEASE_BLOCKED: ({ systemVersion, artifacts, sha256, holder }) => ({
    message: `Release ${systemVersion}: ${noCopy(artifacts, 'no reachable copy', sha256)} ${HOLDERS[holder].message}`,
    remedy: HOLDERS[holder].remedy,
  }),
  RELEASE_FAILED: ({ systemVersion, artifacts, sha256 }) => ({
    message: `Release ${systemVersion}: ${noCopy(artifacts, 'no copy on any sled or in any Nexus', sha256)}`,
    remedy: 'Upload the same archive again.',
  }),
  RELEASE_WITHHELD: reason => ({
    message: sentences(
      `Release ${reason.systemVersion}: ${plural(reason.artifacts, 'artifact is', 'artifacts are')} withheld by ${plural(reason.sleds, 'sled')} (${listed(reason.serials, 5)}), for example artifact ${shortHash(reason.sha256)}. ${WITHHELD[reason.because].message}`,
      reason.error === undefined ? undefined : `One of these sleds answers: ${quoted(reason.error)}`,
    ),
    remedy: WITHHELD[reason.because].remedy?.replaceAll('VERSION', reason.systemVersion),
  }),
  SLED_STORES_UNSIGNED: ({ serial }) => ({
    message: `Sled ${serial} stores and serves whatever Nexus sends: require_signed = false is in its configuration, or it knows trust roots by the word of a Nexus alone.`,
    remedy:
      'In [trust] of its sled-agent.toml, remove require_signed = false if it is there, and name admin_key_files or root_files; then restart its agent.',
  }),
  TOO_FEW_SLEDS: ({ sledsInService, minSledReplication }) => ({
    message: `Only ${plural(sledsInService, 'sled is', 'sleds are')} in service. No release can become safe on fewer than ${minSledReplication} (min_sled_replication).`,
    remedy: 'Add sleds.',
  }),
  SLED_UNREACHABLE: ({ serial, error }) => ({
    message: `Sled ${serial} does not answer: ${quoted(error)}`,
    remedy: `Start its agent. If the sled is gone for good, run tuf-depot sled set-policy ${serial} expunged.`,
  }),
  SLED_BAD_ANSWER: ({ serial, error }) => ({
    message: `Sled ${serial} sent an invalid answer: ${quoted(error)}`,
    remedy: 'Check what listens at its address, and which version of the agent it is.',
  }),
  SLED_OTHER_IDENTITY: ({ serial, error }) => ({
    message: `The process at the address of sled ${serial} does not prove to be this sled: ${quoted(error)}`,
    remedy:
      'Check that the address belongs to the sled, and that both have certificates of the same authority that are valid now: tuf-depot identity show FILE.',
  }),
  SLED_REFUSES: ({ serial, error, errorCode }) => ({
    message: `Sled ${serial} answered with the error ${errorCode}: ${quoted(error)}`,
  }),
  SLED_AHEAD: ({ serial, claim, error }) => ({
    message: sentences(
      `Sled ${serial} holds the config of generation ${claim.generation}, which is not that of this round.`,
      error === undefined ? undefined : `It answered: ${quoted(error)}`,
      'The next round reads the database again.',
    ),
  }),
  SLED_NEEDS_STATEMENT: ({ serial, claim, error }) => ({
    message: sentences(
      `Sled ${serial} holds the config of point ${shortPoint(claim)}, which the database once did not know, and keeps it until a person has accepted that point.`,
      error === undefined ? undefined : `It answered: ${quoted(error)}`,
    ),
    remedy: `If a recovery decided on what this point lists, run tuf-depot statement sign accept-points ${pointText(claim)} with the admin key. The sled then deletes what no release lists.`,
  }),
  SLED_DIVERGED: ({ serial, claim, database, takesConfigs }) => ({
    message: sentences(
      `Sled ${serial} holds the config of point ${shortPoint(claim)}, which the database does not know.`,
      `The database is at point ${shortPoint(database)}.`,
      takesConfigs
        ? 'Until a recovery the sled keeps its artifacts and takes no config that lists fewer.'
        : 'Until a recovery the sled receives no config.',
    ),
    remedy: RECOVER,
  }),
  SLED_KEEPS_POINTS: ({ serial, points }) => ({
    message: `Sled ${serial} keeps the artifacts of ${plural(points.length, 'config')} of another history: ${listed(points.map(shortPoint))}.`,
    remedy: RECOVER,
  }),
  SLED_BYTES_DIFFER: ({ serial, sha256 }) => ({
    message: `Sled ${serial} lists artifact ${shortHash(sha256)}, but serves other bytes than those of the archive.`,
    remedy: `Check the disks of the sled. Until it is repaired, run tuf-depot sled set-policy ${serial} expunged.`,
  }),
  SLED_WRITES_PAUSED: ({ serial, error }) => ({
    message: `Sled ${serial} takes no writes now: ${quoted(error)}`,
  }),
  DATASET_FAULT: ({ serial, path, state, error }) => ({
    message: `Sled ${serial}: dataset ${path} is ${spaced(state)}${error === undefined ? '.' : `: ${quoted(error)}`}`,
    remedy:
      state === 'full'
        ? 'Delete a release that is no longer needed, or give what the message says is used up: raise limits.quota_bytes of the sled agent, or free bytes or inodes on its file system.'
        : 'Check the disk, and mount, repair or replace it.',
  }),
  TRANSFER_FAILED: ({ serial, sha256, transfers, error, sources }) => ({
    message: `Sled ${serial}: ${plural(transfers, 'transfer')} failed and will be retried. The last error of artifact ${shortHash(sha256)} was: ${quoted(error)}${failedSources(sources)}`,
    ...(sources !== undefined && {
      remedy: `Check the ${plural(sources.length, 'sled')} that it names, or upload the archive again: then Nexus sends it.`,
    }),
  }),
  DELETION_DEFERRED: ({ serial, sha256, artifacts, why }) => ({
    message: `Sled ${serial} keeps ${plural(artifacts, 'artifact')} that no release lists. Artifact ${shortHash(sha256)}: ${quoted(why)}`,
  }),
  DELETION_WAITING: ({ serial, artifacts, sizeBytes, remainingMs }) => ({
    message: `Sled ${serial} keeps ${plural(artifacts, 'artifact')} that no release lists (${plural(sizeBytes, 'byte')}). It deletes the first of them in ${duration(remainingMs)}. Until then a release that lists it takes it back without a transfer.`,
  }),
  DELETION_LIMITED: ({ serial, artifacts, sizeBytes, remainingMs }) => ({
    message: `Sled ${serial} keeps ${plural(artifacts, 'artifact')} that no release lists (${plural(sizeBytes, 'byte')}): to delete them would take more than the sled deletes of its bytes within a day. It deletes the first of them in ${duration(remainingMs)}.`,
    remedy: `If they are still needed, upload their releases again: no byte is sent. If they are not, run tuf-depot sled-agent allow-deletion --config FILE --apply on sled ${serial}, or with the admin key, for every sled, tuf-depot deletions allow; or wait.`,
  }),
  COPY_QUARANTINED: ({ serial, sha256, copies, why }) => ({
    message: `Sled ${serial} quarantined ${plural(copies, 'copy', 'copies')} for which it has no replacement yet. The last one is of artifact ${shortHash(sha256)}: ${quoted(why)}`,
  }),
  COPY_REPLACED: ({ serial, sha256, copies, why }) => ({
    message: `Sled ${serial} keeps ${plural(copies, 'quarantined copy', 'quarantined copies')} as evidence. Nothing is missing: each was replaced, or no release lists its artifact any more. The last one is of artifact ${shortHash(sha256)}: ${quoted(why)}`,
    remedy: 'Check the disk if there are several. Remove the files from quarantine/ of the dataset.',
  }),
  SLED_PENDING: ({ sledId, serial, address }) => ({
    message: `Sled ${serial} (${sledId}) at ${address} has a certificate of this fleet and a config, and the database does not know it. It keeps its artifacts, receives nothing, and does not count.`,
    remedy: `If a restored database has forgotten it, run tuf-depot sled approve ${sledId}. If not, find out who has its key: tuf-depot sled list --pending.`,
  }),
  NEXUS_SILENT: ({ nexusId, heartbeatAgeMs, localRepos }) => ({
    message: sentences(
      `Nexus ${nexusId} has sent no heartbeat for ${seconds(heartbeatAgeMs)}.`,
      localRepos === 0 ? undefined : `It holds ${plural(localRepos, 'local repo')}.`,
    ),
    remedy: `Start it. If it is gone for good, run tuf-depot nexus expunge ${nexusId}.`,
  }),
  NEXUS_EXPUNGED: () => ({
    message: 'This Nexus is expunged. Its archives do not count as copies.',
    remedy:
      'Stop it. Start it as a new Nexus: with an empty staging directory and a new certificate (tuf-depot nexus invite, or tuf-depot identity issue nexus into a new directory).',
  }),
  ARCHIVE_RECORDED_AGAIN: ({ systemVersion, uploadId }) => ({
    message: `Release ${systemVersion} had been recorded and the database had lost it. This Nexus recorded its archive again (upload ${uploadId}). This reason ends when this Nexus restarts.`,
    remedy: 'If a backup was restored, check whether other releases are missing.',
  }),
  ARCHIVE_KEPT: ({ uploadId, because, error }) => ({
    message: `Enough sleds list all artifacts of the archive of upload ${uploadId}, but this Nexus keeps it: ${KEPT_BECAUSE[because]}${error === undefined ? '' : `: ${quoted(error).slice(0, -1)}`}.`,
    ...(because === 'sleds_unproven' && {
      remedy: 'The log of this Nexus names the sleds that could not be checked, and why. Check them.',
    }),
  }),
  ARCHIVE_NOT_SERVED: reason => archiveNotServed(reason),
  SOURCE_REFUSED: ({ source, error }) => ({
    message: `Source ${source} does not verify: ${quoted(error)}`,
    remedy: 'Correct the repository, or the trust in it.',
  }),
  SOURCE_FAILED: ({ source, error }) => ({ message: `Source ${source} cannot be read: ${quoted(error)}` }),
  NO_TRUST_ROOT: () => ({
    message: 'No trust root is known: no release can be uploaded or fetched.',
    remedy:
      'Add the root of the signers: tuf-depot trust-root add FILE, with a root.json or an archive of theirs.',
  }),
  METADATA_EXPIRING: ({ systemVersion, role, withinDays }) => ({
    message: `Release ${systemVersion}: its ${role} metadata expires within ${plural(withinDays, 'day')}.`,
  }),
  METADATA_EXPIRED: ({ systemVersion, role }) => ({
    message: `Release ${systemVersion}: its ${role} metadata has expired. The release stays deployable.`,
  }),
  ROOT_EXPIRING: reason => rootExpiring(reason),
  ROOT_EXPIRES_SOON: reason => rootExpiring(reason),
  ROOT_EXPIRED: ({ trustRootId, rootVersion }) => ({
    message: `Trust root ${trustRootId} (root version ${rootVersion}) has expired. No new release can be verified under it.`,
    remedy: RENEW_ROOT,
  }),
  DATABASE_MAY_LOSE_COMMITS: reason => mayLoseCommits(reason),
  DATABASE_PLAIN_TEXT: ({ hosts }) => ({
    message: `The database is reached without TLS at ${hosts.join(', ')}. Passwords and statements can be read and changed on the way.`,
    remedy: 'Set sslmode=verify-full and sslrootcert in database.url.',
  }),
  CERTIFICATE_EXPIRING: reason => certificate(reason, 'expires', 'Then it is out of the fleet.'),
  CERTIFICATE_EXPIRES_SOON: reason => certificate(reason, 'expires soon', 'Then it is out of the fleet.'),
  CERTIFICATE_EXPIRED: reason => certificate(reason, 'has expired', 'No process accepts it.'),
  OPERATOR_TOKENS_STALE: ({ error, readAgeMs, maxAgeMs }) => ({
    message: `The tokens of operators were read ${seconds(readAgeMs)} ago, and revocations since then are not known: ${quoted(error)}`,
    remedy: `Restore the database. From an age of ${seconds(maxAgeMs)} on only break-glass tokens count.`,
  }),
  AUDIT_LOG_CONTRADICTED: ({ sleds, exampleSled }) => ({
    message: `The audit log lacks a head that ${plural(sleds, 'sled keeps', 'sleds keep')}, for example ${exampleSled}: entries were removed or written anew, or the database was restored from a backup.`,
    remedy:
      'Run tuf-depot audit verify, which names the entries. After a restore, the entry of recover generation --apply explains them.',
  }),
  SLEDS_PLAIN: ({ sleds, exampleSerial }) => ({
    message: `The fleet has ${plural(sleds, 'sled that has no identity and speaks', 'sleds that have no identity and speak')} plain HTTP, for example ${exampleSerial}. Any machine on their network can read and change what they and a Nexus send each other.`,
    remedy: 'Let them join: tuf-depot sled invite --sled ID, then tuf-depot sled-agent join on the machine.',
  }),
  PLAIN_LISTEN: ({ address }) => ({
    message: `The setting plain_listen is on: sleds without an identity, which an admin approved, register at ${address}.`,
    remedy: 'Remove plain_listen once no sled speaks plain HTTP.',
  }),
  DEBUG_LISTEN: ({ address }) => ({
    message: `The setting debug.plain_listen is on: whatever reaches ${address} reads the state of background tasks, and the update status, without a token.`,
    remedy: 'Remove debug.plain_listen, and restart this Nexus, when no debugger reads it any more.',
  }),
};

export const renderReason = (reason: HealthReason): Rendered =>
  (renderers[reason.code] as (reason: HealthReason) => Rendered)(reason);

const STAGE_DONE = {
  receiving: 'received',
  verifying: 'received but not yet verified',
  recording: 'received and verified',
} as const satisfies Record<HealthReason<'UPLOAD_WAITING'>['stage'], string>;

/** What is done of an upload in this stage. */
export const stageDone = (stage: keyof typeof STAGE_DONE): string => STAGE_DONE[stage];

const notYetLooked = (reason: HealthReason<'NOT_YET_LOOKED'>): string => {
  switch (reason.because) {
    case 'just_started':
      return 'This Nexus has just started and has not asked the sleds yet.';
    case 'older_generation':
      return `The database is at generation ${reason.databaseGeneration}. The sleds were last asked at generation ${reason.observedGeneration}.`;
    case 'release_recorded':
      return `Release ${reason.systemVersion} was recorded after this Nexus last asked the sleds.`;
    case 'archive_uploaded':
      return `Release ${reason.systemVersion}: its archive was uploaded after this Nexus last asked the sleds.`;
    default:
      return reason satisfies never;
  }
};

const databaseUnavailable = (reason: HealthReason<'DATABASE_UNAVAILABLE'>): Rendered => {
  if (reason.because === 'commits_unanswered')
    return {
      message: `The database answers, but has recorded no heartbeat of this Nexus for ${seconds(reason.heartbeatAgeMs)}: its commits are not answered. A synchronous standby may be away.`,
      remedy: 'Start the standby, or name another one in synchronous_standby_names.',
    };
  return {
    message: sentences(
      `The database is unavailable: ${quoted(reason.error)}`,
      asOf(reason),
      'Sleds continue to serve. Received uploads wait. New uploads and other changes are refused.',
    ),
    remedy: 'Start the database or make it reachable. Nexus continues by itself.',
  };
};

const asOf = (
  reason: Exclude<HealthReason<'DATABASE_UNAVAILABLE'>, { because: 'commits_unanswered' }>,
): string => {
  if (reason.because === 'no_answer_for_release')
    return `The release is shown as the sleds answered at ${timeText(reason.observedMs)}.`;
  return reason.readAgeMs === undefined
    ? 'This Nexus has not read it since its start, so the status knows nothing from it.'
    : `What the status has from it was read ${seconds(reason.readAgeMs)} ago.`;
};

const noCopy = (artifacts: number, what: string, sha256: HealthReason<'RELEASE_FAILED'>['sha256']): string =>
  artifacts === 1
    ? `artifact ${shortHash(sha256)} has ${what}.`
    : `${artifacts} artifacts have ${what}, such as ${shortHash(sha256)}.`;

const HOLDERS: Readonly<Record<HealthReason<'RELEASE_BLOCKED'>['holder'], Rendered>> = {
  this_nexus: { message: 'This Nexus holds the archive, and sends it from its next round on.' },
  another_nexus: { message: 'Another Nexus holds the archive, and sends it.' },
  silent_nexus: {
    message: 'A Nexus that sends no heartbeats holds the archive.',
    remedy: 'Start that Nexus, or upload the archive again.',
  },
  unreachable_sleds: {
    message: 'Unreachable sleds might have copies.',
    remedy: 'Bring these sleds back, or upload the archive again.',
  },
};

const WITHHELD: Readonly<Record<HealthReason<'RELEASE_WITHHELD'>['because'], Rendered>> = {
  missing: { message: 'These sleds do not have its metadata yet. Nexus sends it in the next round.' },
  refused: {
    message: 'No trust root of these sleds vouches for its metadata.',
    remedy:
      'If its signer is to be trusted, add the root (tuf-depot trust-root add), or have the release signed anew and upload it. To accept this release alone: tuf-depot repo exempt VERSION.',
  },
  signature_scheme: {
    message:
      'Its signatures are of the scheme RSASSA-PKCS1-v1_5, which these sleds do not accept: each sled judges by its own configuration, whatever Nexus accepts.',
    remedy:
      'Have the release signed by keys of another scheme and upload it. To accept this scheme: accept_rsa_pkcs1v15 = true in [trust] of the sled-agent.toml of each of these sleds; then restart its agent (SECURITY.md says what that means). To accept this release alone: tuf-depot repo exempt VERSION.',
  },
  unexempted: {
    message:
      'No signature covers these artifacts: they are parts of composite artifacts, or the release was recorded without its metadata. Nobody has exempted it.',
    remedy:
      'If you know the release, confirm it once: tuf-depot repo exempt VERSION. If it was recorded by an earlier version of Nexus, uploading its archive again brings its metadata. If you do not know it, find out who recorded it, and delete it.',
  },
  unlisted: {
    message: 'Its verified metadata does not list them: the database was changed, or restored in part.',
    remedy: 'Find out who changed the database. Delete the release and upload its archive again.',
  },
  no_bundle: {
    message: 'The database has nothing that vouches for the release.',
    remedy: 'Upload its archive again.',
  },
};

const ARCHIVE_LACKS = {
  sidecar_unreadable: 'Its sidecar cannot be read.',
  sidecar_gone: 'Its sidecar is gone.',
  parts_gone: 'The parts of its composite artifacts are gone.',
} as const;

const KEPT_BECAUSE: Readonly<Record<HealthReason<'ARCHIVE_KEPT'>['because'], string>> = {
  sleds_unproven: 'too few of them returned the right bytes when it checked them',
  generation_changed: 'the wanted set changes faster than sleds list it',
  set_changed: 'the wanted set changes faster than sleds list it',
  round_lost: 'the database has lost the mark of each round so far',
  row_lost: 'the database does not list it',
  drop_failed: 'it could not be dropped',
};

const archiveNotServed = (reason: HealthReason<'ARCHIVE_NOT_SERVED'>): Rendered => {
  const { path, uploadId } = reason;
  switch (reason.because) {
    case 'record_refused':
      return {
        message: `Archive ${path} had been recorded, the database has lost it, and it cannot be recorded again: ${quoted(reason.error)} The archive is kept but not served.`,
        remedy: `Correct the cause and start this Nexus again. Or upload the file again and remove the files of upload ${uploadId}.`,
      };
    case 'record_delayed':
      return {
        message: `Archive ${path} had been recorded, the database has lost it, and it could not be recorded again yet: ${quoted(reason.error)} This Nexus retries.`,
      };
    case 'sidecar_unreadable':
    case 'sidecar_gone':
    case 'parts_gone':
      return {
        message: `Archive ${path} is kept but not served. ${ARCHIVE_LACKS[reason.because]}`,
        remedy: `Upload the same archive again, then remove the files of upload ${uploadId}.`,
      };
    default:
      return reason satisfies never;
  }
};

const RENEW_ROOT = 'Have its signers sign a newer root. Upload it, or a release that contains it.';

const certificate = (
  {
    process,
    expiresMs,
    processes,
  }: HealthReason<'CERTIFICATE_EXPIRING' | 'CERTIFICATE_EXPIRES_SOON' | 'CERTIFICATE_EXPIRED'>,
  verb: string,
  consequence: string,
): Rendered => {
  const others = processes === 1 ? '' : `, and ${plural(processes - 1, 'other')},`;
  return {
    message: `The certificate of ${process}${others} ${verb}: at ${timeText(expiresMs)}. ${consequence}`,
    remedy:
      'Issue a certificate for the same name, and replace the file; the process reads it within seconds.',
  };
};

const rootExpiring = (reason: HealthReason<'ROOT_EXPIRING' | 'ROOT_EXPIRES_SOON'>): Rendered => ({
  message: `Trust root ${reason.trustRootId} (root version ${reason.rootVersion}) expires within ${plural(reason.withinDays, 'day')}.`,
  remedy: RENEW_ROOT,
});

const mayLoseCommits = (reason: HealthReason<'DATABASE_MAY_LOSE_COMMITS'>): Rendered => {
  const { because, standbys, hosts, standbysNeeded } = reason;
  if (because === 'asynchronous_commit')
    return {
      message: `The setting synchronous_commit is off, so a crash of the database may lose ${ACKNOWLEDGED}.`,
      remedy: 'Set synchronous_commit to on.',
    };
  const has =
    standbys > 0 ? plural(standbys, 'standby', 'standbys') : `${plural(hosts, 'host')} in database.url`;
  return {
    message: `The database has ${has}, but ${whyNotDurable(reason, because)}. A failover may lose ${ACKNOWLEDGED}.`,
    remedy: `Set synchronous_standby_names, for example to 'ANY ${standbysNeeded} (*)', and synchronous_commit to on.`,
  };
};

const whyNotDurable = (
  { synchronousCommit, standbysWaitedFor, standbysNeeded }: HealthReason<'DATABASE_MAY_LOSE_COMMITS'>,
  because: Exclude<HealthReason<'DATABASE_MAY_LOSE_COMMITS'>['because'], 'asynchronous_commit'>,
): string => {
  switch (because) {
    case 'no_standby_named':
      return 'synchronous_standby_names is empty, so no commit waits for a standby';
    case 'commit_not_on_standby':
      return synchronousCommit === 'remote_write'
        ? 'synchronous_commit is remote_write, so no commit waits until a standby has it on disk'
        : `synchronous_commit is ${synchronousCommit}, so no commit waits for a standby`;
    case 'too_few_standbys':
      return `a commit waits for ${plural(standbysWaitedFor, 'standby', 'standbys')} only, where ${standbysNeeded} and the primary are a majority`;
    default:
      return because satisfies never;
  }
};
