/**
 * What keeps a release from being recorded.
 *
 * K1. A version means one set of artifacts, one metadata and one archive for ever, pruned or not.
 * K2. An archive has one version.
 * K3. A hash has one length and one version, in all releases.
 */
import type { RepoId } from '../../core/ids.ts';
import type { ReleaseArtifact } from '../../core/release.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Database } from './attempt.ts';
import type { NewRelease, RepoRecord } from './datastore.ts';
import { batchesOf, READ_BATCH_ROWS } from './paging.ts';
import { toRepoRecord } from './records.ts';
import { readAllRepoArtifacts } from './repo-artifacts.ts';

/**
 * The release recorded for this version, or undefined when it is new.
 *
 * @throws `RELEASE_CONFLICT` (K1, K2), naming both sides
 */
export const findRecordedRelease = async (
  db: Database,
  release: NewRelease,
): Promise<RepoRecord | undefined> => {
  const { systemVersion } = release.description;
  const rows = await db
    .selectFrom('tuf_repo')
    .selectAll()
    .where(where => where.or([where('hash', '=', release.hash), where('system_version', '=', systemVersion)]))
    .execute();
  const recorded = rows.map(toRepoRecord);
  const other = recorded.find(repo => repo.hash === release.hash && repo.systemVersion !== systemVersion);
  if (other !== undefined) {
    throw releaseConflict(
      `${release.hashKind} ${release.hash} is recorded as release ${stateOf(other)}, and cannot be release ${systemVersion} too`,
      release,
      other,
    );
  }
  const same = recorded.find(repo => repo.systemVersion === systemVersion);
  if (same !== undefined) await requireSameRelease(db, release, same);
  return same;
};

const requireSameRelease = async (db: Database, release: NewRelease, recorded: RepoRecord): Promise<void> => {
  const { description } = release;
  const subject = `release ${stateOf(recorded)}`;
  const uploaded = new Set(description.artifacts.map(artifactKey));
  const known = new Set(
    (await readAllRepoArtifacts(db, recorded.id)).map(({ artifact }) => artifactKey(artifact)),
  );
  const [added, missing] = [uploaded.difference(known), known.difference(uploaded)];
  if (added.size + missing.size > 0) {
    throw releaseConflict(
      `${subject} is recorded with other artifacts than uploaded: ${only('the upload', added)}${only('the recorded one', missing)}`,
      release,
      recorded,
    );
  }
  const metadata = await readMetadata(db, recorded.id);
  const differing = Object.keys({ ...metadata, ...description.metadata }).find(
    key => metadata[key] !== description.metadata[key],
  );
  if (differing !== undefined) {
    throw releaseConflict(
      `${subject} is recorded with metadata ${differing}=${metadata[differing] ?? '(none)'}, the upload has ${description.metadata[differing] ?? '(none)'}`,
      release,
      recorded,
    );
  }
  // One release may be fetched over HTTP, there signed anew before its metadata expires, and uploaded as an archive:
  // only two archives contradict each other.
  const bothArchives = release.hashKind === 'archive' && recorded.hashKind === 'archive';
  if (bothArchives && release.hash !== recorded.hash) {
    throw releaseConflict(
      `${subject} is recorded with ${recorded.hashKind} ${recorded.hash}, the upload is ${release.hash}`,
      release,
      recorded,
    );
  }
};

const readMetadata = async (db: Database, repoId: RepoId): Promise<Record<string, string>> => {
  const rows = await db
    .selectFrom('tuf_repo_metadata')
    .selectAll()
    .where('tuf_repo_id', '=', repoId)
    .execute();
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
};

/** @throws `ARTIFACT_CONFLICT` (K3), naming both sides */
export const requireConsistentFiles = async (
  db: Database,
  artifacts: readonly ReleaseArtifact[],
): Promise<void> => {
  const files = new Map<string, { sizeBytes: number; version: string; where: string }>();
  for (const { sha256, sizeBytes, version, targetName } of artifacts) {
    const known = files.get(sha256);
    if (known === undefined) files.set(sha256, { sizeBytes, version, where: `target ${targetName}` });
    else requireSameFile(sha256, known, { sizeBytes, version, where: `target ${targetName}` });
  }
  for (const batch of batchesOf([...new Set(artifacts.map(({ sha256 }) => sha256))], READ_BATCH_ROWS)) {
    const rows = await db.selectFrom('tuf_artifact_file').selectAll().where('sha256', 'in', batch).execute();
    for (const { sha256, size_bytes, version } of rows) {
      const uploaded = files.get(sha256);
      if (uploaded !== undefined) {
        requireSameFile(sha256, { sizeBytes: size_bytes, version, where: 'an earlier release' }, uploaded);
      }
    }
  }
};

type FileFacts = { readonly sizeBytes: number; readonly version: string; readonly where: string };

const requireSameFile = (sha256: string, known: FileFacts, uploaded: FileFacts): void => {
  if (known.sizeBytes === uploaded.sizeBytes && known.version === uploaded.version) return;
  const say = (file: FileFacts) => `version ${file.version} and ${file.sizeBytes} bytes in ${file.where}`;
  throw new DepotError(
    'ARTIFACT_CONFLICT',
    `artifact ${sha256} has ${say(uploaded)}, but ${say(known)}: one hash has one version and one length`,
    { detail: { sha256 } },
  );
};

/** Lengths and versions follow from the hash (K3), so they are not compared here. */
const artifactKey = (artifact: ReleaseArtifact): string =>
  JSON.stringify([artifact.targetName, artifact.sha256, Object.entries(artifact.tags).sort()]);

const only = (side: string, keys: ReadonlySet<string>): string => {
  const [first] = keys;
  if (first === undefined) return '';
  const [targetName, sha256] = JSON.parse(first) as [string, string];
  return `${keys.size} only in ${side} (such as ${targetName}, ${sha256}); `;
};

const stateOf = (repo: RepoRecord): string =>
  repo.timePrunedMs === null ? repo.systemVersion : `${repo.systemVersion} (deleted)`;

const releaseConflict = (message: string, release: NewRelease, recorded: RepoRecord): DepotError =>
  new DepotError('RELEASE_CONFLICT', message.replace(/; $/, ''), {
    detail: {
      system_version: release.description.systemVersion,
      hash: release.hash,
      recorded_version: recorded.systemVersion,
      recorded_hash: recorded.hash,
    },
  });
