/**
 * The datastore over a server that speaks PostgreSQL's protocol. What each verb promises stands in datastore.ts; each is one
 * transaction (transactions.ts) in a file of its own.
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
import { artifactRoles } from './verbs/artifact-roles.ts';
import { artifactsKnown } from './verbs/artifacts-known.ts';
import { commitDurability } from './verbs/commit-durability.ts';
import { currentGeneration } from './verbs/current-generation.ts';
import { fleetEventBounds } from './verbs/fleet-event-bounds.ts';
import { fleetEventInsert } from './verbs/fleet-event-insert.ts';
import { fleetEventList } from './verbs/fleet-event-list.ts';
import { fleetEventTrim } from './verbs/fleet-event-trim.ts';
import { generationMend } from './verbs/generation-mend.ts';
import { generationRaise } from './verbs/generation-raise.ts';
import { localRepoDrop } from './verbs/local-repo-drop.ts';
import { localRepoForget } from './verbs/local-repo-forget.ts';
import { localRepoList } from './verbs/local-repo-list.ts';
import { nexusBeginRound } from './verbs/nexus-begin-round.ts';
import { nexusExpunge } from './verbs/nexus-expunge.ts';
import { nexusHeartbeat } from './verbs/nexus-heartbeat.ts';
import { nexusList } from './verbs/nexus-list.ts';
import { pointsRecorded } from './verbs/points-recorded.ts';
import { releaseInsert } from './verbs/release-insert.ts';
import { releaseRoles } from './verbs/release-roles.ts';
import { repoArtifacts } from './verbs/repo-artifacts.ts';
import { repoGetByHash } from './verbs/repo-get-by-hash.ts';
import { repoGetByVersion } from './verbs/repo-get-by-version.ts';
import { repoList } from './verbs/repo-list.ts';
import { repoPrune } from './verbs/repo-prune.ts';
import { sledGet } from './verbs/sled-get.ts';
import { sledList } from './verbs/sled-list.ts';
import { sledSetPolicy } from './verbs/sled-set-policy.ts';
import { sledUpsert } from './verbs/sled-upsert.ts';
import { targetReleaseGet } from './verbs/target-release-get.ts';
import { targetReleaseRecent } from './verbs/target-release-recent.ts';
import { targetReleaseSet } from './verbs/target-release-set.ts';
import { trustRootAdvance } from './verbs/trust-root-advance.ts';
import { trustRootChain } from './verbs/trust-root-chain.ts';
import { trustRootDelete } from './verbs/trust-root-delete.ts';
import { trustRootGet } from './verbs/trust-root-get.ts';
import { trustRootInsert } from './verbs/trust-root-insert.ts';
import { trustRootList } from './verbs/trust-root-list.ts';
import { wantedSet } from './verbs/wanted-set.ts';

export type PgDatastoreOptions = {
  /** A PostgreSQL URL: of a server, or of a socket as `startEmbeddedPostgres` gives it. */
  readonly connection: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Of the opening only. */
  readonly signal: AbortSignal;
  /** For tests: instead of {@link SILENCE_LIMIT_MS}. */
  readonly silenceLimitMs?: number;
};

/** A server that restarts, or a planned switch to another, mostly takes less; a caller with more patience comes again. */
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
  repoList: repoList(transactions),
  repoGetByVersion: repoGetByVersion(transactions),
  repoGetByHash: repoGetByHash(transactions),
  releaseRoles: releaseRoles(transactions),
  repoArtifacts: repoArtifacts(transactions),
  repoPrune: repoPrune(transactions),
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
  sledGet: sledGet(transactions),
  sledList: sledList(transactions),
  sledSetPolicy: sledSetPolicy(transactions),
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
