/**
 * The datastore over a server that speaks PostgreSQL's protocol. The ports (ports/) have the contract of each verb; each
 * verb is one transaction (transactions.ts) in its own file (verbs/).
 */
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { sqlEngine } from './attempt.ts';
import { createSqlPool, type SILENCE_LIMIT_MS, type SqlPool } from './connection.ts';
import { requireDatabaseTarget } from './database-url.ts';
import type { Datastore } from './datastore.ts';
import { readSchemaVersion, requireSchemaVersion } from './schema-version.ts';
import { classifySqlError, refused } from './sql-errors.ts';
import { withStorableTexts } from './storable-text.ts';
import { unavailable } from './transaction-errors.ts';
import { createTransactions, type Transactions } from './transactions.ts';
import { auditAppend } from './verbs/audit/audit-append.ts';
import { auditHead } from './verbs/audit/audit-head.ts';
import { auditList } from './verbs/audit/audit-list.ts';
import { commitDurability } from './verbs/durability/commit-durability.ts';
import { fleetEventBounds } from './verbs/history/fleet-event-bounds.ts';
import { fleetEventInsert } from './verbs/history/fleet-event-insert.ts';
import { fleetEventList } from './verbs/history/fleet-event-list.ts';
import { fleetEventTrim } from './verbs/history/fleet-event-trim.ts';
import { invitationCreate } from './verbs/invitations/invitation-create.ts';
import { invitationEnd } from './verbs/invitations/invitation-end.ts';
import { invitationList } from './verbs/invitations/invitation-list.ts';
import { isKeyDenied, keyDenialList } from './verbs/invitations/key-denials.ts';
import { keyDeny } from './verbs/invitations/key-deny.ts';
import { nexusInvitationCreate } from './verbs/invitations/nexus-invitation-create.ts';
import { nexusInvitationEnd } from './verbs/invitations/nexus-invitation-end.ts';
import { nexusInvitationList } from './verbs/invitations/nexus-invitation-list.ts';
import { nexusJoin } from './verbs/invitations/nexus-join.ts';
import { nexusStanding } from './verbs/invitations/nexus-standing.ts';
import { sledJoin } from './verbs/invitations/sled-join.ts';
import { sledKeyGet } from './verbs/invitations/sled-key-get.ts';
import { localRepoDrop } from './verbs/local-repos/local-repo-drop.ts';
import { localRepoForget } from './verbs/local-repos/local-repo-forget.ts';
import { localRepoList } from './verbs/local-repos/local-repo-list.ts';
import { nexusBeginRound } from './verbs/nexuses/nexus-begin-round.ts';
import { nexusExpunge } from './verbs/nexuses/nexus-expunge.ts';
import { nexusHeartbeat } from './verbs/nexuses/nexus-heartbeat.ts';
import { nexusList } from './verbs/nexuses/nexus-list.ts';
import { operatorTokenCreate } from './verbs/operators/operator-token-create.ts';
import { operatorTokenList } from './verbs/operators/operator-token-list.ts';
import { operatorTokenRevoke } from './verbs/operators/operator-token-revoke.ts';
import { operatorTokensUsed } from './verbs/operators/operator-tokens-used.ts';
import { generationRaise } from './verbs/recovery/generation-raise.ts';
import { artifactRoles } from './verbs/releases/artifact-roles.ts';
import { artifactsKnown } from './verbs/releases/artifacts-known.ts';
import { bundleExempt } from './verbs/releases/bundle-exempt.ts';
import { bundleGaps } from './verbs/releases/bundle-gaps.ts';
import { bundleGet } from './verbs/releases/bundle-get.ts';
import { bundleInsert } from './verbs/releases/bundle-insert.ts';
import { bundleOfRepo } from './verbs/releases/bundle-of-repo.ts';
import { prefixDigests } from './verbs/releases/prefix-digests.ts';
import { releaseFollowed, releasesFollowed } from './verbs/releases/release-followed.ts';
import { releaseInsert } from './verbs/releases/release-insert.ts';
import { releaseRoles } from './verbs/releases/release-roles.ts';
import { repoArtifacts } from './verbs/releases/repo-artifacts.ts';
import { repoGetByHash } from './verbs/releases/repo-get-by-hash.ts';
import { repoGetByVersion } from './verbs/releases/repo-get-by-version.ts';
import { repoList } from './verbs/releases/repo-list.ts';
import { repoPrune } from './verbs/releases/repo-prune.ts';
import { revocationList } from './verbs/revocations/revocation-list.ts';
import { sledAdmit } from './verbs/sleds/sled-admit.ts';
import { sledForget } from './verbs/sleds/sled-forget.ts';
import { sledGet } from './verbs/sleds/sled-get.ts';
import { sledList } from './verbs/sleds/sled-list.ts';
import { sledPlainAddress } from './verbs/sleds/sled-plain-address.ts';
import { sledSetPolicy } from './verbs/sleds/sled-set-policy.ts';
import { sledSetTransport } from './verbs/sleds/sled-set-transport.ts';
import { sledUpsert } from './verbs/sleds/sled-upsert.ts';
import { statementInsert } from './verbs/statements/statement-insert.ts';
import { statementList } from './verbs/statements/statement-list.ts';
import { targetReleaseGet } from './verbs/target-release/target-release-get.ts';
import { targetReleaseRecent } from './verbs/target-release/target-release-recent.ts';
import { targetReleaseSet } from './verbs/target-release/target-release-set.ts';
import { trustRootAdvance } from './verbs/trust-roots/trust-root-advance.ts';
import { trustRootChain } from './verbs/trust-roots/trust-root-chain.ts';
import { trustRootDelete } from './verbs/trust-roots/trust-root-delete.ts';
import { trustRootGet } from './verbs/trust-roots/trust-root-get.ts';
import { trustRootInsert } from './verbs/trust-roots/trust-root-insert.ts';
import { trustRootList } from './verbs/trust-roots/trust-root-list.ts';
import { currentGeneration } from './verbs/wanted-set/current-generation.ts';
import { generationMend } from './verbs/wanted-set/generation-mend.ts';
import { pointsRecorded } from './verbs/wanted-set/points-recorded.ts';
import { wantedSet } from './verbs/wanted-set/wanted-set.ts';

