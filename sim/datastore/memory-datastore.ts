/** The verbs of a datastore over a state in memory: each is one step, run by the retry loop of every datastore. */
import type { Datastore } from '../../src/nexus/datastore/datastore.ts';
import type { Transactions } from '../../src/nexus/datastore/transactions.ts';
import type { MemoryTransaction } from './attempt.ts';
import type { Query, Step } from './state.ts';
import { auditAppend, auditHead, auditList } from './verbs/audit-verbs.ts';
import { bundleExempt, bundleGaps, bundleGet, bundleInsert, bundleOfRepo } from './verbs/bundle-verbs.ts';
import { fleetEventBounds, fleetEventInsert, fleetEventList, fleetEventTrim } from './verbs/history-verbs.ts';
import {
  invitationCreate,
  invitationEnd,
  invitationList,
  isKeyDenied,
  keyDenialList,
  keyDeny,
  sledJoin,
  sledKeyGet,
} from './verbs/invitation-verbs.ts';
import { localRepoDrop, localRepoForget, localRepoList } from './verbs/local-repo-verbs.ts';
import {
  nexusInvitationCreate,
  nexusInvitationEnd,
  nexusInvitationList,
  nexusJoin,
  nexusStanding,
} from './verbs/nexus-invitation-verbs.ts';
import { nexusBeginRound, nexusExpunge, nexusHeartbeat, nexusList } from './verbs/nexus-verbs.ts';
import {
  operatorTokenCreate,
  operatorTokenList,
  operatorTokenRevoke,
  operatorTokensUsed,
} from './verbs/operator-token-verbs.ts';
import { prefixDigests } from './verbs/prefix-verbs.ts';
import { releaseInsert } from './verbs/release-insert.ts';
import { releaseRoles } from './verbs/release-roles.ts';
import {
  artifactRoles,
  artifactsKnown,
  releaseFollowed,
  releasesFollowed,
  repoArtifacts,
  repoGetByHash,
  repoGetByVersion,
  repoList,
  repoPrune,
} from './verbs/release-verbs.ts';
import { revocationList } from './verbs/revocation-verbs.ts';
import { sledAdmit, sledForget, sledGet, sledList, sledSetPolicy, sledUpsert } from './verbs/sled-verbs.ts';
import { statementInsert, statementList } from './verbs/statement-verbs.ts';
import { targetReleaseGet, targetReleaseRecent, targetReleaseSet } from './verbs/target-release-verbs.ts';
import { sledPlainAddress, sledSetTransport } from './verbs/transport-verbs.ts';
import {
  trustRootAdvance,
  trustRootChain,
  trustRootDelete,
  trustRootGet,
  trustRootInsert,
  trustRootList,
} from './verbs/trust-root-verbs.ts';
import {
  currentGeneration,
  generationMend,
  generationRaise,
  pointsRecorded,
} from './verbs/wanted-set-verbs.ts';
import { wantedSetOf } from './wanted.ts';

type Wait = { readonly signal: AbortSignal };
type Read = <T>(verb: string, query: Query<T>, wait: Wait) => Promise<T>;
type Write = <T>(verb: string, step: Step<T>, wait: Wait) => Promise<T>;

