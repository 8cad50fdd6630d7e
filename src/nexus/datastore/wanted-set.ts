/**
 * The wanted set: the distinct hashes that present releases list. It is derived, and only its digest and number
 * are stored.
 *
 * W1. What is read is compared with the stored digest in the same transaction, so that tables changed behind our
 *     back are an error and not a config that fights an earlier one (DS1).
 * W2. The generation rises by one when the set of hashes is another than before, and only then (B4).
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { MAX_CONFIG_ARTIFACTS } from '../../api/sled-agent-api.ts';
import { digestInput } from '../../core/artifact-config.ts';
import { type ArtifactHash, asGeneration, type Generation, type RepoId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Database } from './attempt.ts';
import type { WantedSet } from './datastore.ts';
import { readInBatches } from './paging.ts';

export const wantedSetDigest = (hashes: Iterable<ArtifactHash>): string =>
  createHash('sha256').update(digestInput(hashes)).digest('hex');

export type StoredGeneration = { readonly generation: Generation; readonly digest: string };

export const readGeneration = async (db: Database): Promise<StoredGeneration> => {
  const { generation, digest } = await db.selectFrom('tuf_generation').selectAll().executeTakeFirstOrThrow();
  return { generation: asGeneration(generation), digest };
};

/** For transactions that may raise it: later ones wait here instead of failing at their end. */
export const lockGeneration = async (db: Database): Promise<void> => {
  await db.selectFrom('tuf_generation').select('generation').forUpdate().executeTakeFirstOrThrow();
};

/** @throws `WANTED_SET_DIGEST` (W1) */
export const readWantedSet = async (db: Database): Promise<WantedSet> => {
  const stored = await readGeneration(db);
  const wanted = await readPresentReleases(db);
  const digest = wantedSetDigest(wanted.artifacts.keys());
  if (digest === stored.digest) return { ...stored, ...wanted };
  throw new DepotError(
    'WANTED_SET_DIGEST',
    `at generation ${stored.generation} the database wants artifacts of digest ${digest}, but recorded ${stored.digest}: its tables were changed by something else`,
    { detail: { generation: stored.generation, digest, recorded_digest: stored.digest } },
  );
};

/** The same without a look at the digest: for recovery. */
export const readPresentReleases = async (
  db: Database,
): Promise<Pick<WantedSet, 'artifacts' | 'releases'>> => {
  const artifacts = new Map<ArtifactHash, number>();
  const releases: WantedSet['releases'][number][] = [];
  for await (const { id, system_version, time_created } of presentReleases(db)) {
    const hashes = new Set<ArtifactHash>();
    for await (const { sha256, size_bytes } of listedFiles(db, id)) {
      hashes.add(sha256);
      artifacts.set(sha256, size_bytes);
    }
    releases.push({
      repoId: id,
      systemVersion: system_version,
      timeCreatedMs: time_created,
      artifacts: hashes,
    });
  }
  return { artifacts, releases };
};

const presentReleases = (db: Database) =>
  readInBatches(
    (after: Buffer | undefined, limit) =>
      db
        .selectFrom('tuf_repo')
        .select(['id', 'system_version', 'time_created', 'version_order'])
        .where('time_pruned', 'is', null)
        .$if(after !== undefined, query => query.where('version_order', '>', after!))
        .orderBy('version_order')
        .limit(limit)
        .execute(),
    row => row.version_order,
  );

/** Release by release, so that each batch is a range of one primary key. */
const listedFiles = (db: Database, repoId: RepoId) =>
  readInBatches(
    (after: number | undefined, limit) =>
      db
        .selectFrom('tuf_repo_artifact as listed')
        .innerJoin('tuf_artifact as artifact', 'artifact.id', 'listed.tuf_artifact_id')
        .innerJoin('tuf_artifact_file as file', 'file.sha256', 'artifact.sha256')
        .select(['listed.position', 'artifact.sha256', 'file.size_bytes'])
        .where('listed.tuf_repo_id', '=', repoId)
        .where('listed.position', '>', after ?? -1)
        .orderBy('listed.position')
        .limit(limit)
        .execute(),
    row => row.position,
  );

/**
 * W2, for a transaction that holds {@link lockGeneration} and read `before` in it.
 *
 * @throws `WANTED_SET_TOO_LARGE` when no sled would take the config
 */
export const recordWantedSet = async (
  db: Database,
  before: StoredGeneration,
  hashes: ReadonlySet<ArtifactHash>,
): Promise<Generation> => {
  const digest = wantedSetDigest(hashes);
  if (digest === before.digest) return before.generation;
  if (hashes.size > MAX_CONFIG_ARTIFACTS) {
    throw new DepotError(
      'WANTED_SET_TOO_LARGE',
      `with this release ${hashes.size} artifacts would be wanted, more than the ${MAX_CONFIG_ARTIFACTS} of a config: delete a release first`,
      { detail: { artifacts: hashes.size, max: MAX_CONFIG_ARTIFACTS } },
    );
  }
  if (before.generation === Number.MAX_SAFE_INTEGER) {
    throw new DepotError(
      'DATABASE_CONTENT',
      `the generation is ${before.generation}, the last there is, and the wanted set cannot change any more`,
    );
  }
  return await writeGeneration(db, before, { generation: asGeneration(before.generation + 1), digest });
};

export const writeGeneration = async (
  db: Database,
  before: StoredGeneration,
  after: StoredGeneration,
): Promise<Generation> => {
  const { numUpdatedRows } = await db
    .updateTable('tuf_generation')
    .set({ generation: after.generation, digest: after.digest })
    .where('generation', '=', before.generation)
    .executeTakeFirstOrThrow();
  assert.equal(numUpdatedRows, 1n, 'the generation changed in the transaction that holds its row');
  return after.generation;
};
