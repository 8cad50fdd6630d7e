/**
 * Records a verified release.
 *
 *     recorded by this upload already? ─▶ trust root ─▶ conflicts ─▶ new rows, or the pruned row again ─▶ local repo,
 *     overrides, bundle, prefix digests ─▶ generation ─▶ audit
 *
 * I1. The local-repo row of this upload represents the whole transaction: if it exists, an earlier attempt was committed, and
 *     nothing is done again. In particular a release deleted in between stays deleted.
 *     The repetition writes that row all the same: a transaction that writes nothing does not wait for a synchronous
 *     standby at its COMMIT, and a failover could still lose its result.
 * I2. The trust root moves in the same transaction: a release is never recorded without its roots.
 * I3. The generation is locked before anything is read: a transaction that waited for it and finds it raised fails there,
 *     before it has read anything. Reading first would hold the lock for less time, but made nine uploads at once take 2.3
 *     times as long.
 */
import { sql } from 'kysely';
import type { AuditOrigin } from '../../../../core/facts/audit.ts';
import { insertOutcome, releaseUploaded, wantedWith } from '../../decisions/insert-outcome.ts';
import type { InsertOutcome, NewRelease, ReleasePort, RepoRecord } from '../../ports/release-port.ts';
import { toRepoRecord } from '../../records.ts';
import type { Database } from '../../tables.ts';
import type { Attempt, Transactions } from '../../transactions.ts';
import { appendAudit } from '../audit/audit-rows.ts';
import { recordRoles } from '../trust-roots/role-rows.ts';
import { moveTrustRoot, requireTrustRoot } from '../trust-roots/trust-root-rows.ts';
import {
  lockGeneration,
  readGeneration,
  readPresentReleases,
  readWantedSet,
  recordWantedSet,
} from '../wanted-set/wanted-set-rows.ts';
import { recordBundle } from './bundle-rows.ts';
import { recordPrefixes, removePrefixes } from './prefix-rows.ts';
import { findRecordedRelease, type RecordedRelease, settleFiles } from './recorded-releases.ts';
import { insertReleaseRows, renameZones, replaceArtifacts } from './release-rows.ts';

export const releaseInsert =
  (transactions: Transactions): ReleasePort['releaseInsert'] =>
  (release, { audit, signal }) =>
    transactions.write('release_insert', (db, attempt) => insertOnce(db, release, audit, attempt), {
      signal,
    });

const insertOnce = async (
  db: Database,
  release: NewRelease,
  audit: AuditOrigin | undefined,
  attempt: Attempt,
): Promise<InsertOutcome> => {
  await lockGeneration(db);
  const done = await findOwnUpload(db, release);
  if (done !== undefined) {
    await writeLocalRepoAgain(db, release);
    return insertOutcome(release, done, (await readGeneration(db)).generation);
  }

  const before = await readWantedSet(db);
  await requireTrustRoot(db, release.trustRootId);
  const recorded = await findRecordedRelease(db, release);
  const { artifacts } = release.description;
  await settleFiles(db, artifacts);
  const repo =
    recorded === undefined ? await insertReleaseRows(db, release) : await presentAgain(db, recorded, release);
  await renameZones(db, artifacts);
  await moveTrustRoot(db, release.trustRootId, release);
  await recordRoles(db, repo.id, release.roles);
  await recordBundle(db, repo.id, { ...release.bundle, isReadAnew: recorded?.isReadAnew ?? false });
  await recordPrefixes(db, release);
  await insertLocalRepo(db, release, repo);
  await insertOverrides(db, release, repo);

  const after = recorded?.isReadAnew
    ? new Set((await readPresentReleases(db)).artifacts.keys())
    : wantedWith(before, artifacts);
  await removePrefixes(db, before.artifacts, after);
  const outcome = insertOutcome(release, repo, await recordWantedSet(db, before, after));
  await appendAudit(db, audit, releaseUploaded(release, before, outcome), attempt);
  return outcome;
};

/** I1. */
const findOwnUpload = async (db: Database, release: NewRelease): Promise<RepoRecord | undefined> => {
  const row = await db
    .selectFrom('local_repo')
    .innerJoin('tuf_repo', 'tuf_repo.id', 'local_repo.tuf_repo_id')
    .selectAll('tuf_repo')
    .where('local_repo.upload_id', '=', release.uploadId)
    .executeTakeFirst();
  return row && toRepoRecord(row);
};

/** Keeps the id, and the rows unless its archive is read in another way (CN4); retention goes by the time of the latest upload. */
const presentAgain = async (
  db: Database,
  { repo: recorded, isReadAnew }: RecordedRelease,
  release: NewRelease,
): Promise<RepoRecord> => {
  if (isReadAnew) await replaceArtifacts(db, recorded.id, release);
  const row = await db
    .updateTable('tuf_repo')
    .set({ time_created: sql<Date>`now()`, time_pruned: null, pruned_by: null })
    .where('id', '=', recorded.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return toRepoRecord(row);
};

const insertLocalRepo = async (db: Database, release: NewRelease, repo: RepoRecord): Promise<void> => {
  await db
    .insertInto('local_repo')
    .values({ upload_id: release.uploadId, nexus_id: release.nexusId, tuf_repo_id: repo.id })
    .execute();
};

/** I1. Changes nothing, but is a write: its commit waits for a synchronous standby, like the first one. */
const writeLocalRepoAgain = async (db: Database, release: NewRelease): Promise<void> => {
  await db
    .updateTable('local_repo')
    .set(row => ({ nexus_id: row.ref('nexus_id') }))
    .where('upload_id', '=', release.uploadId)
    .execute();
};

const insertOverrides = async (db: Database, release: NewRelease, repo: RepoRecord): Promise<void> => {
  if (release.overrides.length === 0) return;
  await db
    .insertInto('override_audit')
    .values(
      release.overrides.map((sentence, position) => ({
        upload_id: release.uploadId,
        position,
        nexus_id: release.nexusId,
        tuf_repo_id: repo.id,
        sentence,
      })),
    )
    .onConflict(conflict => conflict.columns(['upload_id', 'position']).doNothing())
    .execute();
};