export const memoryDatastore = (transactions: Transactions<MemoryTransaction>): Datastore => {
  const read: Read = (verb, query, wait) =>
    transactions.read(verb, async transaction => transaction.query(query, { repeated: false }), wait);
  const write: Write = (verb, step, wait) =>
    transactions.write(verb, async (transaction, attempt) => transaction.apply(step, attempt), wait);
  return {
    trustRootInsert: (root, { audit, signal }) =>
      write('trust_root_insert', trustRootInsert(root, audit), { signal }),
    trustRootGet: (id, wait) => read('trust_root_get', trustRootGet(id), wait),
    trustRootList: async (page, wait) => read('trust_root_list', trustRootList(page), wait),
    trustRootChain: (id, wait) => read('trust_root_chain', trustRootChain(id), wait),
    trustRootAdvance: (id, move, { resigned, audit, signal }) =>
      write('trust_root_advance', trustRootAdvance(id, move, resigned, audit), { signal }),
    trustRootDelete: (id, { audit, signal }) =>
      write('trust_root_delete', trustRootDelete(id, audit), { signal }),
    releaseInsert: (release, { audit, signal }) =>
      write('release_insert', releaseInsert(release, audit), { signal }),
    ...bundleVerbs(read, write),
    repoList: async (page, wait) => read('repo_list', repoList(page), wait),
    repoGetByVersion: (version, { includePruned = false, ...wait }) =>
      read('repo_get_by_version', repoGetByVersion(version, includePruned), wait),
    repoGetByHash: (hash, wait) => read('repo_get_by_hash', repoGetByHash(hash), wait),
    releaseRoles: wait => read('release_roles', releaseRoles, wait),
    repoArtifacts: async (repoId, page, wait) => read('repo_artifacts', repoArtifacts(repoId, page), wait),
    prefixDigests: (hashes, wait) => read('prefix_digests', prefixDigests(hashes), wait),
    repoPrune: (version, { signal, ...options }) =>
      write('repo_prune', repoPrune(version, options), { signal }),
    releaseFollowed: (followed, wait) => write('release_followed', releaseFollowed(followed), wait),
    releasesFollowed: wait => read('releases_followed', releasesFollowed, wait),
    wantedSet: ({ claims, ...wait }) => read('wanted_set', state => wantedSetOf(state, claims), wait),
    commitDurability: async () => undefined,
    currentGeneration: wait => read('current_generation', currentGeneration, wait),
    pointsRecorded: (claims, wait) => read('points_recorded', pointsRecorded(claims), wait),
    generationRaise: (raise, { audit, signal }) =>
      write('generation_raise', generationRaise(raise, audit), { signal }),
    generationMend: (mend, wait) => write('generation_mend', generationMend(mend), wait),
    artifactRoles: (sha256, wait) => read('artifact_roles', artifactRoles(sha256), wait),
    artifactsKnown: (hashes, wait) => read('artifacts_known', artifactsKnown(hashes), wait),
    localRepoList: ({ nexusId, ...wait }) => read('local_repo_list', localRepoList(nexusId), wait),
    localRepoDrop: (drop, wait) => write('local_repo_drop', localRepoDrop(drop), wait),
    localRepoForget: (uploadId, nexusId, wait) =>
      write('local_repo_forget', localRepoForget(uploadId, nexusId), wait),
    sledUpsert: (id, info, { signal, ...from }) =>
      write('sled_upsert', sledUpsert(id, info, from), { signal }),
    sledGet: (id, wait) => read('sled_get', sledGet(id), wait),
    sledList: async (page, wait) => read('sled_list', sledList(page), wait),
    sledSetPolicy: (id, policy, { audit, signal }) =>
      write('sled_set_policy', sledSetPolicy(id, policy, audit), { signal }),
    sledAdmit: (id, sled, { audit, signal }) => write('sled_admit', sledAdmit(id, sled, audit), { signal }),
    sledSetTransport: (id, transport, { audit, signal }) =>
      write('sled_set_transport', sledSetTransport(id, transport, audit), { signal }),
    sledPlainAddress: (id, wait) => read('sled_plain_address', sledPlainAddress(id), wait),
    sledForget: (id, fleet, { audit, signal }) =>
      write('sled_forget', sledForget(id, fleet, audit), { signal }),
    nexusHeartbeat: (nexus, wait) => write('nexus_heartbeat', nexusHeartbeat(nexus), wait),
    nexusBeginRound: (id, nonce, wait) => write('nexus_begin_round', nexusBeginRound(id, nonce), wait),
    nexusList: wait => read('nexus_list', nexusList, wait),
    nexusExpunge: (id, aliveMs, { audit, signal }) =>
      write('nexus_expunge', nexusExpunge(id, aliveMs, audit), { signal }),
    targetReleaseGet: wait => read('target_release_get', targetReleaseGet, wait),
    targetReleaseSet: (set, { audit, signal }) =>
      write('target_release_set', targetReleaseSet(set, audit), { signal }),
    targetReleaseRecent: (count, wait) => read('target_release_recent', targetReleaseRecent(count), wait),
    fleetEventInsert: (events, wait) => write('fleet_event_insert', fleetEventInsert(events), wait),
    fleetEventList: async (filter, wait) => read('fleet_event_list', fleetEventList(filter), wait),
    fleetEventBounds: (keepCount, wait) => read('fleet_event_bounds', fleetEventBounds(keepCount), wait),
    fleetEventTrim: (trim, wait) => write('fleet_event_trim', fleetEventTrim(trim), wait),
    ...accessVerbs(read, write),
    [Symbol.asyncDispose]: async () => undefined,
  };
};