export type PgDatastoreOptions = {
  /** A PostgreSQL URL: of a server, or of a socket as `startEmbeddedPostgres` gives it. */
  readonly connection: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Ends the opening; afterwards it has no effect. */
  readonly signal: AbortSignal;
  /** For tests: instead of {@link SILENCE_LIMIT_MS}. */
  readonly silenceLimitMs?: number;
};

/** A restart, or a planned switchover, mostly takes less; a caller with more patience retries. */
const RETRY_FOR_MS = 2_000;

/**
 * Opens the datastore. The pool is its own and ends with it.
 *
 * @throws `SCHEMA_VERSION` when the database was not migrated to this version; `DATABASE_UNAVAILABLE`; `CONFIG_INVALID`
 */
export const createPgDatastore = async (options: PgDatastoreOptions): Promise<Datastore> => {
  const { log, clock, rng, signal } = options;
  const target = requireDatabaseTarget(options.connection);
  await using opening = new AsyncDisposableStack();
  const pool = opening.use(createSqlPool(target, options));
  const transactions = createTransactions({
    engine: sqlEngine(pool),
    log,
    clock,
    rng,
    retryForMs: RETRY_FOR_MS,
  });
  signal.throwIfAborted();
  try {
    requireSchemaVersion(await schemaVersionOf(pool, { signal }));
  } catch (error) {
    signal.throwIfAborted();
    throw classifySqlError(error) === 'refused' ? refused('open', error) : unavailable('open', error);
  }
  const owned = opening.move();
  return withStorableTexts({
    ...verbsOver(transactions),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  });
};

