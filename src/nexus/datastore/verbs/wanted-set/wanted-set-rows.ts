/**
 * The wanted set: the distinct hashes that present releases list. It is derived, and only its digest and number
 * are stored; decisions/generation.ts has their rules (W1, W2).
 */
import assert from 'node:assert/strict';
import {
  type ArtifactHash,
  asGeneration,
  type Generation,
  type Point,
  type RepoId,
} from '../../../../core/ids.ts';
import type { PointClaim } from '../../../../core/lineage.ts';
import type { BundleKind } from '../../../../core/release-trust.ts';
import { nextGeneration, requireRecordedDigest, wantedSetDigest } from '../../decisions/generation.ts';
import { ifGiven } from '../../optional-clause.ts';
import { readInBatches } from '../../paging.ts';
import type { PresentRelease, WantedSet } from '../../ports/wanted-set-port.ts';
import type { Database } from '../../tables.ts';
import { type PointOrigin, readRecordedPoints, recordPoint } from './point-rows.ts';

export const readGeneration = async (db: Database): Promise<Point> => {
  const { generation, digest } = await db
    .selectFrom('tuf_current_point')
    .selectAll()
    .executeTakeFirstOrThrow();
  return { generation: asGeneration(generation), digest };
};

/** For transactions that may raise it: later ones wait here instead of failing at their end. */
export const lockGeneration = async (db: Database): Promise<void> => {
  await db.selectFrom('tuf_current_point').select('generation').forUpdate().executeTakeFirstOrThrow();
};

/** @throws `WANTED_SET_DIGEST` (W1) */
export const readWantedSet = async (db: Database, claims: readonly PointClaim[] = []): Promise<WantedSet> => {
  const stored = await readGeneration(db);
  const wanted = await readPresentReleases(db);
  requireRecordedDigest(stored, wantedSetDigest(wanted.artifacts.keys()));
  return { ...stored, ...wanted, lineage: await readRecordedPoints(db, claims) };
};

/** The same without the check of the digest: for recovery. */
export const readPresentReleases = async (
  db: Database,
): Promise<Pick<WantedSet, 'artifacts' | 'releases'>> => {
  const artifacts = new Map<ArtifactHash, number>();
  const releases: PresentRelease[] = [];
  for await (const { id, system_version, time_created, ...row } of presentReleases(db)) {
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
      bundle: bundleOf(row),
    });
  }
  return { artifacts, releases };
};

const presentReleases = (db: Database) =>
  readInBatches(
    (after: Buffer | undefined, limit) =>
      db
        .selectFrom('tuf_repo')
        .leftJoin('tuf_repo_bundle as bundle', 'bundle.tuf_repo_id', 'tuf_repo.id')
        .select(['id', 'system_version', 'tuf_repo.time_created', 'version_order'])
        .select(['bundle.sha256', 'bundle.kind', 'bundle.time_exempted'])
        .where('time_pruned', 'is', null)
        .$call(ifGiven(after, (query, last) => query.where('version_order', '>', last)))
        .orderBy('version_order')
        .limit(limit)
        .execute(),
    row => row.version_order,
  );

type BundleColumns = {
  readonly sha256: string | null;
  readonly kind: BundleKind | null;
  readonly time_exempted: number | null;
};

const bundleOf = ({ sha256, kind, time_exempted }: BundleColumns): PresentRelease['bundle'] =>
  sha256 === null || kind === null ? undefined : { sha256, kind, isExempted: time_exempted !== null };

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
  before: Point,
  hashes: ReadonlySet<ArtifactHash>,
): Promise<Generation> => {
  const after = nextGeneration(before, hashes);
  if (after.digest !== before.digest) await writeGeneration(db, before, after, { origin: 'change' });
  return after.generation;
};

export const writeGeneration = async (
  db: Database,
  before: Point,
  after: Point,
  origin: PointOrigin,
): Promise<void> => {
  const { numUpdatedRows } = await db
    .updateTable('tuf_current_point')
    .set({ generation: after.generation, digest: after.digest })
    .where('generation', '=', before.generation)
    .executeTakeFirstOrThrow();
  assert.equal(numUpdatedRows, 1n, 'the generation changed in the transaction that holds its row');
  await recordPoint(db, after, origin);
};