const bundleVerbs = (read: Read, write: Write) =>
  ({
    bundleInsert: (repoId, bundle, wait) => write('bundle_insert', bundleInsert(repoId, bundle), wait),
    bundleGaps: wait => read('bundle_gaps', bundleGaps, wait),
    bundleGet: (sha256, wait) => read('bundle_get', bundleGet(sha256), wait),
    bundleOfRepo: (repoId, wait) => read('bundle_of_repo', bundleOfRepo(repoId), wait),
    bundleExempt: (version, { audit, signal }) =>
      write('bundle_exempt', bundleExempt(version, audit), { signal }),
  }) satisfies Partial<Datastore>;

/** Who may act, who may join, and who did what. */
const accessVerbs = (read: Read, write: Write) =>
  ({
    operatorTokenList: wait => read('operator_token_list', operatorTokenList, wait),
    operatorTokenCreate: (token, { audit, signal }) =>
      write('operator_token_create', operatorTokenCreate(token, audit), { signal }),
    operatorTokenRevoke: (id, { audit, signal }) =>
      write('operator_token_revoke', operatorTokenRevoke(id, audit), { signal }),
    operatorTokensUsed: (ids, wait) => write('operator_tokens_used', operatorTokensUsed(ids), wait),
    invitationCreate: (invitation, { audit, signal }) =>
      write('invitation_create', invitationCreate(invitation, audit), { signal }),
    invitationList: wait => read('invitation_list', invitationList, wait),
    invitationEnd: (id, { audit, signal }) => write('invitation_end', invitationEnd(id, audit), { signal }),
    sledJoin: (request, { audit, signal }) => write('sled_join', sledJoin(request, audit), { signal }),
    sledKeyGet: (id, sha256, wait) => read('sled_key_get', sledKeyGet(id, sha256), wait),
    keyDeny: (sha256, { audit, signal }) => write('key_deny', keyDeny(sha256, audit), { signal }),
    keyDenialList: wait => read('key_denial_list', keyDenialList, wait),
    isKeyDenied: (sha256, wait) => read('is_key_denied', isKeyDenied(sha256), wait),
    nexusInvitationCreate: (invitation, { audit, signal }) =>
      write('nexus_invitation_create', nexusInvitationCreate(invitation, audit), { signal }),
    nexusInvitationList: wait => read('nexus_invitation_list', nexusInvitationList, wait),
    nexusInvitationEnd: (id, { audit, signal }) =>
      write('nexus_invitation_end', nexusInvitationEnd(id, audit), { signal }),
    nexusJoin: (request, { audit, signal }) => write('nexus_join', nexusJoin(request, audit), { signal }),
    nexusStanding: (id, wait) => read('nexus_standing', nexusStanding(id), wait),
    revocationList: wait => read('revocation_list', revocationList, wait),
    statementList: wait => read('statement_list', statementList, wait),
    statementInsert: (entry, { audit, signal }) =>
      write('statement_insert', statementInsert(entry, audit), { signal }),
    auditAppend: (origin, action, wait) => write('audit_append', auditAppend(origin, action), wait),
    auditHead: wait => read('audit_head', auditHead, wait),
    auditList: async (page, wait) => read('audit_list', auditList(page), wait),
  }) satisfies Partial<Datastore>;