const verbsOver = (transactions: Transactions): Omit<Datastore, typeof Symbol.asyncDispose> => ({
  trustRootInsert: trustRootInsert(transactions),
  trustRootGet: trustRootGet(transactions),
  trustRootList: trustRootList(transactions),
  trustRootChain: trustRootChain(transactions),
  trustRootAdvance: trustRootAdvance(transactions),
  trustRootDelete: trustRootDelete(transactions),
  releaseInsert: releaseInsert(transactions),
  bundleInsert: bundleInsert(transactions),
  bundleGaps: bundleGaps(transactions),
  bundleGet: bundleGet(transactions),
  bundleOfRepo: bundleOfRepo(transactions),
  bundleExempt: bundleExempt(transactions),
  repoList: repoList(transactions),
  repoGetByVersion: repoGetByVersion(transactions),
  repoGetByHash: repoGetByHash(transactions),
  releaseRoles: releaseRoles(transactions),
  repoArtifacts: repoArtifacts(transactions),
  prefixDigests: prefixDigests(transactions),
  repoPrune: repoPrune(transactions),
  releaseFollowed: releaseFollowed(transactions),
  releasesFollowed: releasesFollowed(transactions),
  commitDurability: commitDurability(transactions),
  wantedSet: wantedSet(transactions),
  currentGeneration: currentGeneration(transactions),
  pointsRecorded: pointsRecorded(transactions),
  generationRaise: generationRaise(transactions),
  generationMend: generationMend(transactions),
  artifactRoles: artifactRoles(transactions),
  artifactsKnown: artifactsKnown(transactions),
  localRepoList: localRepoList(transactions),
  localRepoDrop: localRepoDrop(transactions),
  localRepoForget: localRepoForget(transactions),
  sledUpsert: sledUpsert(transactions),
  sledAdmit: sledAdmit(transactions),
  sledGet: sledGet(transactions),
  sledList: sledList(transactions),
  sledSetPolicy: sledSetPolicy(transactions),
  sledSetTransport: sledSetTransport(transactions),
  sledPlainAddress: sledPlainAddress(transactions),
  sledForget: sledForget(transactions),
  nexusHeartbeat: nexusHeartbeat(transactions),
  nexusBeginRound: nexusBeginRound(transactions),
  nexusList: nexusList(transactions),
  nexusExpunge: nexusExpunge(transactions),
  targetReleaseGet: targetReleaseGet(transactions),
  targetReleaseSet: targetReleaseSet(transactions),
  targetReleaseRecent: targetReleaseRecent(transactions),
  fleetEventInsert: fleetEventInsert(transactions),
  fleetEventList: fleetEventList(transactions),
  fleetEventBounds: fleetEventBounds(transactions),
  fleetEventTrim: fleetEventTrim(transactions),
  operatorTokenList: operatorTokenList(transactions),
  operatorTokenCreate: operatorTokenCreate(transactions),
  operatorTokenRevoke: operatorTokenRevoke(transactions),
  operatorTokensUsed: operatorTokensUsed(transactions),
  invitationCreate: invitationCreate(transactions),
  invitationList: invitationList(transactions),
  invitationEnd: invitationEnd(transactions),
  sledJoin: sledJoin(transactions),
  sledKeyGet: sledKeyGet(transactions),
  keyDeny: keyDeny(transactions),
  keyDenialList: keyDenialList(transactions),
  isKeyDenied: isKeyDenied(transactions),
  nexusInvitationCreate: nexusInvitationCreate(transactions),
  nexusInvitationList: nexusInvitationList(transactions),
  nexusInvitationEnd: nexusInvitationEnd(transactions),
  nexusJoin: nexusJoin(transactions),
  nexusStanding: nexusStanding(transactions),
  revocationList: revocationList(transactions),
  statementList: statementList(transactions),
  statementInsert: statementInsert(transactions),
  auditAppend: auditAppend(transactions),
  auditHead: auditHead(transactions),
  auditList: auditList(transactions),
});

const schemaVersionOf = async (pool: SqlPool, call: { signal: AbortSignal }): Promise<number> => {
  const { client, release } = await pool.acquire(call);
  let kept = false;
  try {
    const version = await readSchemaVersion(client);
    kept = true;
    return version;
  } finally {
    release(kept ? 'keep' : 'close');
  }
};
